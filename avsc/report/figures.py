"""The report's figures, from plain numbers to SVG text; pure.

Each is drawn 360 units wide, so that a phone shows its letters as they are, and carries a
description that says its numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.metrics import Calibration
from avsc.report import svg

WIDTH = 360.0
HALF_LETTER = 3.2  # half the width of a letter, about
LINE = 13.0


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart; bounds are nan where there is no interval."""

    label: str
    value: float
    low: float
    high: float
    shown: str  # the number as it is printed


@dataclass(frozen=True)
class Curve:
    """One line of learning curves, a value an epoch (nan where there is none)."""

    name: str
    kind: str  # its style
    values: tuple[float, ...]


def bars(title: str, rows: Sequence[Bar], top: float | None, mean: float | None = None) -> str:
    """Horizontal bars with the whiskers of their intervals.

    Args:
        title: What is measured.
        rows: From top to bottom; a nan value makes an empty row.
        top: The end of the axis; None: a round number beyond the longest mark.
        mean: A value marked by a line through all rows.
    """
    left, right, step = 112.0, WIDTH - 58.0, 22.0
    foot = 8 + step * len(rows)
    end = top if top is not None else _beyond([v for r in rows for v in (r.value, r.high)])
    scale = svg.Scale(0, end, left, right)
    parts = []
    for tick in svg.ticks(0, end, 5):
        parts.append(svg.line(scale(tick), 4, scale(tick), foot, "grid"))
        parts.append(svg.text(scale(tick), foot + 14, f"{tick:g}", "small", "middle"))
    for number, row in enumerate(rows):
        parts += _bar(row, 8 + step * number, scale, left)
    if mean is not None:
        parts.append(svg.line(scale(mean), 4, scale(mean), foot, "mean"))
    told = "; ".join(f"{row.label} {row.shown}" for row in rows)
    return svg.drawing(WIDTH, foot + 20, f"{title}: {told}", parts)


def curves(title: str, lines: Sequence[Curve], best: int | None, floor: float | None = 0.0) -> str:
    """Lines over epochs 1, 2, ...; the best epoch is marked.

    Args:
        title: What is measured, for the description.
        lines: At least one, all of one length.
        best: The epoch that is marked, counted from 1.
        floor: Where the vertical axis begins; None: below the lowest value.
    """
    height, left, right, head, foot = 236.0, 40.0, WIDTH - 10.0, 26.0, 204.0
    known = [v for curve in lines for v in curve.values if np.isfinite(v)]
    if not known:
        return ""
    epochs = len(lines[0].values)
    low = min(known) if floor is None else floor
    up = svg.Scale(low, max(_beyond(known), low + 1e-9), foot, head)
    across = svg.Scale(1, max(epochs, 2), left, right)
    parts = _grid(up, across, left, right, epochs)
    if best is not None:
        parts.append(svg.line(across(best), head, across(best), foot, "mean"))
        side = "end" if across(best) > (left + right) / 2 else "start"
        shift = -4 if side == "end" else 4
        parts.append(svg.text(across(best) + shift, head + 9, f"best: {best}", "small", side))
    place = left
    for curve in lines:
        points = [
            (across(epoch), up(value))
            for epoch, value in enumerate(curve.values, start=1)
            if np.isfinite(value)
        ]
        parts.append(svg.polyline(points, f"curve {curve.kind}"))
        parts.append(svg.dots(points if epochs <= 30 else points[-1:], curve.kind))
        parts.append(svg.line(place, 11, place + 16, 11, f"curve {curve.kind}"))
        parts.append(svg.text(place + 21, 15, curve.name))
        place += 40 + 6.2 * len(curve.name)
    told = "; ".join(
        f"{curve.name} from {_first(curve.values):.3g} to {_first(curve.values[::-1]):.3g}"
        for curve in lines
    )
    parts.append(svg.text((left + right) / 2, height - 4, "epoch", "small", "middle"))
    marked = "" if best is None else f", best epoch {best}"
    return svg.drawing(WIDTH, height, f"{title} over {epochs} epochs: {told}{marked}", parts)


