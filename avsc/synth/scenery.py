"""What backdrops are made of: the place itself, its sky, trees and windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.synth.canvas import (
    CANVAS_WIDTH,
    Colour,
    Picture,
    box,
    darker,
    disc,
    gradient,
    tone,
)


@dataclass(frozen=True)
class Backdrop:
    """A place without what moves.

    Attributes:
        picture: uint8 [450, 800, 3].
        horizon: The row people's eyes are at; who is nearer is larger and lower.
        windows: uint8 [450, 800], 255 where a moving outside shows; None where nothing does.
        outside: uint8 [450, W, 3], what scrolls behind the windows, W a multiple of 800.
    """

    picture: Picture
    horizon: float
    windows: NDArray[np.uint8] | None = None
    outside: Picture | None = None


def sky(rng: np.random.Generator, picture: Picture, bottom: float) -> None:
    """Blue, grey or evening sky with clouds down to a row."""
    kinds: tuple[tuple[Colour, Colour], ...] = (
        ((110, 150, 205), (200, 215, 230)),
        ((165, 170, 178), (205, 207, 210)),
        ((70, 85, 120), (190, 165, 150)),
    )
    upper, lower = kinds[rng.integers(len(kinds))]
    gradient(picture, 0, bottom, tone(rng, upper), tone(rng, lower))
    for _ in range(int(rng.integers(2, 9))):
        centre = (rng.uniform(0, CANVAS_WIDTH), rng.uniform(0, 0.7 * bottom))
        for _ in range(5):
            puff = (centre[0] + rng.normal(0, 35), centre[1] + rng.normal(0, 6))
            disc(picture, puff, (rng.uniform(15, 50), rng.uniform(4, 11)), tone(rng, lower, 6))


def tree(rng: np.random.Generator, picture: Picture, foot: tuple[float, float], h: float) -> None:
    """A tree of a height, green or autumnal."""
    leaf: Colour = tone(rng, ((70, 105, 45), (95, 110, 50), (135, 95, 45))[rng.integers(3)], 12)
    x, y = foot
    box(picture, (x - h * 0.025, y - h * 0.5), (x + h * 0.025, y), tone(rng, (80, 62, 48), 10))
    for _ in range(16):
        blob = (x + rng.normal(0, 0.14) * h, y - h * rng.uniform(0.38, 0.95))
        size = h * rng.uniform(0.07, 0.16)
        disc(picture, blob, (size, size * 0.8), tone(rng, leaf, 14))


def window_grid(
    rng: np.random.Generator,
    picture: Picture,
    edges: tuple[float, float, float, float],
    wall: Colour,
) -> None:
    """Windows, some of them lit, over a wall with edges (left, top, right, bottom)."""
    left, top, right, bottom = edges
    columns = max(2, int((right - left) / rng.uniform(24, 46)))
    rows = max(2, int((bottom - top) / rng.uniform(34, 56)))
    glass = tone(rng, (70, 82, 98), 20)
    lit = rng.uniform(0, 0.35)
    wide, high = (right - left) / columns, (bottom - top) / rows
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.25) * wide, top + (row + 0.22) * high
            pane = tone(rng, (235, 205, 140) if rng.random() < lit else glass, 8)
            box(
                picture,
                (x - 2, y - 2),
                (x + 0.5 * wide + 2, y + 0.6 * high + 2),
                darker(wall, 1.15),
            )
            box(picture, (x, y), (x + 0.5 * wide, y + 0.6 * high), pane)
