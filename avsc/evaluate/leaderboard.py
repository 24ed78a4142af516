"""Published results on the official test fold (``data_manifests/leaderboard.csv``), and a place
among them, like with like.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from avsc.resources import resource

LEADERBOARD = "data_manifests/leaderboard.csv"
PROTOCOL = "segment"
Metric = Literal["log_loss", "accuracy"]


@dataclass(frozen=True)
class Entry:
    """A result.

    Attributes:
        system: Name of the system.
        year: Year of publication; None for the user's.
        log_loss: Log-loss; None where it is not published.
        accuracy: Accuracy in per cent.
        kind: ``single``, ``ensemble`` or ``not stated``.
        protocol: ``segment``, ``clip``, ``not stated``, or what was done instead.
        source: Publication; ``here`` for the user's.
    """

    system: str
    year: int | None
    log_loss: float | None
    accuracy: float
    kind: str
    protocol: str
    source: str


def own_entry(
    system: str, log_loss: float, accuracy: float, protocol: str, kind: str = "not stated"
) -> Entry:
    """A result of the user's; ``accuracy`` is a share."""
    return Entry(system, None, log_loss, 100 * accuracy, kind, protocol, "here")


def published() -> tuple[Entry, ...]:
    """The published results, in the order of the file."""
    with resource(LEADERBOARD).open(encoding="utf-8", newline="") as file:
        return tuple(
            Entry(
                row["system"],
                int(row["year"]),
                float(row["log_loss"]) if row["log_loss"] else None,
                float(row["accuracy"]),
                row["kind"],
                row["protocol"],
                row["source"],
            )
            for row in csv.DictReader(file)
        )


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """Entries by accuracy, those of the official protocol first."""
    return sorted(entries, key=lambda one: (one.protocol != PROTOCOL, -one.accuracy))


def place(own: Entry, metric: Metric, *, ensembles: bool = True) -> tuple[int, int] | None:
    """The place of a result among the published ones of its protocol that have the metric.

    Args:
        own: Result of the user's.
        metric: Score that is compared.
        ensembles: Whether published ensembles count.

    Returns:
        The place, from 1, and the number of results with the new one; None where there are no
        others of this protocol.
    """
    same = [one for one in published() if one.protocol == own.protocol]
    same = [one for one in same if ensembles or one.kind != "ensemble"]
    sign = 1 if metric == "log_loss" else -1
    values = [sign * value for one in same if (value := getattr(one, metric)) is not None]
    mine = sign * getattr(own, metric)
    return (1 + sum(value < mine for value in values), 1 + len(values)) if values else None
