"""Draws what of a place stands still, from its family's table.

Pictures are uint8 [H, W, 3] in RGB; outlines are float [P, 2], x to the right and y down in
pixels of the stage and their fractions.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avsc.synth.plan import CHARACTERS, Place, generator
from avsc.synth.scenery import COLOURS, FAMILIES, SKIES, Colour, Family, Slab

Picture = NDArray[np.uint8]
Outline = NDArray[np.float64]

WIDTH, HEIGHT = 480, 270  # of the stage that everything is drawn on
FRACTION_BITS = 4  # of cv2's fixed-point coordinates, so that edges and motion are smooth
ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LEAN_CHANCE = 0.38  # a place is like its scene's side of the family with a chance of 0.5 + this
NIGHT = 6  # how many times darker it is outside the windows of the dark side of a family


def tone(rng: np.random.Generator, colours: Sequence[Colour], spread: float = 14) -> Colour:
    """A colour near one of ``colours``: brighter or darker, and a little of another hue."""
    brighter, *hue = rng.normal(0, spread, 4).tolist()
    near = zip(colours[int(rng.integers(len(colours)))], hue, strict=False)
    return tuple(min(max(int(value + brighter + h / 2), 0), 255) for value, h in near)


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
    return CIRCLE * (half_width, half_height) + (x, y)


class Backdrop(NamedTuple):
    """A place without what moves."""

    picture: Picture  # [270, 480, 3]
    horizon: float  # row of people's eyes; who is nearer is larger and stands lower
    windows: NDArray[np.uint8]  # [270, 480], 255 where the view outside shows, else 0
    outside: Picture  # [270, 1440, 3], the view that passes; its last third is like its first


def make_backdrop(seed: int, place: Place) -> Backdrop:
    """What of a location stands still."""
    character = CHARACTERS[place.scene]
    rng = generator(seed, place.name, "backdrop")
    leaning = 1 if rng.random() < 0.5 + LEAN_CHANCE * character.picture_lean else -1
    drawn = _Place(rng, FAMILIES[character.picture], leaning)
    view = drawn.picture  # never seen where there are no windows
    if drawn.windows.any():
        view = _Place(rng, FAMILIES["facades"], leaning).picture // (1 if leaning > 0 else NIGHT)
    outside = np.hstack([view, view[:, ::-1], view])
    return Backdrop(drawn.picture, drawn.horizon, drawn.windows, outside)


class _Place:
    def __init__(self, rng: np.random.Generator, family: Family, leaning: int) -> None:
        self.rng = rng
        self.colours = {name: tone(rng, tones) for name, tones in COLOURS.items()}
        self.density, self.shift = rng.uniform(0.75, 1.4), rng.uniform(-1, 1)
        self.x, self.horizon = WIDTH * rng.uniform(0.42, 0.58), HEIGHT * rng.uniform(0.44, 0.54)
        self.half_width = rng.uniform(*family.half_width)
        self.half_height = self.half_width * rng.uniform(*family.shape)
        self.picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.windows = np.zeros((HEIGHT, WIDTH), np.uint8)

        foot = self.horizon + self.half_height  # of the far wall
        self._sky(foot)
        if rng.random() < family.houses:
            self._houses(foot, *family.roofs)
        for slab in family.slabs:
            if slab.only in (0, leaning):
                self._slab(slab)
        # Most trees are far away, and the near ones cover them.
        depths = 1 - 0.65 * rng.random(rng.integers(*family.trees, endpoint=True)) ** 4
        for z in sorted(depths, reverse=True):
            x = rng.choice([-1, 1]) * (rng.uniform(0.05, 1) if family.roofs[1] else 0.6)
            top, tree = self._project(np.array([(x, family.tree_height, z), (x, 0, z)]))
            self._tree(tree[0], tree[1], (tree[1] - top[1]) * rng.uniform(0.6, 1.1))
        for grain, strength in ((40, 0.05), (2, 0.03)):  # blotches
            coarse = rng.normal(1, strength, (HEIGHT // grain, WIDTH // grain))
            light = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            self.picture[:] = np.clip(self.picture * light[..., None], 0, 255)

    def _project(self, points: NDArray[np.float64]) -> Outline:
        x, y, z = points.T
        near = 1 / (0.07 + 0.93 * z)
        row = self.horizon + (1 - 2 * y) * self.half_height * near
        return np.stack([self.x + x * self.half_width * near, row], axis=1)

    def _slab(self, slab: Slab) -> None:
        colour = shaded(self.colours[slab.colour], slab.shade)
        ranges = np.array([slab.x, slab.y, slab.z], float)  # [3, 2]
        ranges[0] += slab.shift * self.shift
        axis, number = (0, slab.columns) if slab.columns > 1 else (2, slab.rows)
        number = max(1, round(number * self.density)) if number > 1 else 1
        edges = np.linspace(ranges[axis, 0], ranges[axis, 1], number + 1)
        # The outline goes round on two axes; on the third it stands still.
        flat = 2 if slab.share == 0 else int(np.argmin(np.ptp(ranges, axis=1)))
        ring = np.insert(box(0, 0, 1, 1), flat, 0, axis=1)  # [4, 3]
        for far, near in pairwise(edges[::-1]):
            middle, half = (near + far) / 2, slab.share * (far - near) / 2
            ranges[axis] = middle - half, middle + half
            points = ranges[:, 0] + ring * np.ptp(ranges, axis=1)
            for side in (-1, 1) if slab.x[0] > 0 else (1,):
                outline = self._project(points * (side, 1, 1))
                fill(self.picture, outline, tone(self.rng, [colour], slab.own))
                if slab.window:
                    fill(self.windows, outline, (255,))

    def _sky(self, bottom: float) -> None:
        upper, lower = SKIES[self.rng.integers(len(SKIES))]
        rows = np.linspace(upper, tone(self.rng, [lower]), int(bottom) + 1)
        self.picture[: len(rows)] = rows[:HEIGHT, None]
        for _ in range(self.rng.integers(1, 7)):
            x, y = self.rng.uniform(0, WIDTH), self.rng.uniform(0, 0.7 * bottom)
            for dx, dy, size in self.rng.normal((0, 0, 20), (22, 3, 5), (6, 3)):
                fill(self.picture, oval(x + dx, y + dy, size, size / 4), shaded(lower, 1.06))

    def _tree(self, x: float, y: float, height: float) -> None:
        bark, leaf = shaded(self.colours["house"], 0.45), tone(self.rng, [self.colours["leaf"]])
        fill(self.picture, box(x - height / 40, y - height / 2, x + height / 40, y), bark)
        for rise in np.linspace(0.38, 0.95, 16):  # leaves are lighter at the top
            dx, size = height * self.rng.normal((0, 0.12), (0.13, 0.02))
            colour = tone(self.rng, [shaded(leaf, 0.65 + 0.5 * rise)], 6)
            fill(self.picture, oval(x + dx, y - rise * height, size, 0.8 * size), colour)

    def _houses(self, foot: float, lowest: float, highest: float) -> None:
        rng, picture, lit = self.rng, self.picture, self.rng.uniform(0, 0.3)
        for left, right in pairwise(np.cumsum(rng.uniform(50, 120, 12)) - 80):
            top, wall = foot - rng.uniform(lowest, highest), tone(rng, COLOURS["house"])
            fill(picture, box(left, top, right, foot), wall)
            fill(picture, box(left - 1, top - 4, right + 1, top), shaded(wall, 0.6))
            for x in np.arange(left + 6, right - 10, 16 / self.density):
                for y in np.arange(top + 7, foot - 22, 20):
                    pane = self.colours["glow" if rng.random() < lit else "pane"]
                    fill(picture, box(x - 1, y - 1, x + 8, y + 12), shaded(wall, 1.15))
                    fill(picture, box(x, y, x + 7, y + 11), tone(rng, [pane], 7))
            fill(picture, box(left + 4, foot - 13, right - 4, foot), shaded(wall, 0.5))
