"""The figures of disturbed systems, and of agreement, from plain numbers to SVG text and files."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avsc.report.comparison_figures import short
from avsc.report.figures import DASHES, METRICS, WIDTH, Metric, dots, without_frame
from avsc.report.style import (
    ACCENT,
    INK,
    POINTS_PER_INCH,
    SECOND,
    SOFT,
    inline_svg,
    new_figure,
    scene_colour,
    styled,
)

PANEL = 250.0  # points; the side of a panel of the figure of all
BINS = 40


@dataclass(frozen=True)
class Panel:
    """Scores of systems against the strength of a disturbance.

    Attributes:
        title: Name of the disturbance.
        x_label: What is to the right.
        x: Strengths, rising.
        ticks: Names of the strengths; None for numbers.
        lines: System -> score at each strength.
    """

    title: str
    x_label: str
    x: tuple[float, ...]
    ticks: tuple[str, ...] | None
    lines: Mapping[str, tuple[float, ...]]


def panel_svg(metric: Metric, panel: Panel, chance: float) -> Markup:
    """One panel for a page; ``chance`` is the score of equal probabilities."""
    _, name, shown = METRICS[metric]
    rows = -(-len(panel.lines) // 2)
    with styled():
        figure = new_figure(WIDTH, 220 + 17 * rows)
        axes = figure.subplots()
        _draw(axes, metric, panel, chance, _top(metric, [panel]))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, handlelength=1.4)
        told = "; ".join(
            f"{system} {', '.join(map(shown, values))}" for system, values in panel.lines.items()
        )
        return inline_svg(figure, f"{name}, {panel.title}: {told}")


def figure_file(panels: Mapping[Metric, Sequence[Panel]], chances: Mapping[Metric, float]) -> Any:  # noqa: ANN401  matplotlib's figure
    """All panels in one figure, a row a score; the legend is above."""
    across = max(map(len, panels.values()))
    figure = new_figure(PANEL * across, PANEL * len(panels) + 40)
    figure.set_frameon(True)
    figure.set_facecolor("white")
    grid = figure.subplots(len(panels), across, squeeze=False)
    for axes_row, (metric, row) in zip(grid, panels.items(), strict=True):
        top = _top(metric, row)
        for axes, panel in zip(axes_row, row, strict=True):
            _draw(axes, metric, panel, chances[metric], top, marker="o")
            axes.set_title(panel.title, loc="left", fontsize=11)
        axes_row[0].set_ylabel(METRICS[metric][1])
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside upper center", ncols=min(len(names), 6), borderaxespad=0.8
    )
    return figure


def file_content(figure: Any, kind: str) -> bytes:  # noqa: ANN401  matplotlib's figure
    """A figure as a file; ``kind`` is ``svg`` or ``png``. The same figure gives the same bytes."""
    file = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(file, format=kind, dpi=2 * POINTS_PER_INCH, metadata=metadata)
    return file.getvalue()


def histogram(
    scores: NDArray[np.float64], swapped: NDArray[np.bool_], thresholds: Sequence[float]
) -> Markup:
    """Agreement of matching and of swapped seconds, the threshold of each seed between them.

    Args:
        scores: Agreement of each segment, [n].
        swapped: Whether each is swapped, [n].
        thresholds: Agreement below which a segment is said to be swapped, of each seed.
    """
    edges = np.linspace(0, 1, BINS + 1)
    groups = (("matching", scores[~swapped], ACCENT), ("swapped", scores[swapped], SECOND))
    with styled():
        figure = new_figure(WIDTH, 250)
        axes = without_frame(figure.subplots(), grid="y")
        axes.set(xlim=(0, 1), xlabel="agreement of sound and picture")
        for name, values, colour in groups:
            count, _ = np.histogram(np.clip(values, 0, 1), edges)
            axes.stairs(count, edges, fill=True, color=colour, alpha=0.55, label=name)
        for threshold in thresholds:
            axes.axvline(threshold, color=INK, linewidth=1.4, linestyle=DASHES)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, handlelength=1.4)
        told = "; ".join(f"{name} {np.mean(values):.3f} on average" for name, values, _ in groups)
        return inline_svg(figure, f"Agreement of {len(scores)} seconds: {told}")


def _draw(
    axes: Axes, metric: Metric, panel: Panel, chance: float, top: float, *, marker: str = ""
) -> None:
    """Draws a panel; without a ``marker``, which SVG refers to by an id, places are dots."""
    factor, _, _ = METRICS[metric]
    without_frame(axes, grid="y")
    low, high = min(panel.x), max(panel.x)
    margin = (0.3 if panel.ticks else 0.04) * ((high - low) or 1)
    axes.set(xlim=(low - margin, high + margin), ylim=(0, top), xlabel=panel.x_label)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xticks(panel.x, panel.ticks) if panel.ticks else axes.set_xticks(panel.x)
    if factor * chance < top:
        axes.axhline(factor * chance, color=SOFT, linewidth=1.2, linestyle=DASHES)
    for k, (name, values) in enumerate(panel.lines.items()):
        scaled = factor * np.asarray(values)
        how: dict[str, Any] = {"color": scene_colour(k), "marker": marker}
        axes.plot(
            panel.x,
            scaled,
            linewidth=1 if panel.ticks else 2,
            markersize=4,
            label=short(name, 22),
            **how,
        )
        if not marker:
            dots(axes, panel.x, scaled, scene_colour(k), size=6)


def _top(metric: Metric, panels: Sequence[Panel]) -> float:
    """The end of the axis of scores, alike in a row of panels."""
    if metric == "accuracy":
        return 100.0
    known = [v for panel in panels for values in panel.lines.values() for v in values]
    return 1.1 * max((v for v in known if np.isfinite(v)), default=1.0) or 1.0
