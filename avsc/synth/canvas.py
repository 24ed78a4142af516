"""Drawing on a canvas: perspective rooms, textures, tones.

Pictures are uint8 [H, W, 3] in RGB. Points (x, y), sizes and widths are in pixels of a canvas of
CANVAS_WIDTH x CANVAS_HEIGHT; on a smaller picture everything is drawn smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]

CANVAS_WIDTH, CANVAS_HEIGHT = 800, 450
_FRACTION_BITS = 4  # cv2's fixed-point coordinates, so that edges are smooth and motion too


def tone(rng: np.random.Generator, colour: Colour, spread: float = 18) -> Colour:
    """A colour near ``colour``: a common change of brightness and a smaller one of hue."""
    change = rng.normal(0, spread) + rng.normal(0, spread / 2, 3)
    red, green, blue = (int(np.clip(c + d, 0, 255)) for c, d in zip(colour, change, strict=True))
    return red, green, blue


def darker(colour: Colour, factor: float) -> Colour:
    """A colour with its brightness multiplied."""
    red, green, blue = (min(int(c * factor), 255) for c in colour)
    return red, green, blue


def blank(colour: Colour) -> Picture:
    """A canvas of one colour."""
    return np.full((CANVAS_HEIGHT, CANVAS_WIDTH, 3), colour, np.uint8)


def fixed_points(picture: NDArray[np.uint8], points: Sequence[Point]) -> NDArray[np.int32]:
    """Canvas points in cv2's fixed-point pixels of a picture of any size, [P, 2]."""
    factor = picture.shape[1] / CANVAS_WIDTH * (1 << _FRACTION_BITS)
    return np.asarray(np.round(np.asarray(points) * factor), np.int32)


def polygon(
    picture: NDArray[np.uint8], points: Sequence[Point], colour: Colour | tuple[int]
) -> None:
    """A filled polygon."""
    fixed = fixed_points(picture, points)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, _FRACTION_BITS)


def line(picture: Picture, a: Point, b: Point, colour: Colour, width: float = 1) -> None:
    """A straight line."""
    first, last = fixed_points(picture, [a, b]).tolist()
    thick = max(1, round(width * picture.shape[1] / CANVAS_WIDTH))
    cv2.line(picture, first, last, colour, thick, cv2.LINE_AA, _FRACTION_BITS)


def disc(picture: Picture, centre: Point, axes: Point, colour: Colour) -> None:
    """A filled ellipse."""
    middle, sizes = fixed_points(picture, [centre, axes]).tolist()
    cv2.ellipse(picture, middle, sizes, 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS)


def box(picture: Picture, first: Point, last: Point, colour: Colour) -> None:
    """A filled upright rectangle between its top left and bottom right corners."""
    (left, top), (right, bottom) = first, last
    polygon(picture, [(left, top), (right, top), (right, bottom), (left, bottom)], colour)


def gradient(picture: Picture, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
    """Fills rows ``top`` to ``bottom`` from one colour to another."""
    first, last = max(0, round(top)), min(CANVAS_HEIGHT, round(bottom))
    if last > first:
        share = np.linspace(0, 1, last - first)[:, None, None]
        rows = np.asarray(upper) * (1 - share) + np.asarray(lower) * share
        picture[first:last] = rows.astype(np.uint8)


def texture(
    rng: np.random.Generator, picture: Picture, grain: float, strength: float, top: int = 0
) -> None:
    """Blotches of about ``grain`` pixels that lighten and darken what is below row ``top``."""
    height, width = picture.shape[0] - top, picture.shape[1]
    coarse = rng.normal(0, strength, (int(height / grain) + 2, int(width / grain) + 2))
    blotches = cv2.resize(
        coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    changed = picture[top:].astype(np.float32) * (1 + blotches[..., None])
    picture[top:] = np.clip(changed, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Corridor:
    """A room in one-point perspective: its far wall is a box round the vanishing point."""

    x: float
    y: float
    half_width: float
    half_height: float

    @classmethod
    def draw(cls, rng: np.random.Generator, width: tuple[float, float]) -> "Corridor":
        """One whose far wall has a half width between two values."""
        half_width = rng.uniform(*width)
        return cls(
            CANVAS_WIDTH * rng.uniform(0.4, 0.6),
            CANVAS_HEIGHT * rng.uniform(0.42, 0.52),
            half_width,
            half_width * rng.uniform(0.5, 0.75),
        )

    def wall(self, side: int, depth: float, height: float) -> Point:
        """A point on the left (-1) or right (1) wall.

        ``depth`` runs from 0 (at the eye) to 1 (far wall), ``height`` from 0 (floor) to 1.
        """
        near = self._nearness(depth)
        y = self.y + (0.5 - height) * 2 * self.half_height * near
        return self.x + side * self.half_width * near, y

    def across(self, depth: float, across: float, height: float) -> Point:
        """A point between the walls; ``across`` runs from -1 (left) to 1."""
        near = self._nearness(depth)
        y = self.y + (0.5 - height) * 2 * self.half_height * near
        return self.x + across * self.half_width * near, y

    def quad(
        self, side: int, depths: tuple[float, float], heights: tuple[float, float]
    ) -> list[Point]:
        """A rectangle on a wall."""
        (a, b), (low, high) = depths, heights
        corners = ((a, low), (b, low), (b, high), (a, high))
        return [self.wall(side, depth, height) for depth, height in corners]

    def strip(
        self, depths: tuple[float, float], sides: tuple[float, float], height: float
    ) -> list[Point]:
        """A rectangle on the floor (height 0), the ceiling (1) or level between them."""
        (a, b), (left, right) = depths, sides
        corners = ((a, left), (b, left), (b, right), (a, right))
        return [self.across(depth, across, height) for depth, across in corners]

    def _nearness(self, depth: float) -> float:
        # Depth 0 is where everything has left the picture; equal steps shrink as they recede.
        return 1 / (0.07 + 0.93 * depth)
