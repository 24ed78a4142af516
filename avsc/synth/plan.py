"""Which clips a synthetic data set has: pure functions of the settings."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from avsc.dataset.manifests import Edition
from avsc.errors import AvscError
from avsc.scenes import SCENES

SoundFamily = Literal["babble", "rails", "engines", "air", "steps"]
PictureFamily = Literal["cabin", "hall", "shops", "facades", "green"]

CITIES = (
    "barcelona",
    "helsinki",
    "lisbon",
    "london",
    "lyon",
    "milan",
    "paris",
    "prague",
    "stockholm",
    "vienna",
)
TRAIN_SHARE = 0.7
EVALUATION_PIECES = 3  # one-second files cut from a clip, so that a set of them stays small


@dataclass(frozen=True)
class Character:
    """What a scene sounds and looks like.

    ``sound_lean`` and ``picture_lean`` are the side of the shared family it leans to, -1 to 1.
    """

    sound: SoundFamily
    sound_lean: float
    picture: PictureFamily
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
        clips_per_scene: Ten-second clips of each scene.
        locations_per_scene: Places they are spread over, about 70 % of them for training.
        seed: Of all draws.
        edition: ``evaluation`` makes one-second files without labels instead.
        width: Of the pictures in pixels, even.
        height: Likewise.
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
                "raise --clips-per-scene, or lower --locations-per-scene",
            )
        if self.width % 2 or self.height % 2 or min(self.width, self.height) < 32:
            raise AvscError(
                f"pictures of {self.width}x{self.height}",
                "even numbers of pixels, at least 32",
                "choose another --size",
            )


@dataclass(frozen=True)
class Place:
    """A location: its name decides its looks and its room."""

    scene: str
    city: str
    location: str
    fold: Literal["train", "test"]

    @property
    def name(self) -> str:
        """``<scene>-<city>-<location>``."""
        return f"{self.scene}-{self.city}-{self.location}"


@dataclass(frozen=True)
class ClipPlan:
    """A clip to be made."""

    place: Place
    segment: str

    @property
    def id(self) -> str:
        """``<scene>-<city>-<location>-<segment>``."""
        return f"{self.place.name}-{self.segment}"


def places(settings: SynthSettings) -> list[Place]:
    """All locations; numbers are unique across scenes and cities, as in TAU."""
    count = settings.locations_per_scene
    trained = min(max(round(TRAIN_SHARE * count), 1), count - 1)
    found = []
    for scene_number, scene in enumerate(SCENES):
        for number in range(count):
            city = CITIES[(number + scene_number) % len(CITIES)]
            location = str(scene_number * count + number)
            # Spread evenly, so that no city is all in one fold.
            fold: Literal["train", "test"] = (
                "train" if (number * trained) % count < trained else "test"
            )
            found.append(Place(scene, city, location, fold))
    return found


def clips(settings: SynthSettings) -> list[ClipPlan]:
    """All clips, ``clips_per_scene`` of each scene, as evenly over its locations as it goes."""
    plans = []
    for number, place in enumerate(places(settings)):
        rank = number % settings.locations_per_scene
        first = rank * settings.clips_per_scene // settings.locations_per_scene
        end = (rank + 1) * settings.clips_per_scene // settings.locations_per_scene
        begin = number // settings.locations_per_scene * settings.clips_per_scene
        plans += [ClipPlan(place, str(begin + index)) for index in range(first, end)]
    return plans


@cache
def _shuffled(settings: SynthSettings) -> dict[str, int]:
    plans = clips(settings)
    ranks = generator(settings.seed, "evaluation").permutation(len(plans))
    return {clip.id: int(rank) for clip, rank in zip(plans, ranks, strict=True)}


def shuffled_rank(settings: SynthSettings, clip: ClipPlan) -> int:
    """A clip's place in a random order of all, by which the evaluation edition is numbered."""
    return _shuffled(settings)[clip.id]


def generator(seed: int, *words: str) -> np.random.Generator:
    """Random numbers that are a function of the seed and a name alone.

    >>> a, b = generator(1, "x", "y"), generator(1, "x", "y")
    >>> a.random() == b.random()
    True
    """
    digest = hashlib.sha256("\0".join((str(seed), *words)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