def reliability(found: Calibration) -> str:
    """Accuracy against confidence in bins, over a histogram of how many segments each holds."""
    left, right, head, foot = 44.0, WIDTH - 10.0, 10.0, 240.0
    across, up = svg.Scale(0, 1, left, right), svg.Scale(0, 1, foot, head)
    parts = []
    for tick in svg.ticks(0, 1):
        parts.append(svg.line(left, up(tick), right, up(tick), "grid"))
        parts.append(svg.text(left - 6, up(tick) + 4, f"{tick:g}", "small", "end"))
        parts.append(svg.text(across(tick), 316, f"{tick:g}", "small", "middle"))
    most = max(int(found.count.max()), 1)
    down = svg.Scale(0, most, 300, 252)
    for k in np.flatnonzero(found.count):
        x = across(found.edges[k]) + 1
        width = across(found.edges[k + 1]) - across(found.edges[k]) - 2
        right_at, sure_at = up(float(found.accuracy[k])), up(float(found.confidence[k]))
        lower, upper = max(right_at, sure_at), min(right_at, sure_at)
        parts.append(svg.rect(x, lower, width, foot - lower, "bar"))
        parts.append(svg.rect(x, upper, width, lower - upper, "gap"))
        parts.append(svg.line(x, right_at, x + width, right_at, "whisker"))
        level = down(float(found.count[k]))
        parts.append(svg.rect(x, level, width, 300 - level, "count"))
    parts.append(svg.line(across(0), up(0), across(1), up(1), "diagonal"))
    parts.append(svg.line(left, 300, right, 300, "axis"))
    parts.append(svg.text(left - 6, 262, f"{most:,}", "small", "end"))
    parts.append(svg.text(left - 6, 300, "0", "small", "end"))
    parts.append(svg.text((left + right) / 2, 332, "highest probability", "small", "middle"))
    told = "; ".join(
        f"at {found.confidence[k]:.2f} {found.accuracy[k]:.2f} of {found.count[k]}"
        for k in np.flatnonzero(found.count)
    )
    title = f"Reliability, expected calibration error {found.ece:.3f}: share right {told}"
    return svg.drawing(WIDTH, 338, title, parts)


def scatter(
    title: str, points: NDArray[np.float64], labels: NDArray[np.int64], names: Sequence[str]
) -> str:
    """Points [m, 2] coloured by class, each class named where its points are densest."""
    side, edge = WIDTH, 14.0
    low, high = points.min(axis=0), points.max(axis=0)
    span = max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    placed = (points - middle) / span * (side - 2 * edge) + side / 2
    parts, written = [], []
    for k in np.unique(labels):
        mine = placed[labels == k]
        parts.append(svg.dots([(float(x), float(y)) for x, y in mine], f"scene{k}"))
        x, y = _densest(mine)
        written.append((float(y), float(x), names[k]))
    for y, x, name in _spread(written):
        within = min(max(x, HALF_LETTER * len(name)), side - HALF_LETTER * len(name))
        parts.append(svg.text(within, y, name, "halo", "middle"))
    return svg.drawing(side, side, f"{title}: {len(points)} segments by scene", parts)


def _bar(row: Bar, y: float, scale: svg.Scale, left: float) -> list[str]:
    parts = [svg.text(left - 6, y + 12, row.label, "", "end")]
    if np.isnan(row.value):
        return [*parts, svg.text(left + 4, y + 12, "no segments", "small")]
    ends = min(scale(row.value), scale.end)
    parts.append(svg.rect(left, y + 2, ends - left, 13, "bar"))
    if np.isfinite(row.low) and np.isfinite(row.high):
        low, high = scale(row.low), min(scale(row.high), scale.end)
        parts.append(svg.line(low, y + 8.5, high, y + 8.5, "whisker"))
        parts += [svg.line(x, y + 5, x, y + 12, "whisker") for x in (low, high)]
    parts.append(svg.text(WIDTH - 2, y + 12, row.shown, "number", "end"))
    return parts


def _grid(up: svg.Scale, across: svg.Scale, left: float, right: float, epochs: int) -> list[str]:
    parts = []
    for tick in svg.ticks(up.low, up.high, 6):
        parts.append(svg.line(left, up(tick), right, up(tick), "grid"))
        parts.append(svg.text(left - 5, up(tick) + 4, f"{tick:g}", "small", "end"))
    for tick in svg.ticks(1, max(epochs, 2), 7):
        if tick == int(tick):
            parts.append(svg.text(across(tick), up.start + 14, f"{tick:g}", "small", "middle"))
    return parts


def _densest(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle of the closest quarter of points [m, 2]: a class may lie in several groups."""
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    nearest = np.argsort(distances, axis=1)[:, : max(1, len(points) // 4)]
    spread = np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
    return np.asarray(points[nearest[spread.argmin()]].mean(axis=0))


def _beyond(values: Sequence[float]) -> float:
    """The end of an axis from 0 that holds all values: a little beyond the largest."""
    known = [value for value in values if np.isfinite(value)]
    return max(known, default=1.0) * 1.05 or 1.0


def _first(values: Sequence[float]) -> float:
    return next((value for value in values if np.isfinite(value)), float("nan"))


def _spread(labels: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Moves labels (y, x, name) down where they would lie on one above."""
    placed: list[tuple[float, float, str]] = []
    for wanted, x, name in sorted(labels):
        y = wanted
        for y_other, x_other, other in placed:
            near = abs(x - x_other) < HALF_LETTER * (len(name) + len(other))
            if near and y - y_other < LINE:
                y = y_other + LINE
        placed.append((y, x, name))
    return placed
