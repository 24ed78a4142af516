"""The clips a run trains on and those it validates on, with their sound.

The test fold is never read here. Shape legend: n clips, F frames, 2 channels, B bands.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.data.split import split_clips
from avsc.errors import AvscError
from avsc.recipe import TrainRecipe
from avsc.scenes import scene_index
from avsc.store.read import Store
from avsc.store.schema import Status

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TRAIN = "train"
BLOCK = 64  # clips whose squares are summed at a time: bounds the float64 copy


@dataclass(frozen=True)
class Part:
    """Some clips of a store."""

    rows: Ints  # [n]
    labels: Ints  # [n]


@dataclass(frozen=True)
class TrainingFold:
    """The training fold in two, by the recipe's split."""

    train: Part
    validation: Part
    notes: tuple[str, ...]  # what a person should know


def training_fold(store: Store, recipe: TrainRecipe) -> TrainingFold:
    """Splits the good clips of the store's training fold.

    Raises:
        AvscError: There are none, or they cannot be split.
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
    if len(rows) < len(of_fold):
        notes.append(f"{len(of_fold) - len(rows)} quarantined clips are left out")
    return TrainingFold(
        Part(rows[~held], labels[~held]), Part(rows[held], labels[held]), tuple(notes)
    )


def standardisation(audio: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each (channel, band), float32 [2, B], of training frames [n, F, 2, B].

    Sums are in float64. A band that never changes has the deviation 1.
    """
    count = audio.shape[0] * audio.shape[1]
    mean = audio.sum(axis=(0, 1), dtype=np.float64) / count
    squares = np.zeros_like(mean)
    for first in range(0, len(audio), BLOCK):
        squares += np.square(audio[first : first + BLOCK] - mean).sum(axis=(0, 1))
    deviation = np.sqrt(squares / count)
    deviation[deviation < np.finfo(np.float32).tiny] = 1.0
    return mean.astype(np.float32), deviation.astype(np.float32)
