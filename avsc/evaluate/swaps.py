"""Sounds swapped between the scenes of a fold: drawn from a seed, or as a list says; pure.

Shape legend: K clips of the fold, n segments, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.data import rng
from avsc.errors import AvscError
from avsc.evaluate.segments import Segments

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Swaps:
    """Whose sound each clip of a fold has.

    Attributes:
        sound_of: Number of the clip whose sound each clip has, [K]; its own where nothing is
            swapped.
        seconds: Number of seconds of each clip, [K].
        classes: Class of each clip, [K]: its scene, or what several scenes have in common.
    """

    sound_of: Ints
    seconds: Ints
    classes: Ints

    @property
    def swapped(self) -> Bools:
        """Whether sound and picture of each clip are of different classes, [K]."""
        return np.asarray(self.classes[self.sound_of] != self.classes, np.bool_)

    def sounds(self) -> Ints:
        """The segment whose sound each segment has, [n]; a shorter sound begins again."""
        first = np.cumsum(self.seconds) - self.seconds
        second = np.arange(self.seconds.sum()) - np.repeat(first, self.seconds)
        clip = np.repeat(self.sound_of, self.seconds)
        return np.asarray(first[clip] + second % self.seconds[clip], np.int64)


def scene_of(segments: Segments) -> Ints:
    """The scene of each clip by number, [K]."""
    return segments.labels[segments.first]


def draw_swaps(
    segments: Segments,
    seed: int,
    share: float,
    classes: Ints | None = None,
    sounds: Sequence[int] | None = None,
) -> Swaps:
    """Gives a share of the clips, drawn from a seed, each the sound of a clip of another class.

    Args:
        segments: Segments of the fold.
        seed: Seed of the draws.
        share: Share of the clips, above 0 and up to 1.
        classes: Class of each clip, [K]; None for its scene.
        sounds: Numbers of the clips whose sounds are used; None for all.

    Raises:
        AvscError: There is no clip of another class.
    """
    uniform = rng.generator(seed, 0, rng.Purpose.SWAP).random((segments.n_clips, 2))
    count = max(round(share * segments.n_clips), 1)
    chosen = np.argsort(uniform[:, 0], kind="stable")[:count]
    return give_sounds(segments, chosen, uniform[:, 1], classes, sounds)


def give_sounds(
    segments: Segments,
    chosen: Ints,
    uniform: NDArray[np.float64],
    classes: Ints | None = None,
    sounds: Sequence[int] | None = None,
) -> Swaps:
    """Gives each of some clips the sound of a clip of another class, as uniform numbers say.

    Args:
        segments: Segments of the fold.
        chosen: Numbers of the clips.
        uniform: Draw of each clip of the fold, [K].
        classes: Class of each clip, [K]; None for its scene.
        sounds: Numbers of the clips whose sounds are used; None for all.

    Raises:
        AvscError: There is no clip of another class.
    """
    kinds = scene_of(segments) if classes is None else classes
    donors = np.arange(segments.n_clips) if sounds is None else np.unique(sounds)
    sound_of = np.arange(segments.n_clips)
    of_others = {kind: donors[kinds[donors] != kind] for kind in np.unique(kinds[chosen]).tolist()}
    if not all(map(len, of_others.values())):
        raise AvscError(
            f"the fold {segments.fold!r} has no sound of another scene for some of its clips",
            "clips of two scenes at least, whose sounds can be swapped",
            "choose a fold, or a list of sounds, with several scenes",
        )
    for clip in chosen.tolist():
        others = of_others[int(kinds[clip])]
        sound_of[clip] = others[int(uniform[clip] * len(others))]
    return Swaps(sound_of, segments.seconds, kinds)
