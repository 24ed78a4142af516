"""A clip's pictures: its location, people and cars that move before it, and the camera."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avsc.synth.drawing import (
    HEIGHT,
    WIDTH,
    Backdrop,
    Outline,
    Picture,
    fill,
    make_backdrop,
    oval,
    shaded,
    tone,
)
from avsc.synth.plan import CHARACTERS, ClipPlan, Place, generator
from avsc.synth.scenery import Colour

FPS = 30_000 / 1001
SHIFTS = 16  # one field of noise, shifted from picture to picture
GREY = 128  # what stands for no noise
PEOPLE = {"cabin": 4.0, "hall": 5.0, "shops": 6.0, "facades": 3.0, "green": 1.5}  # mean number
CARS_PER_S = {"street_traffic": 0.35, "public_square": 0.08}
BACKS_PER_S = 0.06

CLOTHES: tuple[Colour, ...] = (
    (40, 44, 60), (120, 50, 54), (74, 92, 66), (170, 160, 140), (34, 34, 38), (64, 92, 138),
    (186, 84, 66), (212, 208, 198),
)  # fmt: skip
SKIN: tuple[Colour, ...] = ((224, 184, 156), (186, 140, 110), (120, 84, 62))
PAINT: tuple[Colour, ...] = ((190, 190, 194), (42, 44, 50), (150, 44, 42), (48, 76, 128))
TYRE, RIM, GLASS = (24, 24, 26), (120, 120, 124), (56, 64, 76)

# In heights of the person or lengths of the car; x forwards, y up from the ground.
TORSO = np.array(
    [(-0.09, 0.44), (-0.12, 0.8), (-0.05, 0.86), (0.05, 0.86), (0.12, 0.8), (0.09, 0.44)]
)
BODY = np.array([
    (-0.5, 0.08), (-0.5, 0.2), (-0.35, 0.24), (-0.22, 0.36), (0.2, 0.36), (0.38, 0.23),
    (0.5, 0.18), (0.5, 0.08),
])  # fmt: skip
WINDOWS = np.array([(-0.3, 0.24), (-0.2, 0.33), (0.18, 0.33), (0.31, 0.24)])


class Actor(NamedTuple):
    """A person or a car that crosses the picture again and again, or stands in it."""

    colours: tuple[Colour, ...]  # coat, legs and skin of a person, paint of a car
    size: float  # height of a person or length of a car, pixels of the stage
    ground: float  # rows below the horizon where it stands, in sizes
    speed: float  # pixels a second, negative to the left
    way: float  # pixels from where it begins to where it ends; the picture is in the middle
    begin: float  # pixels along its way at the clip's begin

    def draw(self, picture: Picture, t_s: float, horizon: float) -> None:
        """Draws it as it is at a time of the clip."""
        x = (self.begin + self.speed * t_s) % self.way - (self.way - WIDTH) / 2
        foot = (x, horizon + self.ground * self.size)
        scale = (-self.size if self.speed < 0 else self.size, -self.size)
        for outline, colour in self._car() if len(self.colours) == 1 else self._person(t_s):
            fill(picture, outline * scale + foot, colour)

    def _person(self, t_s: float) -> Iterator[tuple[Outline, Colour]]:
        coat, legs, skin = self.colours
        swing = (0.13 if self.speed else 0.02) * np.sin(6.3 * t_s + self.begin)
        for side in (-1, 1):
            yield _limb(side * 0.035, 0.48, side * swing, 0, 0.04), legs
            yield _limb(side * 0.095, 0.79, side * (0.11 - swing), 0.46, 0.026), shaded(coat, 0.8)
        yield TORSO, coat
        yield oval(0, 0.92, 0.052, 0.07), skin
        yield oval(0, 0.95, 0.056, 0.045), shaded(legs, 0.6)

    def _car(self) -> Iterator[tuple[Outline, Colour]]:
        yield BODY, self.colours[0]
        yield WINDOWS, GLASS
        for x in (-0.3, 0.3):
            yield oval(x, 0.08, 0.08, 0.08), TYRE
            yield oval(x, 0.08, 0.04, 0.04), RIM


def _limb(x: float, y: float, end_x: float, end_y: float, half: float) -> Outline:
    return np.array([(x - half, y), (x + half, y), (end_x + half, end_y), (end_x - half, end_y)])


def actors_of(rng: np.random.Generator, clip: ClipPlan, seconds: float) -> list[Actor]:
    """All that moves in a clip, from far to near."""
    scene, family = clip.place.scene, CHARACTERS[clip.place.scene].picture

    def passing(size: float, ground: float, speed: float, way: float, car: bool = False) -> Actor:
        tones = (PAINT,) if car else (CLOTHES, CLOTHES, SKIN)
        colours = tuple(tone(rng, options, 10) for options in tones)
        direction, begin = rng.choice([-1, 1]), rng.uniform(0, way)
        return Actor(colours, size, ground, direction * speed, way, begin)

    cars = rng.poisson(CARS_PER_S.get(scene, 0) * seconds)
    sizes = np.sort(np.exp(rng.uniform(np.log(34), np.log(160), rng.poisson(PEOPLE[family]))))
    speeds = sizes * rng.uniform(0.25, 0.6, len(sizes)) * (rng.random(len(sizes)) < 0.8)
    backs = rng.uniform(350, 700, rng.poisson(BACKS_PER_S * seconds))
    return [
        *(passing(s, 0.36, 1.4 * s, WIDTH + 12 * s, True) for s in rng.uniform(115, 215, cars)),
        # Eyes are at the horizon, so that feet show the distance.
        *(
            passing(size, 0.92, 0 if family == "cabin" else speed, WIDTH + size)
            for size, speed in zip(sizes, speeds, strict=True)
        ),
        *(passing(1900, 0.74, speed, speed * max(seconds, 4)) for speed in backs),
    ]


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
