"""Sources of images: JPEGs of a store, or pixels that are decoded already.

Shape legend: C clips of the fold, S seconds of a clip, H, W lines and columns of an image.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.media import jpeg

if TYPE_CHECKING:
    from avsc.store.reader import Store

Pixels = NDArray[np.uint8]
Item = bytes | memoryview | Pixels  # a JPEG, or pixels [H, W, 3]


class ImageSource(Protocol):
    """Images by clip (its position in the fold) and second; read by many threads at once."""

    def fetch(self, clip: int, second: int) -> Item:
        """The image as it is stored."""

    def name(self, clip: int, second: int) -> str:
        """The image's name in an error message."""


class StoredImages:
    """The JPEGs of some of a store's clips.

    A clip that ends earlier than the longest shows its last picture to the end, so that all have
    the same number; nothing is trained on these or scored.
    """

    def __init__(self, store: "Store", rows: NDArray[np.int64]) -> None:
        self._store = store
        self._rows = [int(row) for row in rows]
        self._last = (store.seconds(rows) - 1).tolist()

    def fetch(self, clip: int, second: int) -> Item:
        """The JPEG's bytes, whose checksum is verified."""
        return self._store.jpeg(self._rows[clip], min(second, self._last[clip]))

    def name(self, clip: int, second: int) -> str:
        """The clip's id and the second."""
        return f"clip {self._store.clips[self._rows[clip]].id}, second {second}"


def size_of(source: ImageSource, clip: int, second: int, item: Item) -> tuple[int, int]:
    """Reads (H, W) of an image without decoding it.

    Args:
        source: The source of the image.
        clip: Position of its clip in the fold.
        second: Second of its clip.
        item: The image as the source gave it.

    Raises:
        AvscError: Its header is damaged; the source's name for the image is in the message.
    """
    if isinstance(item, np.ndarray):
        return item.shape[0], item.shape[1]
    with _named(source, clip, second):
        return jpeg.size(item)


def decoded(source: ImageSource, clip: int, second: int, item: Item) -> Pixels:
    """Decodes an image to uint8 [H, W, 3]; see ``size_of`` for the arguments.

    Raises:
        AvscError: It cannot be decoded; the source's name for the image is in the message.
    """
    if isinstance(item, np.ndarray):
        return item
    with _named(source, clip, second):
        return jpeg.decode(item)


@contextmanager
def _named(source: ImageSource, clip: int, second: int) -> Iterator[None]:
    try:
        yield
    except AvscError as error:
        raise AvscError(
            f"{source.name(clip, second)}: {error.got}", error.expected, error.remedy
        ) from error
