"""Labelled images in folders: Places365, or any set with one folder a scene.

Two layouts are known. Places365 as torchvision keeps it (``places365_train_standard.txt`` and
``data_256_standard/`` among others; its 256-pixel edition) is read by torchvision's own class.
Anything else is ``train/<scene>/*.jpg`` with ``val/<scene>/*.jpg`` beside it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc.data.image_source import Item, Pixels
from avsc.errors import AvscError

SUFFIXES = (".jpg", ".jpeg", ".png")
_JPEG_START = b"\xff\xd8\xff"
_PLACES_LIST = "places365_train_standard.txt"


@dataclass(frozen=True)
class LabelledImages:
    """Files of one split and the scene of each.

    Attributes:
        root: The folder that the paths are relative to.
        paths: Of the images.
        labels: Indices of their scenes, int64 [n].
    """

    root: Path
    paths: Sequence[str]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def share(self, rank: int, world: int) -> "LabelledImages":
        """Every ``world``-th image from ``rank`` on."""
        return LabelledImages(self.root, self.paths[rank::world], self.labels[rank::world])

    def fetch(self, clip: int, second: int) -> Item:
        """One image, as a stream asks for it: a JPEG's bytes, or the pixels of another file."""
        assert second == 0
        path = self.root / self.paths[clip]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise AvscError(f"cannot read {path}: {error.strerror}", "an image file") from None
        return data if data.startswith(_JPEG_START) else _pixels(path)

    def name(self, clip: int, second: int) -> str:
        """The image's path."""
        del second
        return str(self.root / self.paths[clip])


@dataclass(frozen=True)
class ImageSet:
    """A training and a validation split with the same scenes."""

    scenes: tuple[str, ...]
    train: LabelledImages
    val: LabelledImages

    def describe(self) -> dict[str, object]:
        """What a resumed run must find again."""
        return {
            "scenes": list(self.scenes),
            "train_images": len(self.train),
            "val_images": len(self.val),
        }


def read_image_set(root: Path) -> ImageSet:
    """Lists a folder's images and scenes; opens none of them.

    Raises:
        AvscError: The folder has neither layout, its splits differ in scenes, or one is empty.
    """
    if (root / _PLACES_LIST).is_file():
        return _read_places365(root)
    if not (root / "train").is_dir() or not (root / "val").is_dir():
        raise AvscError(
            f"{root} is no image set",
            f"train/<scene>/*.jpg and val/<scene>/*.jpg, or Places365 with {_PLACES_LIST}",
            "put the images into that layout, or give the folder that has it",
        )
    scenes = _scenes(root / "train")
    if (others := _scenes(root / "val")) != scenes:
        differing = sorted(set(scenes) ^ set(others))
        raise AvscError(
            f"the scenes of {root}/train and {root}/val differ: {', '.join(differing[:5])}",
            "the same folders in both",
            "move or remove the folders named",
        )
    if len(scenes) < 2:
        raise AvscError(f"{root}/train has {len(scenes)} scenes", "two at least")
    return ImageSet(scenes, _read_split(root / "train", scenes), _read_split(root / "val", scenes))


def _scenes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))


def _read_split(folder: Path, scenes: Sequence[str]) -> LabelledImages:
    paths, labels = [], []
    for label, scene in enumerate(scenes):
        found = sorted(_image_names(folder / scene))
        if not found:
            raise AvscError(
                f"{folder / scene} holds no image",
                f"files ending in {', '.join(SUFFIXES)}",
                "add images of the scene, or remove its folder from both splits",
            )
        paths += [f"{scene}/{name}" for name in found]
        labels += [label] * len(found)
    return LabelledImages(folder, paths, np.array(labels, np.int64))


def _image_names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            # A link may point anywhere; sets from strangers are read where they are.
            if entry.name.lower().endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                yield entry.name


def _read_places365(root: Path) -> ImageSet:
    from torchvision.datasets import Places365

    splits = []
    try:
        for split in ("train-standard", "val"):
            found = Places365(str(root), split=split, small=True, download=False)
            paths = [os.path.relpath(path, root) for path, _ in found.imgs]
            labels = np.array([label for _, label in found.imgs], np.int64)
            if (
                outside := next((path for path in paths if path.startswith("..")), None)
            ) is not None:
                raise AvscError(f"Places365's list names {outside}", f"files inside {root}")
            splits.append(LabelledImages(root, paths, labels))
    except (RuntimeError, OSError, ValueError) as error:
        raise AvscError(
            f"{root} looks like Places365, but: {error}",
            "torchvision's layout of the 256-pixel edition, train-standard and val",
            "fetch it with torchvision.datasets.Places365(ROOT, small=True, download=True)",
        ) from None
    return ImageSet(tuple(found.classes), *splits)


def _pixels(path: Path) -> Pixels:
    from PIL import Image

    try:
        # Pillow refuses absurd sizes before it allocates.
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AvscError(
            f"{path} cannot be decoded: {error}", "a JPEG or PNG image", "remove or replace it"
        ) from None
