"""Filled shapes on a picture, uint8 [H, W, 3] in RGB.

Outlines are float [P, 2]: x to the right and y down, in pixels and their fractions.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Outline = NDArray[np.float64]
Colour = tuple[int, ...]

WIDTH, HEIGHT = 480, 270  # of the stage that everything is drawn on
FRACTION_BITS = 4  # of cv2's fixed-point coordinates, so that edges and motion are smooth


def tone(rng: np.random.Generator, colours: Sequence[Colour], spread: float = 14) -> Colour:
    """A colour near one of ``colours``: brighter or darker, and a little of another hue."""
    change = rng.normal(0, spread) + rng.normal(0, spread / 2, 3)
    chosen = np.add(colours[rng.integers(len(colours))], change)
    return tuple(np.clip(chosen, 0, 255).astype(int).tolist())


def shaded(colour: Colour, factor: float) -> Colour:
    """A colour with its brightness multiplied."""
    return tuple(min(int(value * factor), 255) for value in colour)


def fill(picture: Picture, outline: Outline, colour: Colour) -> None:
    """Fills an outline with a colour."""
    fixed = np.round(outline * (1 << FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, FRACTION_BITS)


def box(left: float, top: float, right: float, bottom: float) -> Outline:
    """The outline of an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def oval(x: float, y: float, half_width: float, half_height: float) -> Outline:
    """The outline of an upright ellipse around (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + half_width * np.cos(angle), y + half_height * np.sin(angle)], axis=1)
