"""What was predicted of a recording: scenes along time; pure.

Shape legend: n seconds, C scenes, m columns, B bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc.store.schema import Feature

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one second."""

    second: int
    jpeg: bytes


@dataclass(frozen=True)
class Stretch:
    """Seconds ``start`` to ``stop`` (not included) of one scene.

    Attributes:
        start: The first second.
        stop: The second behind the last.
        scene: Its column.
        probability: The scene's, mean over the stretch.
    """

    start: int
    stop: int
    scene: int
    probability: float

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.stop - self.start


@dataclass(frozen=True)
class Timeline:
    """The scenes of a recording.

    Attributes:
        file: The recording.
        sound: Where its sound came from; None if it was not heard.
        first: The second that row 0 is of.
        probabilities: [n, C], rows sum to one.
        scenes: Names of the C columns.
        thumbnails: Pictures, evenly spaced; none if it was not looked at.
        sound_columns: The average channel's feature along the whole of it, [m, B]; or None.
        feature: Which feature that is.
        system: The run and what it is, in words.
        notes: What a person should know, such as what was left out.
    """

    file: Path
    sound: Path | None
    first: int
    probabilities: Probabilities
    scenes: tuple[str, ...]
    thumbnails: tuple[Thumbnail, ...]
    sound_columns: NDArray[np.float32] | None
    feature: Feature
    system: str
    notes: tuple[str, ...]

    def stretches(self) -> list[Stretch]:
        """Consecutive seconds of the same most probable scene, merged."""
        best = self.probabilities.argmax(axis=1).tolist()
        found, start = [], 0
        for scene, members in groupby(best):
            stop = start + len(list(members))
            share = float(self.probabilities[start:stop, scene].mean())
            found.append(Stretch(self.first + start, self.first + stop, scene, share))
            start = stop
        return found

    def shares(self) -> list[tuple[int, float]]:
        """How much of the time each scene is the most probable: (column, share), largest first."""
        counts = np.bincount(self.probabilities.argmax(axis=1), minlength=len(self.scenes))
        order = np.argsort(-counts, kind="stable")
        return [(int(k), counts[k] / len(self.probabilities)) for k in order if counts[k]]


def longest(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """The longest stretches (the earlier of two as long) in the order of time."""
    kept = sorted(stretches, key=lambda one: (-one.seconds, one.start))[:most]
    return sorted(kept, key=lambda one: one.start)
