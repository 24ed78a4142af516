"""The prediction of a recording: scenes along time; pure.

Shape legend: n seconds, C scenes, m columns, B bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsc.store.schema import Feature

if TYPE_CHECKING:
    import pandas as pd

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
        start: First second.
        stop: Second after the last.
        scene: Number of the scene.
        probability: Mean probability of the scene over the stretch.
    """

    start: int
    stop: int
    scene: int
    probability: float

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return self.stop - self.start


@dataclass(frozen=True, repr=False)
class SceneTimeline:
    """The scenes of a recording.

    Attributes:
        file: Path of the recording.
        sound: Path of its sound; None if the run does not use sound.
        first: Number of the second of row 0.
        probabilities: Probabilities of the scenes, [n, C]; rows sum to one.
        scenes: Names of the C columns.
        thumbnails: Pictures, evenly spaced; none if the run does not use pictures.
        sound_columns: Feature of the average channel over the whole recording, [m, B]; None if
            the run does not use sound.
        feature: Name of this feature.
        system: Name and kind of the run.
        notes: Remarks for the user, such as what was left out.
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

    def __repr__(self) -> str:
        scene, share = self.shares()[0]
        return (
            f"SceneTimeline({str(self.file)!r}: {len(self.probabilities)} seconds, "
            f"{self.scenes[scene]} in {100 * share:.0f} % of them)"
        )

    def to_frame(self) -> "pd.DataFrame":
        """A table with a row a second (the index): scene, probability, then each scene's own."""
        import pandas as pd

        best = self.probabilities.argmax(axis=1)
        seconds = pd.RangeIndex(self.first, self.first + len(best), name="second")
        frame = pd.DataFrame(self.probabilities, seconds, list(self.scenes))
        frame.insert(0, "scene", [self.scenes[k] for k in best])
        frame.insert(1, "probability", self.probabilities.max(axis=1))
        return frame

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
        """Shares of the time in which each scene is the most probable, falling: (scene, share)."""
        counts = np.bincount(self.probabilities.argmax(axis=1), minlength=len(self.scenes))
        order = np.argsort(-counts, kind="stable")
        return [(int(k), counts[k] / len(self.probabilities)) for k in order if counts[k]]


def longest(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """The longest stretches (the earlier of two as long) in the order of time."""
    kept = sorted(stretches, key=lambda one: (-one.seconds, one.start))[:most]
    return sorted(kept, key=lambda one: one.start)
