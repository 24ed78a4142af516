"""A time-line as a drawing: film strip, scene, curves and sound above one another; pure.

It is wide: a phone scrolls it. Shape legend: n seconds, m columns, B bands, C scenes.
"""

import base64
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from avsc.predict.downsample import binned
from avsc.predict.recording import clock
from avsc.predict.timeline import Thumbnail, Timeline, longest
from avsc.report import svg

Floats = NDArray[np.float64]

WIDTH = 960.0
LEFT, RIGHT = 128.0, 908.0
GAP = 10.0
STRIP_PICTURES, STRIP_HEIGHT = 12, 96.0
BAND_HEIGHT = 20.0
CURVE_HEIGHT = 26.0
SOUND_HEIGHT = 116.0
MOST_BINS = 600
LETTER_WIDTH = 6.4
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
TICKS = 12


def timeline_drawing(timeline: Timeline, sound_png: bytes | None) -> str:
    """The drawing as SVG.

    Args:
        timeline: What was predicted.
        sound_png: The feature along the whole of it, high frequencies above; None if not heard.
    """
    count = len(timeline.probabilities)
    across = svg.Scale(timeline.first, timeline.first + count, LEFT, RIGHT)
    parts, y = [], 2.0
    if timeline.thumbnails:
        drawn, height = _strip(timeline.thumbnails, across)
        parts += drawn
        y += height + GAP
    top = y
    coarse = binned(timeline.probabilities, MOST_BINS)
    edges = _edges(across, count, len(coarse))
    parts += _band(timeline.scenes, coarse.argmax(axis=1).tolist(), edges, y)
    y += BAND_HEIGHT + GAP
    for scene, name in enumerate(timeline.scenes):
        mean = float(timeline.probabilities[:, scene].mean())
        parts += _curve(scene, name, coarse[:, scene], edges, y)
        y += CURVE_HEIGHT
        parts.append(svg.text(WIDTH - 4, y - 7, f"{100 * mean:.0f} %", "small", "end"))
    y += GAP
    if sound_png is not None:
        parts += _sound(sound_png, timeline.feature, y)
        y += SOUND_HEIGHT
    grid, labels = _time_axis(across, top, y)
    told = "; ".join(
        f"{clock(one.start)} to {clock(one.stop)} {timeline.scenes[one.scene]}"
        for one in longest(timeline.stretches(), TICKS)
    )
    return svg.drawing(WIDTH, y + 22, f"Scenes along time: {told}", [*grid, *parts, *labels])


def time_ticks(first: int, stop: int) -> list[int]:
    """At most 13 round times from ``first`` to ``stop``, in seconds.

    >>> time_ticks(0, 10), time_ticks(3, 200)
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [30, 60, 90, 120, 150, 180])
    """
    days = (86400 * factor for factor in range(2, 1 << 30))
    steps = (*STEPS_S, *_first_enough(days, (stop - first) / TICKS))
    step = next(step for step in steps if (stop - first) / step <= TICKS)
    return list(range(-(-first // step) * step, stop + 1, step))


def _first_enough(steps: Iterator[int], least: float) -> list[int]:
    return [next(step for step in steps if step >= least)]


def _strip(thumbnails: Sequence[Thumbnail], across: svg.Scale) -> tuple[list[str], float]:
    """Pictures side by side, each over its place in time; and how high they are."""
    slots = min(STRIP_PICTURES, len(thumbnails))
    wide = (RIGHT - LEFT) / slots
    height = min(STRIP_HEIGHT, wide * 9 / 16)
    seconds = np.array([one.second for one in thumbnails])
    parts = [svg.text(LEFT - 10, 2 + height / 2 + 4, "picture", "small", "end")]
    for slot in range(slots):
        middle = LEFT + (slot + 0.5) * wide
        wanted = across.low + (slot + 0.5) / slots * (across.high - across.low) - 0.5
        one = thumbnails[int(np.abs(seconds - wanted).argmin())]
        x = middle - (wide - 2) / 2
        parts.append(svg.image(x, 2, wide - 2, height, _uri("jpeg", one.jpeg)))
    return parts, height


def _edges(across: svg.Scale, count: int, bins: int) -> Floats:
    """Where each bin of ``binned`` begins, and the last one ends, [bins + 1]."""
    size = -(-count // bins)
    return np.array([across(across.low + min(k * size, count)) for k in range(bins + 1)])


def _band(scenes: Sequence[str], best: Sequence[int], edges: Floats, y: float) -> list[str]:
    """The most probable scene as a coloured bar, neighbours of the same merged and named."""
    parts = [svg.text(LEFT - 10, y + 14, "scene", "number", "end")]
    at = 0
    for scene, members in groupby(best):
        start, at = float(edges[at]), at + len(list(members))
        wide = float(edges[at]) - start
        parts.append(svg.rect(start, y, wide, BAND_HEIGHT, f"filled scene{scene}"))
        if wide > LETTER_WIDTH * len(scenes[scene]) + 10:
            parts.append(svg.text(start + wide / 2, y + 14, scenes[scene], "halo", "middle"))
    return parts


def _curve(scene: int, name: str, values: Floats, edges: Floats, y: float) -> list[str]:
    """One scene's probability as an area from 0 to 1, a step a bin."""
    floor, height = y + CURVE_HEIGHT - 2, CURVE_HEIGHT - 5
    return [
        svg.text(LEFT - 10, floor - 5, name, "", "end"),
        svg.line(LEFT, floor, RIGHT, floor, "grid"),
        svg.area(_steps(edges, floor - height * values), floor, f"filled scene{scene}"),
    ]


def _steps(edges: Floats, heights: Floats) -> list[tuple[float, float]]:
    sides = zip(edges[:-1], edges[1:], heights, strict=True)
    return [(float(x), float(y)) for start, stop, y in sides for x in (start, stop)]


def _sound(png: bytes, feature: str, y: float) -> list[str]:
    return [
        svg.image(LEFT, y, RIGHT - LEFT, SOUND_HEIGHT, _uri("png", png), stretch=True),
        svg.text(LEFT - 10, y + 10, "high", "small", "end"),
        svg.text(LEFT - 10, y + SOUND_HEIGHT / 2 + 4, feature, "", "end"),
        svg.text(LEFT - 10, y + SOUND_HEIGHT - 2, "low", "small", "end"),
    ]


def _time_axis(across: svg.Scale, top: float, foot: float) -> tuple[list[str], list[str]]:
    lines, labels = [], []
    for tick in time_ticks(int(across.low), int(across.high)):
        lines.append(svg.line(across(tick), top, across(tick), foot + 4, "grid"))
        labels.append(svg.text(across(tick), foot + 17, clock(tick), "small", "middle"))
    return lines, labels


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
