"""Aligned triples of a fold as a ``torch.utils.data.Dataset``, for training loops of one's own.

``avsc train`` streams its batches with ``avsc.data.loader``, which is faster; item i of an epoch
here is triple i there, with the same augmented image.

Shape legend: C clips, T triples, 2 channels, B bands, Z the side of an image, S seconds of the
longest clip, P features of a pre-trained audio encoder.
"""

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from avsc.data import augment, rng, triples
from avsc.data.eval_images import eval_image
from avsc.data.split import Clips, training_fold
from avsc.errors import AvscError
from avsc.folds import TRAIN, train_and_test
from avsc.media import jpeg
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import TowerFolder
from avsc.models.visual_weights import expected_image
from avsc.recipe import Recipe
from avsc.scenes import UNLABELLED
from avsc.store.reader import Store
from avsc.store.schema import Status

if TYPE_CHECKING:
    from avsc.models.visual import ImageConfig

VALIDATION, EVERY = "validation", "all"


class TripleDataset(Dataset[tuple[Tensor, ...]]):
    """Aligned triples: audio frame float32 [2, B], image uint8 [3, Z, Z], label int64 [].

    With a pre-trained audio encoder, an item has a fourth part: float32 [P], its embedding of the
    second of sound that holds the frame's centre.

    Triples go clip by clip and frame by frame; each frame's image is that of the second that holds
    its centre, and a label is the scene's place in ``store.scenes`` (-1 where it is unknown). The
    images of ``train`` are augmented, all others are scaled and cropped as the visual encoder's
    weights expect. It can be pickled, and each process opens the store for itself.

    Args:
        store: Store.
        fold: Name of the fold, for messages.
        clips: Clips of the fold.
        recipe: Recipe with feature, seed, shared images and augmentation.
        image: Size, crop and interpolation of the images.
        epoch: Number of the epoch, of which the augmentation is a function.
        tower: Pre-trained audio encoder; None for none.

    Raises:
        AvscError: Embeddings of the clips by that encoder are missing.
    """

    def __init__(
        self,
        store: Store,
        fold: str,
        clips: Clips,
        recipe: Recipe,
        *,
        image: "ImageConfig",
        epoch: int = 0,
        tower: TowerFolder | None = None,
    ) -> None:
        self.fold, self.recipe, self.epoch = fold, recipe, epoch
        self._store, self._process = store, os.getpid()
        self._image = image
        self._triples = triples.training_triples(clips.rows, clips.labels, store.frames(clips.rows))
        self._is_augmented = fold == TRAIN and recipe.train.image_source() == "raw"
        views = triples.views(self._triples, recipe.train.images_per_second)
        self._view = np.empty(len(self._triples), np.int64)  # [T] each triple's augmented image
        self._view[views.members] = np.repeat(np.arange(len(views)), np.diff(views.bounds))
        self._tower = tower
        self._heard = self._embeddings()

    def __len__(self) -> int:
        return len(self._triples)

    def __repr__(self) -> str:
        tower = "" if self._tower is None else f"sound by {self._tower.name}, "
        return (
            f"TripleDataset({len(self):,} triples of the fold {self.fold!r}, "
            f"{self.recipe.audio.feature}, {tower}images of {self._image.size} px, "
            f"epoch {self.epoch})"
        )

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Triple ``index``: frame, image and label; then the embedding of sound, if there is one.

        Raises:
            IndexError: There is no such triple.
            AvscError: Its frame or its picture is damaged.
        """
        number = range(len(self))[index]  # from the end where it is negative
        found = self._triples
        row, second = int(found.rows[found.clip[number]]), int(found.second[number])
        store = self._opened()
        frame = store.audio(self.recipe.audio.feature, [row])[0, found.frame[number]]
        picture = jpeg.decode(store.jpeg(row, second))
        image = self._augmented(picture, number) if self._is_augmented else self._plain(picture)
        triple = (
            torch.from_numpy(frame.copy()),  # alone: the clip's other frames are not kept
            torch.from_numpy(image).permute(2, 0, 1).contiguous(),
            torch.tensor(found.label[number]),
        )
        if self._heard is None:
            return triple
        return (*triple, torch.from_numpy(self._heard[found.clip[number], second].copy()))

    def _embeddings(self) -> NDArray[np.float32] | None:
        """The pre-trained encoder's embeddings of the clips, [C, S, P]."""
        if self._tower is None:
            return None
        bank = AudioBank(self._store, self._tower.sha256, self._tower.path)
        return bank.read_whole(self._triples.rows)

    def _opened(self) -> Store:
        """The store, opened anew in a process that was forked."""
        if self._process != os.getpid():
            self._store, self._process = pickle.loads(pickle.dumps(self._store)), os.getpid()  # noqa: S301  our own
            cv2.setNumThreads(1)  # OpenCV's threads do not survive a fork
        return self._store

    def _plain(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return eval_image(picture, self._image)

    def _augmented(self, picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        uniform = rng.row(
            self.recipe.train.seed,
            self.epoch,
            rng.Purpose.AUGMENT,
            int(self._view[number]),
            augment.DRAWS,
        )[None]
        side, ranges = self._image.size, self.recipe.augment
        todo = augment.plan(uniform, np.array([picture.shape[:2]]), side, ranges)
        out = np.empty((side, side, 3), np.uint8)
        augment.crop_resize(picture, todo.box[0], bool(todo.flip[0]), out)
        if augment.changes_colours(ranges):
            augment.jitter(out.copy(), augment.colour_maps(todo.colour)[0], out)
        return out

    def __getstate__(self) -> dict[str, Any]:
        # The store of a pickle is its reader's own, and embeddings are read again.
        return self.__dict__ | {"_process": None, "_heard": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._process = os.getpid()
        self._heard = self._embeddings()


def open_dataset(
    store: Store, fold: str, recipe: Recipe | None, epoch: int, audio_model: Path | str | None
) -> TripleDataset:
    """The triples of a fold of a store; see ``Store.dataset`` for the arguments."""
    resolved = recipe or Recipe()
    if resolved.audio.feature not in store.settings.features:
        raise AvscError(
            f"{store.place} has no {resolved.audio.feature}",
            f"one of the features it was prepared with: {', '.join(store.settings.features)}",
            "choose one of these with the recipe's audio.feature",
        )
    if fold == TRAIN and resolved.augment_audio.is_on:
        raise AvscError(
            f"the recipe augments sound: {resolved.augment_audio}",
            "triples with the frames of the store, each with one label: that is what a dataset has",
            "leave out augment_audio here; `avsc train` applies it to whole batches",
        )
    return TripleDataset(
        store,
        fold,
        _clips(store, fold, resolved),
        resolved,
        image=expected_image(resolved.visual),
        epoch=epoch,
        tower=None if audio_model is None else TowerFolder.read(audio_model),
    )


def _clips(store: Store, fold: str, recipe: Recipe) -> Clips:
    if fold in (TRAIN, VALIDATION):
        split = training_fold(store, recipe.train)
        return split.train if fold == TRAIN else split.validation
    good = store.status() == Status.GOOD
    seen = store.clips if fold == EVERY else train_and_test(store.clips, recipe.train.fold)
    rows = [row for row, clip in enumerate(seen) if good[row] and fold in (EVERY, clip.fold)]
    if not rows:
        folds = sorted({clip.fold for clip in seen if clip.fold})
        raise AvscError(
            f"{store.place} has no good clip of the fold {fold!r}",
            f"one of {', '.join([*folds, VALIDATION, EVERY])}",
            "`avsc info STORE` shows the clips of each fold",
        )
    number = {scene: k for k, scene in enumerate(store.scenes)} | {"": UNLABELLED}
    labels = [number[store.clips[row].scene] for row in rows]
    return Clips(np.array(rows, np.int64), np.array(labels, np.int64))
