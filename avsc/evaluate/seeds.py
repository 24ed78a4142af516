"""A folder of runs that differ in their seed alone: ``RUN/seed-0``, ``RUN/seed-1`` and so on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc.errors import AvscError
from avsc.evaluate import results

SEED = re.compile(r"seed-(\d+)")


@dataclass(frozen=True)
class Spread:
    """How far the scores of several seeds are apart.

    Attributes:
        log_loss: Log-loss of each seed.
        accuracy: Accuracy of each seed.
    """

    log_loss: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.log_loss)

    @property
    def log_loss_std(self) -> float:
        """Standard deviation of the log-loss (of the sample: divided by n - 1)."""
        return std(self.log_loss)

    @property
    def accuracy_std(self) -> float:
        """Standard deviation of the accuracy."""
        return std(self.accuracy)


def std(values: Sequence[float]) -> float:
    """The sample's standard deviation; nan for fewer than two values.

    >>> std([1.0, 3.0])
    1.4142135623730951
    """
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def seed_folders(folder: Path) -> list[Path]:
    """The runs of a folder of seeds, in the order of their seeds; none where it is something else.

    Args:
        folder: Folder that may hold ``seed-<n>/`` folders.
    """
    if (folder / "config.toml").is_file() or not folder.is_dir():
        return []
    found = [(m, path) for path in folder.iterdir() if (m := SEED.fullmatch(path.name))]
    return [path for _, path in sorted((int(m[1]), path) for m, path in found if path.is_dir())]


def trained_seeds(folder: Path) -> list[Path]:
    """The runs of a folder of seeds, each with a checkpoint; none where it is something else.

    Args:
        folder: Folder that may hold ``seed-<n>/`` folders.

    Raises:
        AvscError: Some of the seeds are not trained; all of these are named, before any work.
    """
    runs = seed_folders(folder)
    without = [str(run) for run in runs if results.weights_sha256(run) is None]
    if without:
        raise AvscError(
            f"no checkpoint in {', '.join(without)}",
            "a run of each seed that finished its first epoch",
            "train them further: the same `avsc train ... --seeds N` goes on",
        )
    return runs
