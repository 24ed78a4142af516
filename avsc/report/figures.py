"""The report's figures, from plain numbers to SVG text; pure.

Each is 360 points wide, so that a phone shows its text in full size, and carries a description
that gives its numbers. Shape legend: m points of a map, F frames, B bands.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.image import imsave
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from avsc.evaluate.summary import GroupScore
from avsc.metrics import Calibration
from avsc.report import formatting
from avsc.report.style import (
    ACCENT,
    HALO,
    INK,
    SECOND,
    SMALL,
    SOFT,
    inline_svg,
    new_figure,
    scene_colour,
    styled,
)
from avsc.store.schema import Feature

Metric = Literal["log_loss", "accuracy"]
Floats = NDArray[np.float64]

COLOUR_MAP = "magma"  # of audio features
WIDTH = 360.0
DASHES = (0, (4, 3))
DOT = 4.5
MOST_DOTS = 30  # a curve of more epochs has a dot at its end only
EDGE = 14.0  # between a map's points and its border
METRICS = {
    "log_loss": (1, "Log-loss", formatting.loss),
    "accuracy": (100, "Accuracy in per cent", formatting.per_cent),
}
ENDS = ("low", "high")
LETTER_WIDTH, LINE_HEIGHT = 7.0, 13.0  # of a map's names, about
MOST_NAMES = 24  # in a map: those of the classes with the most points
MATRIX_WIDTH, MOST_TICKS = 640.0, 64  # of a matrix of many classes


def bars(metric: Metric, what: str, rows: Sequence[GroupScore], mean: float) -> Markup:
    """Horizontal bars with whiskers for their intervals.

    Args:
        metric: Shown score; accuracies are shown in per cent.
        what: Kind of the groups, such as "scene", for the description.
        rows: Groups from top to bottom; a group without segments has no bar.
        mean: Score of a dashed line through all rows.
    """
    factor, title, shown = METRICS[metric]
    values = factor * np.array([getattr(row, metric) for row in rows])
    intervals = [getattr(row, f"{metric}_interval") for row in rows]
    lows, highs = (factor * np.array([getattr(i, end) for i in intervals]) for end in ENDS)
    end = 100.0 if metric == "accuracy" else _end([*values, *highs])
    highs = np.minimum(highs, end)
    with styled():
        figure = new_figure(WIDTH, 28 + 22 * len(rows))
        axes = without_frame(figure.subplots(), grid="x")
        axes.set(xlim=(0, end), ylim=(len(rows) - 0.5, -0.5))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        names = [formatting.short(row.name) for row in rows]
        axes.set_yticks(range(len(rows)), names, color=INK)
        axes.barh(range(len(rows)), np.nan_to_num(values), 0.6, color=ACCENT, alpha=0.75)
        for y, (row, low, high) in enumerate(zip(rows, lows, highs, strict=True)):
            caps = [(x, y - 0.17, x, y + 0.17) for x in (low, high)]
            strokes(axes, [(low, y, high, y), *caps])
            _right_label(axes, shown(getattr(row, metric)), y)
            if not row.n:
                axes.text(0, y, " no segments", va="center", size=SMALL, color=SOFT)
        axes.axvline(factor * mean, color=SECOND, linewidth=1.4, linestyle=DASHES)
        told = "; ".join(f"{row.name} {shown(getattr(row, metric))}" for row in rows)
        return inline_svg(figure, f"{title} by {what}: {told}")


def curves(title: str, lines: Mapping[str, Sequence[float]], best: int | None) -> Markup:
    """Lines over epochs 1, 2, ..., the best epoch marked; empty where no value is known.

    Args:
        title: Name of the measure, for the description.
        lines: Name -> a value an epoch, nan where there is none; all of one length.
        best: Number of the marked epoch.
    """
    known = [value for values in lines.values() for value in values if np.isfinite(value)]
    if not known:
        return Markup()
    count = max(map(len, lines.values()))
    epochs = np.arange(1, count + 1)
    with styled():
        figure = new_figure(WIDTH, 236)
        axes = without_frame(figure.subplots(), grid="y")
        axes.set(xlim=(1, max(count, 2)), ylim=(0, _end(known)), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        for name, values in lines.items():
            colour = ACCENT if name == "validation" else SOFT
            axes.plot(epochs, values, color=colour, linewidth=2, label=name)
            shown = slice(None) if count <= MOST_DOTS else slice(-1, None)
            dots(axes, epochs[shown], np.array(values)[shown], colour)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.1), ncols=len(lines), handlelength=1.4)
        if best is not None:
            axes.axvline(best, color=SECOND, linewidth=1.4, linestyle=DASHES)
            place = np.clip((best - 1) / max(count - 1, 1), 0.08, 0.92)
            axes.text(place, 1.02, f"best: {best}", ha="center", transform=axes.transAxes)
        told = "; ".join(
            f"{name} from {_first(values):.3g} to {_first(values[::-1]):.3g}"
            for name, values in lines.items()
        )
        marked = "" if best is None else f", best epoch {best}"
        return inline_svg(figure, f"{title} over {count} epochs: {told}{marked}")


def reliability(found: Calibration) -> Markup:
    """Accuracy against confidence in bins, above a histogram of the segments of each bin."""
    full = np.flatnonzero(found.count)
    left, width = found.edges[full] + 0.002, np.diff(found.edges)[full] - 0.004
    right, sure = found.accuracy[full], found.confidence[full]
    most = int(found.count.max())
    with styled():
        figure = new_figure(WIDTH, 338)
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(230, 48))
        without_frame(upper, grid="y")
        without_frame(lower)
        upper.set(xlim=(0, 1), ylim=(0, 1))
        common = {"width": width, "align": "edge"}
        upper.bar(left, np.minimum(right, sure), color=ACCENT, alpha=0.75, **common)
        upper.bar(
            left,
            np.abs(right - sure),
            bottom=np.minimum(right, sure),
            color=SECOND,
            alpha=0.6,
            **common,
        )
        strokes(upper, np.column_stack([left, right, left + width, right]))
        upper.plot([0, 1], [0, 1], color=SOFT, linewidth=1.2, linestyle=DASHES)
        lower.bar(left, found.count[full], color=SOFT, **common)
        lower.set(ylim=(0, most), xlabel="highest probability")
        lower.set_yticks([0, most], ["0", f"{most:,}"])
        told = "; ".join(
            f"at {found.confidence[k]:.2f} {found.accuracy[k]:.2f} of {found.count[k]}"
            for k in full
        )
        title = f"Reliability, expected calibration error {found.ece:.3f}: share correct {told}"
        return inline_svg(figure, title)


def scatter(title: str, points: Floats, labels: NDArray[np.int64], names: Sequence[str]) -> Markup:
    """A map of points [m, 2] coloured by class, each class named where its points are densest."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (WIDTH - 2 * EDGE) / max(float((high - low).max()), 1e-9)
    placed = (points - (low + high) / 2) * scale + WIDTH / 2
    with styled():
        figure = new_figure(WIDTH, WIDTH, arranged=False)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(WIDTH, 0))
        axes.set_axis_off()
        wanted = []
        named = np.argsort(-np.bincount(labels), kind="stable")[:MOST_NAMES]
        for k in np.unique(labels):
            x, y = placed[labels == k].T
            dots(axes, x, y, scene_colour(k))
            if k in named:
                wanted.append((*_densest(placed[labels == k]), formatting.short(names[k])))
        for x, y, name in _apart(wanted):
            half = LETTER_WIDTH * len(name) / 2
            axes.text(
                min(max(x, half), WIDTH - half), y, name, ha="center", weight="bold", gid=HALO
            )
        return inline_svg(figure, f"{title}: {len(points)} segments by scene")


