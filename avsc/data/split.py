"""The training fold's clips, split into those to train on and those to validate on (section 7).

Split by location, clips of one recording place never lie on both sides. Every scene keeps about
the wanted share: locations come in a random order, and one is held out if that brings the
held-out counts closer to the share. The test fold is never read here.

Shape legend: n clips, F frames, 2 channels, B bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.recipe import TrainRecipe
from avsc.scenes import SCENES, scene_index
from avsc.store.reader import Store
from avsc.store.schema import Status

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TRAIN = "train"
_CLIPS_AT_ONCE = 64  # whose squares are summed at a time: bounds the float64 copy


@dataclass(frozen=True)
class Clips:
    """Some clips of a store.

    Attributes:
        rows: Row of each clip in the store, [n].
        labels: Index of each clip's scene, [n].
    """

    rows: Ints
    labels: Ints


@dataclass(frozen=True)
class TrainingFold:
    """The clips of the training fold.

    Attributes:
        train: Clips to train on.
        validation: Clips held out for validation.
        notes: Lines about the split that the user should read.
    """

    train: Clips
    validation: Clips
    notes: tuple[str, ...]


def training_fold(store: Store, recipe: TrainRecipe) -> TrainingFold:
    """Splits the good clips of a store's training fold.

    Args:
        store: The store.
        recipe: Its seed, validation fraction and unit of the split count.

    Raises:
        AvscError: There are no good clips, or they cannot be split.
    """
    of_fold = [row for row, clip in enumerate(store.clips) if clip.fold == TRAIN]
    good = store.status() == Status.GOOD
    rows = np.array([row for row in of_fold if good[row]], np.int64)
    if not rows.size:
        raise AvscError(
            f"{store.place} has no good clip in its training fold",
            "clips with the fold 'train' in clips.csv",
            "prepare a data set with its evaluation_setup folder",
        )
    clips = [store.clips[row] for row in rows.tolist()]
    by_clip = recipe.val_split == "clip"
    groups = [(c.id,) if by_clip else (c.city, c.location) for c in clips]
    split = split_clips([c.scene for c in clips], groups, recipe.val_fraction, recipe.seed)
    labels = np.array([scene_index(c.scene) for c in clips], np.int64)
    held = split.validation
    notes = list(split.notes)
    absent = sorted(set(SCENES) - {clip.scene for clip in clips})
    if absent:
        notes.append(
            f"no clip of {', '.join(absent)} in the training fold: the system cannot learn it"
        )
    if len(rows) < len(of_fold):
        notes.append(f"{len(of_fold) - len(rows)} quarantined clips are left out")
    return TrainingFold(
        Clips(rows[~held], labels[~held]), Clips(rows[held], labels[held]), tuple(notes)
    )


@dataclass(frozen=True)
class Split:
    """Which clips of a training fold are held out.

    Attributes:
        validation: Mask of the clips held out for validation, [n].
        notes: Lines about the split that the user should read.
    """

    validation: Bools
    notes: tuple[str, ...]


def split_clips(
    scenes: Sequence[str],
    groups: Sequence[tuple[str, ...]],
    fraction: float,
    seed: int,
) -> Split:
    """Holds out about ``fraction`` of the clips of every scene, whole groups only.

    Args:
        scenes: Scene of each clip, [n].
        groups: Group of each clip, whose clips stay on one side, [n]: (city, location), or
            (clip id,) to split by clip.
        fraction: Share of the clips to hold out, in (0, 1).
        seed: Seed of the random order of groups; the order of the clips has no influence.

    Raises:
        AvscError: No scene has two groups, so that nothing can be held out.
    """
    scene_names, scene = np.unique(np.asarray(scenes, str), return_inverse=True)
    group_names = sorted(set(groups))
    position = {name: number for number, name in enumerate(group_names)}
    group = np.array([position[name] for name in groups], np.int64)
    counts = np.zeros((len(group_names), len(scene_names)), np.int64)
    np.add.at(counts, (group, scene), 1)
    held = _hold_out(counts, _random_order(len(group_names), seed), fraction)
    if not held.any():
        raise AvscError(
            f"{len(scenes)} training clips in which every scene has one group only",
            "a scene with two locations (or clips) at least, one of them for validation",
            "add clips"
            if len(group_names) == len(scenes)  # each clip is a group
            else "add clips of other locations, or split by clip: --set train.val_split=clip",
        )
    absent = scene_names[(counts[held].sum(axis=0) == 0) & (counts.sum(axis=0) > 0)]
    notes = [f"no clip of {name} is in validation: it has one group only" for name in absent]
    return Split(held[group], tuple(notes))


def _hold_out(counts: Ints, order: Ints, fraction: float) -> Bools:
    """Chooses the groups to hold out.

    Args:
        counts: Number of clips of each group and scene, [groups, scenes].
        order: Order in which groups are tried, [groups].
        fraction: Share of every scene's clips to hold out.

    Returns:
        A mask of the groups held out, [groups].
    """
    total = counts.sum(axis=0)
    target = fraction * total
    held = np.zeros(len(counts), bool)
    taken = np.zeros_like(total)  # clips held out so far, of each scene
    for group in order:
        added = taken + counts[group]
        nearer = np.abs(added - target).sum() < np.abs(taken - target).sum()
        if nearer and _leaves_some(total - added, counts[group]):
            held[group], taken = True, added
    for scene in np.flatnonzero(taken == 0):
        # The scene's share is smaller than its groups: hold out its smallest group all the same.
        for group in sorted(order[counts[order, scene] > 0], key=lambda g: int(counts[g].sum())):
            added = taken + counts[group]
            if taken[scene] == 0 and _leaves_some(total - added, counts[group]):
                held[group], taken = True, added
    return held


def _random_order(count: int, seed: int) -> Ints:
    """A random permutation of range(count) by Philox4x32-10 [Salmon et al., SC 2011].

    The split of a seed must be the same in every version of this package: a run that is resumed
    by a newer version must not train on clips it validated on before, nor a pipeline on clips
    that its acoustic encoder's run held out. So this one draw is not left to NumPy, whose
    ``Generator`` may change from version to version.
    """
    word = 0xFFFFFFFF
    c = np.zeros((4, count), np.uint64)  # a counter of four 32-bit words for every number
    c[0], c[3] = np.arange(count), 2 << 24
    keys = [seed & word, seed >> 32]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = np.stack([p1 >> 32 ^ c[1] ^ keys[0], p1 & word, p0 >> 32 ^ c[3] ^ keys[1], p0 & word])
        keys = [keys[0] + 0x9E3779B9 & word, keys[1] + 0xBB67AE85 & word]
    return np.argsort(c[0] << 32 | c[1], kind="stable")


def _leaves_some(left: Ints, group: Ints) -> bool:
    """Whether every scene of a group still has clips left to train on."""
    return bool((left[group > 0] > 0).all())


def standardisation(audio: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each (channel, band), float32 [2, B].

    Sums are in float64. A band that never changes is given the standard deviation 1.

    Args:
        audio: Training frames, [n, F, 2, B].
    """
    count = audio.shape[0] * audio.shape[1]
    mean = audio.sum(axis=(0, 1), dtype=np.float64) / count
    squares = np.zeros_like(mean)
    for first in range(0, len(audio), _CLIPS_AT_ONCE):
        squares += np.square(audio[first : first + _CLIPS_AT_ONCE] - mean).sum(axis=(0, 1))
    std = np.sqrt(squares / count)
    std[std < np.finfo(np.float32).tiny] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)
