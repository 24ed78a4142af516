"""Which clips a synthetic data set has: pure functions of the settings.

Five families of sound (``sounds.py``) and five of picture (``scenery.py``) are shared by the ten
scenes, and no two scenes share both::

    babble    airport, shopping_mall            hall      airport, metro_station
    rails     metro, metro_station              cabin     bus, metro, tram
    engines   bus, street_traffic               facades   public_square, street_traffic
    air       park, public_square               green     park
    steps     street_pedestrian, tram           shops     shopping_mall, street_pedestrian

So sound alone, or picture alone, names about every second scene, and both together all of them.
Scenes that share a family lean to different sides of it (a mall has more music, an airport more
chimes; a metro's windows are mostly dark): a weak hint. Now and then a gust covers the sound or a
passer-by the picture for a second or two, so no system is perfect.

A location is one drawn place, one camera, one room (a stereo impulse response), one equaliser and
one background noise; its clips differ in people, cars, events and framing. Locations of one scene
differ as much as scenes do, and the folds share none. So scores of a split by location are lower
than those of a random split, as with the real recordings.

All random numbers are functions of (seed, name): a clip's bytes depend on the settings and its
id, not on other clips or the number of workers. Other versions of the codec libraries may encode
the same samples and pictures differently.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from avsc.dataset.manifests import Edition
from avsc.errors import AvscError

CITIES = (
    "barcelona", "helsinki", "lisbon", "london", "lyon", "milan", "paris", "prague", "stockholm",
    "vienna",
)  # fmt: skip
TRAIN_SHARE = 0.7


class Character(NamedTuple):
    """The families of a scene, and the side of each that the scene leans to, -1 to 1."""

    sound: str
    sound_lean: float
    picture: str
    picture_lean: float


CHARACTERS: dict[str, Character] = {
    "airport": Character("babble", -1, "hall", -1),
    "bus": Character("engines", 1, "cabin", 1),
    "metro": Character("rails", -1, "cabin", -1),
    "metro_station": Character("rails", 1, "hall", 1),
    "park": Character("air", -1, "green", 0),
    "public_square": Character("air", 1, "facades", 1),
    "shopping_mall": Character("babble", 1, "shops", -1),
    "street_pedestrian": Character("steps", 1, "shops", 1),
    "street_traffic": Character("engines", -1, "facades", -1),
    "tram": Character("steps", -1, "cabin", 0.5),
}


@dataclass(frozen=True)
class SynthSettings:
    """Everything that decides what a synthetic data set is.

    Attributes:
        clips_per_scene: Number of ten-second clips of each scene.
        locations_per_scene: Number of locations of each scene; about 70 % are for training.
        seed: Seed of all random numbers.
        edition: ``evaluation`` makes three one-second files of each clip instead, without labels.
        width: Width of the pictures in pixels, even.
        height: Height of the pictures in pixels, even.
    """

    clips_per_scene: int = 20
    locations_per_scene: int = 7
    seed: int = 0
    edition: Edition = "development"
    width: int = 320
    height: int = 180

    def __post_init__(self) -> None:
        if not 2 <= self.locations_per_scene <= self.clips_per_scene:
            raise AvscError(
                f"{self.clips_per_scene} clips at {self.locations_per_scene} locations a scene",
                "at least two locations (one for each fold), and a clip for each",
                "raise --clips-per-scene, or change --locations-per-scene",
            )
        if self.width % 2 or self.height % 2 or min(self.width, self.height) < 32:
            raise AvscError(
                f"pictures of {self.width}x{self.height}",
                "even numbers of pixels, at least 32",
                "choose another --size",
            )


class Place(NamedTuple):
    """A location; its name decides how it looks and sounds."""

    scene: str
    city: str
    location: str
    fold: Literal["train", "test"]

    @property
    def name(self) -> str:
        """``<scene>-<city>-<location>``."""
        return f"{self.scene}-{self.city}-{self.location}"


class ClipPlan(NamedTuple):
    """A clip to be made."""

    place: Place
    segment: str

    @property
    def id(self) -> str:
        """``<scene>-<city>-<location>-<segment>``."""
        return f"{self.place.name}-{self.segment}"


def places(settings: SynthSettings) -> list[Place]:
    """All locations; their numbers are unique across scenes and cities, as in TAU."""
    count = settings.locations_per_scene
    trained = min(max(round(TRAIN_SHARE * count), 1), count - 1)
    return [
        Place(
            scene,
            CITIES[(number + scene_number) % len(CITIES)],
            str(scene_number * count + number),
            # Spread evenly, so that no city is all in one fold.
            "train" if number * trained % count < trained else "test",
        )
        for scene_number, scene in enumerate(CHARACTERS)
        for number in range(count)
    ]


def clips(settings: SynthSettings) -> list[ClipPlan]:
    """All clips, ``clips_per_scene`` of each scene, spread evenly over its locations."""
    all_places = places(settings)
    total = len(CHARACTERS) * settings.clips_per_scene
    return [ClipPlan(all_places[n * len(all_places) // total], str(n)) for n in range(total)]


def generator(seed: int, *words: str) -> np.random.Generator:
    """A random number generator that is a function of the seed and a name alone.

    >>> a, b = generator(1, "x", "y"), generator(1, "x", "y")
    >>> a.random() == b.random()
    True
    """
    digest = hashlib.sha256("\0".join((str(seed), *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
