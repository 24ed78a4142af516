"""A clip's pictures: its location's backdrop, what moves before it, and the camera."""

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from avsc.synth.actors import actors_of
from avsc.synth.backdrops import Backdrop, make_backdrop
from avsc.synth.drawing import HEIGHT, WIDTH, Picture
from avsc.synth.plan import ClipPlan, Place, generator

FPS = 30_000 / 1001
SHIFTS = 16  # one field of noise, shifted from picture to picture
GREY = 128  # what stands for no noise


def make_pictures(
    seed: int, clip: ClipPlan, size: tuple[int, int], seconds: int = 10
) -> Iterator[Picture]:
    """The frames of a clip at 29.97 a second, each uint8 [height, width, 3].

    Every other frame repeats the one before, as of a camera that exposes for a fifteenth of a
    second; that halves the time it takes.
    """
    shot = _Shot(seed, clip, size, seconds)
    for index in range(round(seconds * FPS)):
        if index % 2 == 0:
            picture = shot.frame(index)
        yield picture


def make_picture(seed: int, clip: ClipPlan, size: tuple[int, int], t_s: float = 0.0) -> Picture:
    """One frame of a ten-second clip, uint8 [height, width, 3]."""
    return _Shot(seed, clip, size, 10).frame(round(t_s * FPS))


@lru_cache(maxsize=2)  # the clips of a location follow one another
def _location(seed: int, place: Place, size: tuple[int, int]) -> tuple[Backdrop, Picture, Picture]:
    """A location's backdrop through its lens, its camera's curves [1, 256, 3] and its noise."""
    backdrop, rng = make_backdrop(seed, place), generator(seed, place.name, "camera")
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    vignette = 1 - rng.uniform(0, 0.35) * (x**2 + y**2) / 2
    blurred = cv2.GaussianBlur(backdrop.picture, (0, 0), rng.uniform(0.4, 1.5))
    backdrop.picture[:] = blurred * vignette[..., None]
    light = np.exp(rng.normal(0, 0.07, 3))
    exposure, gamma = np.exp(rng.normal((-0.05, 0), (0.2, 0.22)))
    level = np.linspace(0, 1, 256)[:, None] ** gamma * light / light.mean()
    curves = 255 * exposure * level + rng.uniform(0, 20)
    noise = rng.normal(GREY, rng.uniform(2, 8), (size[1] + SHIFTS, size[0] + SHIFTS, 3))
    return backdrop, _bytes(curves)[None], _bytes(noise)


def _bytes(values: NDArray[np.float64]) -> Picture:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


class _Shot:
    """A clip before the camera: a location, actors, framing and a hand's sway."""

    def __init__(self, seed: int, clip: ClipPlan, size: tuple[int, int], seconds: int) -> None:
        rng = generator(seed, clip.id, "picture")
        self.backdrop, self.curves, self.noise = _location(seed, clip.place, size)
        self.size = size
        self.actors = actors_of(rng, clip, seconds)
        self.scroll = rng.uniform(50, 180)  # of the view outside, pixels a second
        self.zoom = np.array(size) / (WIDTH, HEIGHT) * rng.uniform(1.04, 1.2)
        self.centre = np.array([WIDTH, HEIGHT]) / 2 + rng.uniform(-1, 1, 2) * (8, 4)
        self.sway, self.sway_hz = (3, 1.5) * rng.uniform(0.5, 1.5, 2), rng.uniform(0.05, 0.15, 2)

    def frame(self, index: int) -> Picture:
        t_s, (width, height) = index / FPS, self.size
        stage = self.backdrop.picture.copy()
        shift = round(self.scroll * t_s) % (2 * WIDTH)
        cv2.copyTo(self.backdrop.outside[:, shift : shift + WIDTH], self.backdrop.windows, stage)
        for actor in self.actors:
            actor.draw(stage, t_s, self.backdrop.horizon)
        centre = self.centre + self.sway * np.sin(2 * np.pi * self.sway_hz * t_s)
        offset = np.array(self.size) / 2 - self.zoom * centre
        view = np.column_stack([np.diag(self.zoom), offset])
        picture = cv2.warpAffine(stage, view, self.size, borderMode=cv2.BORDER_REPLICATE)
        down, right = 7 * index % SHIFTS, 11 * index // 2 % SHIFTS
        noise = self.noise[down : down + height, right : right + width]
        return np.asarray(
            cv2.addWeighted(cv2.LUT(picture, self.curves), 1, noise, 1, -GREY), np.uint8
        )
