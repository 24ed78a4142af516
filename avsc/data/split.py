"""Which training clips are held out for validation (DESIGN section 7), as a pure function.

By location, clips of one recording place never lie on both sides. Scenes keep about the asked
share each: locations come in a random order, and one is held out if that brings the held-out
counts closer to the share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """A training fold in two."""

    validation: Bools  # [n] which clips are held out
    notes: tuple[str, ...]  # what a person should know of it


def split_clips(
    scenes: Sequence[str],
    groups: Sequence[tuple[str, ...]],
    fraction: float,
    seed: int,
) -> Split:
    """Holds out about ``fraction`` of the clips of every scene, whole groups only.

    Args:
        scenes: Each clip's scene, [n].
        groups: What must stay together, [n]: (city, location), or (clip id,) to split by clip.
        fraction: Share of the clips to hold out, in (0, 1).
        seed: Another seed, another split; the order of the clips has no influence.

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
            "add clips; with several clips a location, --set train.val_split=clip works too",
        )
    absent = scene_names[(counts[held].sum(axis=0) == 0) & (counts.sum(axis=0) > 0)]
    notes = [f"no clip of {name} is in validation: it has one group only" for name in absent]
    return Split(held[group], tuple(notes))


def _hold_out(counts: Ints, order: Ints, fraction: float) -> Bools:
    """Chooses groups from their clips of each scene, [groups, scenes]: a mask [groups]."""
    total = counts.sum(axis=0)
    target = fraction * total
    held = np.zeros(len(counts), bool)
    there = np.zeros_like(total)  # clips held out so far, of each scene
    for group in order:
        added = there + counts[group]
        nearer = np.abs(added - target).sum() < np.abs(there - target).sum()
        if nearer and _leaves_some(total - added, counts[group]):
            held[group], there = True, added
    for scene in np.flatnonzero(there == 0):
        # Too small a scene for its share: its smallest group, so that validation knows it.
        for group in sorted(order[counts[order, scene] > 0], key=lambda g: int(counts[g].sum())):
            added = there + counts[group]
            if there[scene] == 0 and _leaves_some(total - added, counts[group]):
                held[group], there = True, added
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


def _leaves_some(left: Ints, taken: Ints) -> bool:
    """Whether each scene that a group takes from still has clips left."""
    return bool((left[taken > 0] > 0).all())
