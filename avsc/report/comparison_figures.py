"""The figures of a comparison, from plain numbers to SVG text; pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from avsc.evaluate.bootstrap import Interval
from avsc.report import formatting
from avsc.report.figures import WIDTH, dots, strokes, without_frame
from avsc.report.style import ACCENT, INK, SECOND, inline_svg, new_figure, scene_colour, styled

BETTER_BELOW = {"log_loss": True, "accuracy": False}
GAPS = {
    "log_loss": (1, "Difference of log-losses", formatting.loss_gap),
    "accuracy": (100, "Difference of accuracies in points", formatting.per_cent_gap),
}


def learning_curves(title: str, lines: Mapping[str, Sequence[float]]) -> Markup:
    """The curve of each system over its epochs 1, 2, ..., its best value marked.

    Args:
        title: Name of the measure.
        lines: System -> a value an epoch; one system at least.
    """
    count = max(map(len, lines.values()))
    highest = max(value for values in lines.values() for value in values)
    rows = -(-len(lines) // 2)
    with styled():
        figure = new_figure(WIDTH, 220 + 17 * rows)
        axes = without_frame(figure.subplots(), grid="y")
        axes.set(xlim=(1, max(count, 2)), ylim=(0, 1.05 * highest or 1), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        for k, (name, values) in enumerate(lines.items()):
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, color=scene_colour(k), linewidth=2, label=short(name, 22))
            best = int(np.argmin(values))
            dots(axes, [best + 1], [values[best]], scene_colour(k), size=9)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2, handlelength=1.4)
        told = "; ".join(f"{name} {min(v):.3g} at best" for name, v in lines.items())
        return inline_svg(figure, f"{title} over epochs: {told}")


def scene_differences(
    metric: Literal["log_loss", "accuracy"],
    scenes: Sequence[str],
    gaps: Sequence[float],
    intervals: Sequence[Interval],
) -> Markup:
    """Horizontal bars from 0 with whiskers: better in one colour, worse in the other.

    Args:
        metric: Score that is compared.
        scenes: Names of the rows.
        gaps: Difference of each scene; nan where a scene has no segments.
        intervals: Interval of each difference; no whiskers where it is unknown.
    """
    factor, title, shown = GAPS[metric]
    values = factor * np.asarray(gaps, float)
    ends = factor * np.array([[i.low, i.high] for i in intervals], float).reshape(-1, 2)
    known = np.concatenate([values, ends.ravel()])
    reach = 1.08 * float(np.max(np.abs(known[np.isfinite(known)]), initial=0.0)) or 1.0
    better = values < 0 if BETTER_BELOW[metric] else values > 0
    with styled():
        figure = new_figure(WIDTH, 28 + 22 * len(scenes))
        axes = without_frame(figure.subplots(), grid="x")
        axes.set(xlim=(-reach, reach), ylim=(len(scenes) - 0.5, -0.5))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_yticks(range(len(scenes)), [short(scene, 20) for scene in scenes], color=INK)
        colours = [ACCENT if good else SECOND for good in better]
        axes.barh(range(len(scenes)), np.nan_to_num(values), 0.6, color=colours, alpha=0.75)
        for y, (low, high) in enumerate(ends):
            strokes(axes, [(low, y, high, y), *[(x, y - 0.17, x, y + 0.17) for x in (low, high)]])
        axes.axvline(0, color=INK, linewidth=1)
        told = "; ".join(f"{s} {shown(gap)}" for s, gap in zip(scenes, gaps, strict=True))
        return inline_svg(figure, f"{title} by scene: {told}")


def short(name: str, letters: int) -> str:
    """The end of a name that is too long: paths differ there.

    >>> short("runs/a/very/long/name", 12)
    '…y/long/name'
    """
    return name if len(name) <= letters else "…" + name[1 - letters :]
