"""The training fold's clips, split into those to train on and those to validate on (section 7).

Split by location, clips of one recording place never lie on both sides. Every scene keeps about
the wanted share: locations come in a random order, and one is held out if that brings the
held-out counts closer to the share. The test fold is never read here.

Shape legend: n clips, F frames, 2 channels, B bands.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.folds import NAMED, TEST, TRAIN, split_clips, train_and_test
from avsc.recipe_sections import TrainRecipe
from avsc.scenes import UNLABELLED
from avsc.store.reader import Store
from avsc.store.schema import Status

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_CLIPS_AT_ONCE = 64  # whose squares are summed at a time: bounds the float64 copy


@dataclass(frozen=True)
class Clips:
    """Some clips of a store.

    Attributes:
        rows: Row of each clip in the store, [n].
        labels: Index of each clip's scene, ``UNLABELLED`` for a clip without one, [n].
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
        recipe: Its fold to leave out, seed, validation fraction and unit of the split count.

    Raises:
        AvscError: There are no good clips, or they cannot be split.
    """
    seen = train_and_test(store.clips, recipe.fold)
    of_fold = [row for row, clip in enumerate(seen) if clip.fold == TRAIN]
    good = store.status() == Status.GOOD
    rows = np.array([row for row in of_fold if good[row]], np.int64)
    if not rows.size:
        raise AvscError(
            f"{store.place} has no good clip in its training fold",
            "clips with the fold 'train' in clips.csv",
            "prepare a data set with its evaluation_setup folder, or with a split of its own:"
            " `avsc prepare DATASET STORE --test-fraction 0.2`",
        )
    clips = [store.clips[row] for row in rows.tolist()]
    by_clip = recipe.val_split == "clip"
    groups = [(c.id,) if by_clip else (c.city, c.location) for c in clips]
    split = split_clips([c.scene for c in clips], groups, recipe.val_fraction, recipe.seed)
    number = {scene: k for k, scene in enumerate(store.scenes)}
    labels = np.array([number[c.scene] for c in clips], np.int64)
    held = split.validation
    notes = [*split.notes, *_absent(store, {clip.scene for clip in clips}, recipe)]
    if len(rows) < len(of_fold):
        notes.append(f"{len(of_fold) - len(rows)} quarantined clips are left out")
    return TrainingFold(
        Clips(rows[~held], labels[~held]), Clips(rows[held], labels[held]), tuple(notes)
    )


def with_unlabelled(store: Store, fold: TrainingFold, held_out: str | None) -> TrainingFold:
    """Adds the clips without a scene to those to train on: a teacher alone tells what they are.

    Clips of a location of the test fold are left out: a score is of places that were never seen.

    Args:
        store: The store.
        fold: Its training fold.
        held_out: Name of the fold that the run leaves out (``train.fold``).

    Raises:
        AvscError: There are no such clips.
    """
    seen, good = train_and_test(store.clips, held_out), store.status() == Status.GOOD
    tested = {(clip.city, clip.location) for clip in seen if clip.fold == TEST and clip.location}
    nameless = [row for row, clip in enumerate(seen) if good[row] and not clip.scene]
    added = [row for row in nameless if (seen[row].city, seen[row].location) not in tested]
    if not added:
        left_out = f"; {len(nameless)} are of locations of the test fold" if nameless else ""
        raise AvscError(
            f"{store.place} has no unlabelled clip to learn from{left_out}",
            "good clips without a scene, of other locations than the test fold's",
            "leave the cell of their scene in clips.csv empty and prepare the table again, or leave"
            " distill.unlabelled out",
        )
    notes = [f"{len(added)} unlabelled clips are added, which the teacher alone explains"]
    if len(added) < len(nameless):
        notes.append(
            f"{len(nameless) - len(added)} unlabelled clips of locations of the test fold are left"
            " out"
        )
    rows = np.concatenate([fold.train.rows, np.array(added, np.int64)])
    labels = np.concatenate([fold.train.labels, np.full(len(added), UNLABELLED)])
    order = np.argsort(rows)
    return replace(fold, train=Clips(rows[order], labels[order]), notes=(*fold.notes, *notes))


def _absent(store: Store, present: set[str], recipe: TrainRecipe) -> list[str]:
    """Scenes of the store's clips that the training fold lacks."""
    labelled = {clip.scene for clip in store.clips if clip.scene and clip.fold}
    absent = [scene for scene in store.scenes if scene in labelled - present]
    if not absent:
        return []
    more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
    left_out = "" if recipe.fold is None else f" without the fold {recipe.fold}"
    return [
        f"WARNING: the training fold{left_out} has no clip of {', '.join(absent[:NAMED])}{more}:"
        " the run cannot learn it and will miss each of its clips"
    ]


def standardisation(audio: Floats, frames: Ints | None = None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each (channel, band), float32 [2, B].

    Sums are in float64. A band that never changes is given the standard deviation 1.

    Args:
        audio: Training frames, [n, F, 2, B].
        frames: Number of frames of each clip, [n]; None for F.
    """
    if frames is not None and (frames < audio.shape[1]).any():
        audio = audio[within(frames, audio.shape[1])][:, None]  # [m, 1, 2, B]
    count = audio.shape[0] * audio.shape[1]
    mean = audio.sum(axis=(0, 1), dtype=np.float64) / count
    squares = np.zeros_like(mean)
    for first in range(0, len(audio), _CLIPS_AT_ONCE):
        squares += np.square(audio[first : first + _CLIPS_AT_ONCE] - mean).sum(axis=(0, 1))
    std = np.sqrt(squares / count)
    std[std < np.finfo(np.float32).tiny] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)
