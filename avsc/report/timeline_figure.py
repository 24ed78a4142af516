"""A time-line as a figure: most probable scene, each scene's probability and the sound; pure.

The figure is wide: a phone scrolls it. Shape legend: m bins, B bands.
"""

from itertools import groupby

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from avsc.predict.downsample import bin_means
from avsc.predict.timeline import SceneTimeline, longest
from avsc.report.figures import COLOUR_MAP, shown_bands
from avsc.report.formatting import clock, short
from avsc.report.style import (
    HALO,
    INK,
    RULE,
    SMALL,
    SOFT,
    inline_svg,
    new_figure,
    scene_colour,
    styled,
)

Floats = NDArray[np.float64]

WIDTH = 960.0
LEFT, RIGHT = 128.0, 908.0  # where time begins and ends; style.css puts the pictures there too
GAP = 10.0
BAND_HEIGHT, CURVE_HEIGHT, SOUND_HEIGHT, AXIS_HEIGHT = 20.0, 26.0, 116.0, 22.0
MOST_BINS = 600
MOST_CURVES = 12  # scenes with a curve: those that are the most probable for the longest time
LETTER_WIDTH = 7.0
LONGEST_NAME = 18  # letters that fit beside a curve
MOST_TICKS = 13
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def timeline_figure(timeline: SceneTimeline) -> Markup:
    """The figure as SVG."""
    count, scenes = len(timeline.probabilities), timeline.scenes
    shown = _likeliest(timeline)
    start, stop = timeline.first, timeline.first + count
    curves_y = BAND_HEIGHT + GAP + CURVE_HEIGHT * np.arange(1, len(shown) + 1)  # their zero lines
    foot = curves_y[-1] + GAP + (0 if timeline.sound_columns is None else SOUND_HEIGHT)
    values = bin_means(timeline.probabilities, MOST_BINS)  # [m, scenes]
    edges = start + np.minimum(np.arange(len(values) + 1) * -(-count // len(values)), count)
    with styled():
        figure = new_figure(WIDTH, foot + AXIS_HEIGHT, arranged=False)
        height = foot / (foot + AXIS_HEIGHT)
        axes = figure.add_axes((LEFT / WIDTH, 1 - height, (RIGHT - LEFT) / WIDTH, height))
        axes.set(xlim=(start, stop), ylim=(foot, 0), frame_on=False)
        axes.set_autoscale_on(False)
        axes.grid(axis="x")
        ticks = time_ticks(start, stop)
        axes.set_xticks(ticks, [clock(tick) for tick in ticks])
        axes.set_yticks(
            [BAND_HEIGHT / 2, *(curves_y - CURVE_HEIGHT / 3)],
            ["scene", *(short(scenes[k], LONGEST_NAME) for k in shown)],
            color=INK,
        )
        axes.tick_params(axis="x", pad=6)
        axes.tick_params(axis="y", pad=8)
        _draw_band(axes, scenes, values.argmax(axis=1).tolist(), edges, (RIGHT - LEFT) / count)
        for k, y in zip(shown, curves_y, strict=True):
            axes.stairs(
                y - (CURVE_HEIGHT - 5) * values[:, k],
                edges,
                baseline=y,
                fill=True,
                facecolor=scene_colour(k),
            )
            mean = float(timeline.probabilities[:, k].mean())
            _label(axes, f"{100 * mean:.0f} %", 1, WIDTH - RIGHT - 4, y - CURVE_HEIGHT / 3)
        axes.hlines(curves_y, start, stop, color=RULE, linewidth=1, zorder=0.5)
        if timeline.sound_columns is not None:
            _draw_sound(axes, timeline, foot)
        told = "; ".join(
            f"{clock(one.start)} to {clock(one.stop)} {scenes[one.scene]}"
            for one in longest(timeline.stretches(), MOST_TICKS - 1)
        )
        return inline_svg(figure, f"Scenes along time: {told}")


def time_ticks(first: int, stop: int) -> list[int]:
    """At most 13 round times from ``first`` to ``stop``, in seconds.

    >>> time_ticks(0, 10), time_ticks(3, 200)
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [30, 60, 90, 120, 150, 180])
    """
    least = (stop - first) / (MOST_TICKS - 1)
    days = -(-int(least) // 86400) * 86400 + 86400
    step = next((step for step in STEPS_S if step >= least), days)
    return list(range(-(-first // step) * step, stop + 1, step))


def _likeliest(timeline: SceneTimeline) -> list[int]:
    """The scenes that get a curve, in their own order."""
    best = np.bincount(timeline.probabilities.argmax(axis=1), minlength=len(timeline.scenes))
    order = np.lexsort((-timeline.probabilities.mean(axis=0), -best))
    return sorted(order[:MOST_CURVES].tolist())


def _draw_band(
    axes: Axes, scenes: tuple[str, ...], best: list[int], edges: Floats, points_per_s: float
) -> None:
    """The most probable scene as a coloured bar, neighbours of the same merged and named."""
    begin = 0
    for scene, members in groupby(best):
        end = begin + len(list(members))
        start, length = float(edges[begin]), float(edges[end] - edges[begin])
        axes.broken_barh([(start, length)], (0, BAND_HEIGHT), facecolor=scene_colour(scene))
        name = short(scenes[scene])
        if length * points_per_s > LETTER_WIDTH * len(name) + 10:
            middle = (start + length / 2, BAND_HEIGHT / 2)
            axes.text(*middle, name, ha="center", va="center", weight="bold", gid=HALO)
        begin = end


def _draw_sound(axes: Axes, timeline: SceneTimeline, bottom: float) -> None:
    assert timeline.sound_columns is not None
    top = bottom - SOUND_HEIGHT
    bands, low, high = shown_bands(timeline.sound_columns, timeline.feature)
    axes.imshow(
        bands,
        extent=(*axes.get_xlim(), bottom, top),
        aspect="auto",
        interpolation="none",
        cmap=COLOUR_MAP,
        vmin=low,
        vmax=high,
        zorder=1,  # above the grid
    )
    for text, y in (("high", top + 6), (timeline.feature, (top + bottom) / 2), ("low", bottom - 6)):
        _label(axes, text, 0, -8, y)


def _label(axes: Axes, text: str, side: float, shift: float, y: float) -> None:
    """A small text that ends ``shift`` points beside the left (0) or right (1) side."""
    axes.annotate(
        text,
        (side, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(shift, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        size=SMALL,
        color=SOFT,
    )
