"""What moves through a picture: people, cars, and now and then a back before the lens."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from avsc.synth.drawing import WIDTH, Colour, Outline, Picture, fill, oval, shaded, tone
from avsc.synth.plan import CHARACTERS, ClipPlan

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
TORSO = ((-0.09, 0.44), (-0.12, 0.8), (-0.05, 0.86), (0.05, 0.86), (0.12, 0.8), (0.09, 0.44))
BODY = (
    (-0.5, 0.08), (-0.5, 0.2), (-0.35, 0.24), (-0.22, 0.36), (0.2, 0.36), (0.38, 0.23),
    (0.5, 0.18), (0.5, 0.08),
)  # fmt: skip
WINDOW = ((-0.3, 0.24), (-0.2, 0.33), (0.18, 0.33), (0.31, 0.24))


class Actor(NamedTuple):
    """A person or a car that crosses the picture again and again, or stands in it."""

    kind: Literal["person", "car"]
    size: float  # height of a person or length of a car, pixels of the stage
    ground: float  # rows below the horizon where it stands
    speed: float  # pixels a second, negative to the left
    way: float  # pixels from where it begins to where it ends; the picture is in the middle
    begin: float  # pixels along its way at the clip's begin
    colours: tuple[Colour, Colour, Colour]  # coat or paint, legs, skin

    def draw(self, picture: Picture, t_s: float, horizon: float) -> None:
        """Draws it as it is at a time of the clip."""
        x = (self.begin + self.speed * t_s) % self.way - (self.way - WIDTH) / 2
        foot = np.array([x, horizon + self.ground])
        scale = self.size * np.array([-1 if self.speed < 0 else 1, -1])
        for outline, colour in self._person(t_s) if self.kind == "person" else self._car():
            fill(picture, foot + scale * outline, colour)

    def _person(self, t_s: float) -> Iterator[tuple[Outline, Colour]]:
        coat, legs, skin = self.colours
        swing = (0.13 if self.speed else 0.02) * np.sin(6.3 * t_s + self.begin)
        for side in (-1, 1):
            yield _limb((side * 0.035, 0.48), (side * swing, 0.0), 0.085), legs
            hand = side * (0.11 - 0.8 * swing), 0.46
            yield _limb((side * 0.095, 0.79), hand, 0.055), shaded(coat, 0.8)
        yield np.array(TORSO), coat
        yield oval(0, 0.92, 0.052, 0.07), skin
        yield oval(0, 0.95, 0.056, 0.045), shaded(legs, 0.6)

    def _car(self) -> Iterator[tuple[Outline, Colour]]:
        yield np.array(BODY), self.colours[0]
        yield np.array(WINDOW), GLASS
        for x in (-0.3, 0.3):
            yield oval(x, 0.08, 0.08, 0.08), TYRE
            yield oval(x, 0.08, 0.04, 0.04), RIM


def _limb(a: tuple[float, float], b: tuple[float, float], width: float) -> Outline:
    wide = np.array([width / 2, 0])
    return np.array([a - wide, a + wide, b + 0.8 * wide, b - 0.8 * wide])


def actors_of(rng: np.random.Generator, clip: ClipPlan, seconds: float) -> list[Actor]:
    """All that moves in a clip, from far to near."""
    family = CHARACTERS[clip.place.scene].picture

    def actor(
        kind: Literal["person", "car"], size: float, ground: float, speed: float, way: float
    ) -> Actor:
        colours = (
            tone(rng, PAINT if kind == "car" else CLOTHES),
            tone(rng, CLOTHES),
            tone(rng, SKIN),
        )
        return Actor(
            kind,
            size,
            ground * size,
            rng.choice([-1, 1]) * speed,
            way,
            rng.uniform(0, way),
            colours,
        )

    found = []
    for _ in range(rng.poisson(CARS_PER_S.get(clip.place.scene, 0) * seconds)):
        size = rng.uniform(115, 215)
        found.append(
            actor("car", size, 0.36, rng.uniform(100, 230), WIDTH + size + rng.uniform(600, 2400))
        )
    for size in sorted(np.exp(rng.uniform(np.log(34), np.log(160), rng.poisson(PEOPLE[family])))):
        walks = family != "cabin" and rng.random() < 0.8
        # Eyes are at the horizon, so that feet show the distance.
        found.append(
            actor("person", size, 0.92, walks * size * rng.uniform(0.25, 0.6), WIDTH + size)
        )
    for _ in range(rng.poisson(BACKS_PER_S * seconds)):
        speed = rng.uniform(350, 700)
        found.append(actor("person", 1900, 0.74, speed, speed * max(seconds, 4)))
    return found
