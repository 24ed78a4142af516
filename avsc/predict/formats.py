"""A time-line as a table for the terminal, as CSV and as JSON; pure."""

import json
from collections.abc import Sequence
from typing import Any

from avsc.predict.recording import clock
from avsc.predict.timeline import Timeline, longest

EACH_SECOND = 30  # recordings up to so many seconds are shown second by second
MOST_ROWS = 50

Rows = tuple[list[str], list[list[str]]]


def table(timeline: Timeline) -> Rows:
    """Header and rows for a terminal: each second, or stretches of the same scene if it is long."""
    if len(timeline.probabilities) <= EACH_SECOND:
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


def summary(timeline: Timeline) -> str:
    """What stands under the table: how much of the time each scene has."""
    shares = ", ".join(
        f"{timeline.scenes[scene]} {per_cent(share)}" for scene, share in timeline.shares()
    )
    count = len(timeline.stretches())
    left_out = len(timeline.probabilities) > EACH_SECOND and count > MOST_ROWS
    shown = f"; the {MOST_ROWS} longest of {count} stretches are shown" if left_out else ""
    return f"of {clock(len(timeline.probabilities))}: {shares}{shown}"


def csv_header(scenes: Sequence[str]) -> str:
    """The first line of a CSV."""
    return ",".join(["file", "second", "scene", "probability", *scenes])


def csv_lines(timeline: Timeline) -> list[str]:
    """A line a second, without the header; probabilities with 9 significant digits."""
    name = _quoted(str(timeline.file))
    lines = []
    for number, row in enumerate(timeline.probabilities, start=timeline.first):
        best = int(row.argmax())
        shares = ",".join(f"{share:.9g}" for share in row)
        lines.append(f"{name},{number},{timeline.scenes[best]},{row[best]:.9g},{shares}")
    return lines


def as_json(timeline: Timeline) -> dict[str, Any]:
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


def json_text(timeline: Timeline) -> str:
    """`as_json` in one line."""
    return json.dumps(as_json(timeline), ensure_ascii=False)


def per_cent(share: float) -> str:
    """A probability for a person; only what is certain is 0 or 100.

    >>> per_cent(0.934), per_cent(0.9999), per_cent(0.001), per_cent(1.0)
    ('93 %', '>99 %', '<1 %', '100 %')
    """
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return ">99 %"
    if whole == 0 and share > 0:
        return "<1 %"
    return f"{whole} %"


def _by_second(timeline: Timeline) -> Rows:
    rows = []
    for number, shares in enumerate(timeline.probabilities, start=timeline.first):
        best, next_best = shares.argsort()[::-1][:2]
        rows.append(
            [
                clock(number),
                timeline.scenes[best],
                per_cent(shares[best]),
                f"{timeline.scenes[next_best]} {per_cent(shares[next_best])}",
            ]
        )
    return ["time", "scene", "probability", "next"], rows


def _quoted(text: str) -> str:
    """A CSV field (RFC 4180).

    >>> _quoted("a.mp4"), _quoted('a,"b".mp4')
    ('a.mp4', '"a,""b"".mp4"')
    """
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text