def confusion(shares: Floats, names: Sequence[str]) -> Markup:
    """A matrix of many classes as shades: shares [C, C] of the rows' true classes."""
    size = max(7.0, MATRIX_WIDTH / (1.5 * len(names)))
    with styled():
        figure = new_figure(MATRIX_WIDTH, MATRIX_WIDTH)
        axes = figure.subplots()
        axes.set_frame_on(False)
        for name, axis in (("predicted", axes.xaxis), ("true", axes.yaxis)):
            step = -(-len(names) // MOST_TICKS)  # where they are too many, every few are named
            axis.set_ticks(
                range(0, len(names), step), [formatting.short(n) for n in names[::step]], color=INK
            )
            axis.set_tick_params(labelsize=min(size, SMALL))
            axis.set_label_text(name)
        axes.xaxis.set_tick_params(rotation=90)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none", aspect="equal")
        right = float(np.trace(shares) / max((shares.sum(axis=1) > 0).sum(), 1))
        told = f"Confusion of {len(names)} scenes; mean share of the diagonal {right:.2f}"
        return inline_svg(figure, told)


def shown_bands(
    frames: NDArray[np.float32], feature: Feature
) -> tuple[NDArray[np.float32], float, float]:
    """A feature as an image: bands [B, F] with high ones first, darkest and brightest value."""
    # The Morlet bank's first filter is its highest, the mel bank's its lowest.
    bands = frames.T if feature == "scalogram" else frames.T[::-1]
    low, high = np.percentile(bands, [1, 99])
    return bands, float(low), float(max(high, low + 1e-6))


def feature_png(frames: NDArray[np.float32], feature: Feature) -> bytes:
    """A PNG file of frames [F, B]: time to the right, high frequencies above."""
    bands, low, high = shown_bands(frames, feature)
    file = io.BytesIO()
    imsave(file, bands, vmin=low, vmax=high, cmap=COLOUR_MAP, format="png")
    return file.getvalue()


def without_frame(axes: Axes, grid: str = "") -> Axes:
    """Leaves the axes with the grid lines of ``x`` or ``y`` only, and with short numbers."""
    axes.set_frame_on(False)
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        axis.set_major_formatter("{x:g}")
        axis.grid(name == grid)
    return axes


def _right_label(axes: Axes, text: str, y: float) -> None:
    axes.annotate(
        text,
        (1, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(50, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        weight="bold",
    )


def strokes(axes: Axes, ends: ArrayLike) -> None:
    """Short dark lines, rows [k, 4] of x, y, x, y."""
    outline = _lines(np.reshape(ends, (-1, 4)))
    axes.add_patch(PathPatch(outline, edgecolor=INK, linewidth=1.6, fill=False))


def dots(axes: Axes, x: ArrayLike, y: ArrayLike, colour: str, size: float = DOT) -> None:
    """Round dots: each is a line of no length with round ends."""
    outline = _lines(np.column_stack([x, y, x, y]))
    dots = PathPatch(outline, edgecolor=colour, linewidth=size, capstyle="round", fill=False)
    dots.set_zorder(3)  # above lines
    axes.add_patch(dots)


def _lines(ends: Floats) -> Outline:
    """Lines, rows [k, 4] of x, y, x, y, in one element; those with a nan are left out."""
    known = ends[np.isfinite(ends).all(axis=1)].reshape(-1, 2)
    return Outline(known, np.resize([Outline.MOVETO, Outline.LINETO], len(known)))


def _densest(points: Floats) -> tuple[float, float]:
    """The middle of the closest quarter of points [m, 2]: a class may lie in several groups."""
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    nearest = np.argsort(distances, axis=1)[:, : max(1, len(points) // 4)]
    spread = np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
    x, y = points[nearest[spread.argmin()]].mean(axis=0)
    return float(x), float(y)


def _apart(labels: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Moves labels (x, y, name) down where they would lie on another."""
    placed: list[tuple[float, float, str]] = []
    for x, wanted, name in sorted(labels, key=lambda label: label[1]):
        y = wanted
        for x_other, y_other, other in placed:
            near = abs(x - x_other) < LETTER_WIDTH * (len(name) + len(other)) / 2
            if near and y - y_other < LINE_HEIGHT:
                y = y_other + LINE_HEIGHT
        placed.append((x, y, name))
    return placed


def _end(values: Sequence[float]) -> float:
    """The end of an axis from 0 that holds all values."""
    return max((v for v in values if np.isfinite(v)), default=1.0) * 1.05 or 1.0


def _first(values: Sequence[float]) -> float:
    return next((value for value in values if np.isfinite(value)), float("nan"))
