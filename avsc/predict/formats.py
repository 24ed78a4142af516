"""A time-line as a table for the terminal, as CSV and as JSON; pure."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from avsc.predict.timeline import SceneTimeline, longest
from avsc.report.formatting import clock, whole_per_cent

MOST_SECONDS = 30  # longer recordings are shown as stretches
MOST_ROWS = 50

Table = tuple[list[str], list[list[str]]]


def table(timeline: SceneTimeline) -> Table:
    """Header and rows for a terminal: each second, or stretches of one scene if it is long."""
    if len(timeline.probabilities) <= MOST_SECONDS:
        return _by_second(timeline)
    rows = [
        [
            f"{clock(one.start)}–{clock(one.stop)}",
            timeline.scenes[one.scene],
            per_cent(one.probability),
        ]
        for one in longest(timeline.stretches(), MOST_ROWS)
    ]
    return ["time", "scene", "probability"], rows


def footer(timeline: SceneTimeline) -> str:
    """The line under the table: the share of the time of each scene."""
    shares = ", ".join(
        f"{timeline.scenes[scene]} {per_cent(share)}" for scene, share in timeline.shares()
    )
    count = len(timeline.stretches())
    left_out = len(timeline.probabilities) > MOST_SECONDS and count > MOST_ROWS
    shown = f"; the {MOST_ROWS} longest of {count} stretches are shown" if left_out else ""
    return f"of {clock(len(timeline.probabilities))}: {shares}{shown}"


def csv_header(scenes: Sequence[str]) -> str:
    """The first line of a CSV."""
    return _csv([["file", "second", "scene", "probability", *scenes]])[0]


def csv_lines(timeline: SceneTimeline) -> list[str]:
    """A line a second, without the header; probabilities with 9 significant digits."""
    rows = []
    for number, row in enumerate(timeline.probabilities, start=timeline.first):
        best = int(row.argmax())
        shares = [f"{share:.9g}" for share in (row[best], *row)]
        rows.append([str(timeline.file), str(number), timeline.scenes[best], *shares])
    return _csv(rows)


def as_json(timeline: SceneTimeline) -> dict[str, Any]:
    """Everything but pictures and sound, as plain values."""
    return {
        "file": str(timeline.file),
        "audio": None if timeline.sound is None else str(timeline.sound),
        "run": timeline.system,
        "first_second": timeline.first,
        "seconds": len(timeline.probabilities),
        "scenes": list(timeline.scenes),
        "notes": list(timeline.notes),
        "stretches": [
            {
                "start_s": one.start,
                "stop_s": one.stop,
                "scene": timeline.scenes[one.scene],
                "probability": one.probability,
            }
            for one in timeline.stretches()
        ],
        "probabilities": timeline.probabilities.tolist(),
    }


def json_text(timeline: SceneTimeline) -> str:
    """`as_json` in one line."""
    return json.dumps(as_json(timeline), ensure_ascii=False)


def per_cent(share: float) -> str:
    """A probability with its unit.

    >>> per_cent(0.934), per_cent(0.9999)
    ('93 %', '>99 %')
    """
    return f"{whole_per_cent(share)} %"


def _csv(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().removesuffix("\n").split("\n")


def _by_second(timeline: SceneTimeline) -> Table:
    rows = []
    for number, shares in enumerate(timeline.probabilities, start=timeline.first):
        best, second_best = shares.argsort()[::-1][:2]
        rows.append(
            [
                clock(number),
                timeline.scenes[best],
                per_cent(shares[best]),
                f"{timeline.scenes[second_best]} {per_cent(shares[second_best])}",
            ]
        )
    return ["time", "scene", "probability", "next"], rows
