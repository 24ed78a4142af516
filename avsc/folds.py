"""Splits clips into folds, whole groups only; pure.

A group is what must stay on one side: a location, whose clips are cut from one recording, a folder
or a recording. Training holds out its validation clips in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.store.layout import StoredClip

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Group = tuple[str, ...]

TRAIN, TEST = "train", "test"
NAMED = 10  # folds in a message


def train_and_test(clips: Sequence[StoredClip], held_out: str | None) -> tuple[StoredClip, ...]:
    """The clips as a run sees them: in a store of several folds, one is its test fold.

    Args:
        clips: Clips of a store.
        held_out: Name of the fold that is left out of training (``train.fold``); None for a
            store with the folds train and test.

    Raises:
        AvscError: There is no such fold, or the store has several and none is chosen.
    """
    folds = sorted({clip.fold for clip in clips if clip.fold}, key=lambda f: (len(f), f))
    named = ", ".join(folds[:NAMED]) + (", ..." if len(folds) > NAMED else "")
    if held_out is None:
        if folds and not set(folds) & {TRAIN, TEST}:
            raise AvscError(
                f"a store of {len(folds)} folds for cross-validation, and none is left out",
                f"one of {named} to test on; the others are trained on",
                f"train one run a fold: `avsc train ... --fold {folds[0]}`, and so on; `avsc"
                " evaluate RUN RUN ... --out DIR` scores them as one",
            )
        return tuple(clips)
    if held_out not in folds:
        raise AvscError(
            f"the store has no fold {held_out!r}",
            f"one of {named}" if folds else "a store with folds",
            "choose one of them with --fold; `avsc prepare DATASET STORE --folds K` makes K folds",
        )
    if set(folds) <= {TRAIN, TEST} and held_out == TRAIN:
        raise AvscError(
            "the fold train as the one to test on",
            "train on train and test on test, without --fold",
            "leave --fold out",
        )
    seen = {"": "", held_out: TEST}
    return tuple(clip._replace(fold=seen.get(clip.fold, TRAIN)) for clip in clips)


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
    scene_names, group, counts = _counted(scenes, groups)
    held = _hold_out(counts, _random_order(len(counts), seed), fraction)
    if not held.any():
        raise AvscError(
            f"{len(scenes)} training clips in which every scene has one group only",
            "a scene with two locations (or clips) at least, one of them for validation",
            "add clips"
            if len(counts) == len(scenes)  # each clip is a group
            else "add clips of other locations, or split by clip: --set train.val_split=clip",
        )
    absent = scene_names[(counts[held].sum(axis=0) == 0) & (counts.sum(axis=0) > 0)]
    notes = [f"no clip of {name} is in validation: it has one group only" for name in absent]
    return Split(held[group], tuple(notes))


def cross_folds(scenes: Sequence[str], groups: Sequence[Group], folds: int, seed: int) -> Ints:
    """Deals whole groups out to folds, so that each has about the same clips of every scene.

    Groups come in a random order, the larger ones first; each goes to the fold that has the
    fewest clips of its scenes, and of these to the smallest fold.

    Args:
        scenes: Scene of each clip, [n].
        groups: Group of each clip, [n].
        folds: Number of folds; as many as groups leaves out one group each.
        seed: Seed of the random order of groups.

    Returns:
        The fold of each clip, from 0, [n].

    Raises:
        AvscError: There are fewer groups than folds.
    """
    _, group, counts = _counted(scenes, groups)
    if len(counts) < folds:
        raise AvscError(
            f"{folds} folds of {len(counts)} groups that stay together",
            "a group for each fold at least",
            f"ask for at most {len(counts)} folds, or split by a smaller unit",
        )
    order = _random_order(len(counts), seed)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    dealt = np.zeros((folds, counts.shape[1]), np.int64)
    fold = np.zeros(len(counts), np.int64)
    for number in order:
        of_its_scenes = dealt[:, counts[number] > 0].sum(axis=1)
        fold[number] = np.lexsort((dealt.sum(axis=1), of_its_scenes))[0]
        dealt[fold[number]] += counts[number]
    return fold[group]


def _counted(scenes: Sequence[str], groups: Sequence[Group]) -> tuple[NDArray[np.str_], Ints, Ints]:
    """Names of the scenes, number of each clip's group, and clips by group and scene."""
    scene_names, scene = np.unique(np.asarray(scenes, str), return_inverse=True)
    group_names = sorted(set(groups))
    position = {name: number for number, name in enumerate(group_names)}
    group = np.array([position[name] for name in groups], np.int64)
    counts = np.zeros((len(group_names), len(scene_names)), np.int64)
    np.add.at(counts, (group, scene), 1)
    return scene_names, group, counts


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
