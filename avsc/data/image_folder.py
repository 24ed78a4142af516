"""Labelled images in folders: Places365, or any set with one folder a scene.

Two layouts are known, each read by its torchvision class, which follows symbolic links:
Places365 (``places365_train_standard.txt`` and ``data_256_standard/`` among others; its 256-pixel
edition), and ``train/<scene>/*.jpg`` with ``val/<scene>/*.jpg`` beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc.data.image_source import Item, Pixels
from avsc.errors import AvscError

_JPEG_START = b"\xff\xd8\xff"
_PLACES_LIST = "places365_train_standard.txt"


@dataclass(frozen=True)
class LabelledImages:
    """The image files of one split.

    Attributes:
        paths: Path of each image, [n].
        labels: Index of each image's scene, int64 [n].
    """

    paths: Sequence[str]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def share(self, rank: int, world: int) -> "LabelledImages":
        """Every ``world``-th image, beginning with number ``rank``."""
        return LabelledImages(self.paths[rank::world], self.labels[rank::world])

    def fetch(self, clip: int, second: int) -> Item:
        """The image of number ``clip``: a JPEG's bytes, or the pixels of another format.

        Raises:
            AvscError: The file cannot be read or decoded.
        """
        assert second == 0
        path = Path(self.paths[clip])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise AvscError(f"cannot read {path}: {error.strerror}", "an image file") from None
        return data if data.startswith(_JPEG_START) else _pixels(path)

    def name(self, clip: int, second: int) -> str:
        """The image's path."""
        del second
        return self.paths[clip]


@dataclass(frozen=True)
class ImageSet:
    """A training and a validation split with the same scenes."""

    scenes: tuple[str, ...]
    train: LabelledImages
    val: LabelledImages

    def describe(self) -> dict[str, object]:
        """The facts that must be the same when a training is resumed."""
        return {
            "scenes": list(self.scenes),
            "train_images": len(self.train),
            "val_images": len(self.val),
        }


def read_image_set(root: Path) -> ImageSet:
    """Lists a folder's images and scenes; opens none of the images.

    Raises:
        AvscError: The folder has neither layout, its splits differ in scenes, or a scene is empty.
    """
    if (root / _PLACES_LIST).is_file():
        return _read_places365(root)
    from torchvision.datasets import ImageFolder

    try:
        train, val = (ImageFolder(str(root / split)) for split in ("train", "val"))
    except OSError as error:
        raise AvscError(
            f"{root} is no image set: {error}",
            f"images in train/<scene>/ and val/<scene>/, or Places365 with {_PLACES_LIST}",
            "put images into that layout (or remove a scene without images from both splits), or "
            "give the folder that has it",
        ) from None
    if train.classes != val.classes:
        differing = sorted(set(train.classes) ^ set(val.classes))
        raise AvscError(
            f"the scenes of {root}/train and {root}/val differ: {', '.join(differing[:5])}",
            "the same folders in both",
            "move or remove the folders named",
        )
    if len(train.classes) < 2:
        raise AvscError(f"{root}/train has {len(train.classes)} scene", "at least two scenes")
    return ImageSet(tuple(train.classes), _labelled(train.imgs), _labelled(val.imgs))


def _read_places365(root: Path) -> ImageSet:
    from torchvision.datasets import Places365

    try:
        train, val = (
            Places365(str(root), split=split, small=True, download=False)
            for split in ("train-standard", "val")
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise AvscError(
            f"{root} looks like Places365, but: {error}",
            "torchvision's layout of the 256-pixel edition, train-standard and val",
            "fetch it with torchvision.datasets.Places365(ROOT, small=True, download=True)",
        ) from None
    return ImageSet(tuple(train.classes), _labelled(train.imgs), _labelled(val.imgs))


def _labelled(images: Sequence[tuple[Any, int]]) -> LabelledImages:
    paths = [str(path) for path, _ in images]
    return LabelledImages(paths, np.array([label for _, label in images], np.int64))


def _pixels(path: Path) -> Pixels:
    from PIL import Image

    try:
        # Pillow refuses absurd sizes before it allocates.
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AvscError(
            f"{path} cannot be decoded: {error}",
            "an image in a format that Pillow reads",
            "remove or replace it",
        ) from None
