"""Encoded views of a fold's images (``avsc.models.view_bank``), where training draws from them.

They lie on the device where they fit, else in host memory, else on disk (``train.cache``).
Shape legend: V views, C clips of the fold, S seconds of a clip, D features, n samples of a batch.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data.image_cache import choose, device_room, host_room
from avsc.errors import AvscError
from avsc.recipe_sections import TrainRecipe

Ints = NDArray[np.int64]


class EncodedViews(Protocol):
    """Views that a training draws from.

    Attributes:
        views: Number V of views of an image.
        seconds: Number S of images of a clip.
    """

    views: int
    seconds: int

    def take(self, rows: Tensor) -> Tensor:
        """Some views, float32 [n, D] on the training's device.

        Args:
            rows: Numbers ``(view * C + clip) * S + second``, int64 [n] on ``rows_on``.
        """

    @property
    def rows_on(self) -> torch.device:
        """Where ``take`` wants the numbers."""


class ViewsInMemory:
    """Views in the memory of the device or the host.

    Args:
        values: The views, [V, C, S, D], in host memory.
        kept: Device to keep them on.
        device: Device of the training.
    """

    def __init__(
        self, values: Tensor, kept: torch.device | str, device: torch.device | str
    ) -> None:
        self.views, self.seconds = len(values), values.shape[2]
        self._values = values.flatten(0, 2).to(kept)
        self._device = torch.device(device)

    @property
    def rows_on(self) -> torch.device:
        """Where the values lie."""
        return self._values.device

    def take(self, rows: Tensor) -> Tensor:
        """See ``EncodedViews``."""
        return self._values.index_select(0, rows).to(self._device, non_blocking=True).float()


class ViewsOnDisk:
    """Views in the chunks of a bank's array, each file mapped when it is first asked for.

    Args:
        array: Folder of the array; its chunks are ``c/<view>/<partition>/0/0``, raw numbers
            [1, p, S, D] of little-endian float16 and a checksum.
        views: Number V of views.
        rows: Row of each clip of the fold in the store, [C].
        shape: Number of clips of a partition, of seconds and of features, (p, S, D).
        device: Device of the training.
    """

    def __init__(
        self,
        array: Path,
        views: int,
        rows: Ints,
        shape: tuple[int, int, int],
        device: torch.device | str,
    ) -> None:
        self.views, self.seconds = views, shape[1]
        self._array, self._rows, self._shape = array, rows, shape
        self._device = torch.device(device)
        self._mapped: dict[tuple[int, int], Tensor] = {}  # by view and partition, [p * S, D]

    @property
    def rows_on(self) -> torch.device:
        """The host."""
        return torch.device("cpu")

    def take(self, rows: Tensor) -> Tensor:
        """See ``EncodedViews``.

        Raises:
            AvscError: A chunk is gone.
        """
        clips, seconds, _ = self._shape
        flat, second = np.divmod(rows.numpy(), seconds)
        view, clip = np.divmod(flat, len(self._rows))
        partition, within = np.divmod(self._rows[clip], clips)
        places = zip(
            view.tolist(), partition.tolist(), (within * seconds + second).tolist(), strict=True
        )
        found = torch.stack([self._chunk(v, p)[at] for v, p, at in places])
        return found.float().to(self._device, non_blocking=True)

    def _chunk(self, view: int, partition: int) -> Tensor:
        if (view, partition) not in self._mapped:
            path = self._array / "c" / str(view) / str(partition) / "0" / "0"
            clips, seconds, features = self._shape
            size = clips * seconds * features
            try:
                # Unlike NumPy's maps it keeps no file open: a bank has thousands of chunks.
                values = torch.from_file(str(path), size=size, dtype=torch.float16)
            except RuntimeError as error:
                raise AvscError(
                    f"cannot map {path}: {error}",
                    "a bank that stays where it is while a run trains from it",
                    "run the same command again: what is missing is computed again",
                ) from error
            self._mapped[view, partition] = values.view(-1, features)
        return self._mapped[view, partition]


def place_of(
    recipe: TrainRecipe, needed: int, device: torch.device, say: Callable[[str], None]
) -> torch.device | None:
    """Where a bank is kept in training: the device, the host, or None for the disk.

    Args:
        recipe: Its ``cache`` counts.
        needed: Size of the views of the training clips in bytes.
        device: Device of the training.
        say: Function that prints the place and the budget.

    Raises:
        AvscError: The bank does not fit where the recipe wants it.
    """
    room = device_room(device)
    kind, line = choose(recipe.cache, needed, room, host_room(), what="bank of views")
    say(line)
    if kind == "none":
        return None
    return device if kind == "device" else torch.device("cpu")
