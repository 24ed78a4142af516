"""Arrays read through zarr-python: other codecs, or a store that is not a local folder."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.store.layout import damage
from avsc.store.schema import ArraySpec

if TYPE_CHECKING:
    import zarr


class ZarrArray:
    """One array of a store, with the interface of ``MappedArray``."""

    def __init__(self, group: "zarr.Group", spec: ArraySpec) -> None:
        self.spec = spec
        self._array = _open(group, spec)

    def path(self, partition: int) -> str:
        """Where a partition's values begin, as messages name it."""
        return f"{self._array.store_path}/{self._key(partition * self.spec.shard[0])}"

    def is_written(self, partition: int) -> bool:
        """Whether the shard in which the partition's values begin is there at all."""
        return self._is_there(self._key(partition * self.spec.shard[0]))

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The rows in the order asked for, [len(rows), ...].

        Raises:
            AvscError: A shard is missing or cannot be decoded.
        """
        # Zarr reads a missing chunk as zeros. A row of a single value may truly be zero, and its
        # zero is refused by whoever asked; any other row of ours never is.
        if math.prod(self.spec.shape[1:]) > 1:
            for key in {self._key(row): None for row in rows.tolist()}:
                if not self._is_there(key):
                    raise damage(f"{self._array.store_path}/{key}", "it is missing")
        # zarr-python wants an orthogonal selection sorted and without repeats.
        wanted, back = np.unique(rows, return_inverse=True)
        return np.asarray(self._read(lambda: self._array.oindex[wanted]))[back]

    def map_body(self, partition: int) -> "ZarrBytes":
        """The bytes of a partition's row, read when sliced."""
        return ZarrBytes(self, partition)

    def read_bytes(self, partition: int, start: int, stop: int) -> NDArray[np.uint8]:
        """Some bytes of a partition's row."""
        read = self._read(lambda: self._array[partition, start:stop])
        return np.ascontiguousarray(read, np.uint8)

    def _key(self, row: int) -> str:
        # A copy may have been cut into other shards than ours.
        outer = (self._array.shards or self._array.chunks)[0]
        rest = (0,) * (len(self.spec.shape) - 1)
        return str(self._array.metadata.encode_chunk_key((row // outer, *rest)))

    def _is_there(self, key: str) -> bool:
        from zarr.core.sync import sync

        return bool(sync((self._array.store_path / key).exists()))

    def _read(self, read: Callable[[], object]) -> object:
        try:
            return read()
        except Exception as error:
            # Codecs and remote stores raise whatever they like.
            raise damage(str(self._array.store_path), f"cannot be read: {error}") from error


class ZarrBytes:
    """A row of bytes that is read when it is sliced."""

    def __init__(self, array: ZarrArray, partition: int) -> None:
        self._array = array
        self._partition = partition
        self.size = array.spec.shape[1]

    def __getitem__(self, part: slice) -> NDArray[np.uint8]:
        return self._array.read_bytes(self._partition, part.start, part.stop)


def open_group(location: str) -> "zarr.Group":
    """The store's group, opened for reading.

    Raises:
        AvscError: There is none.
    """
    import zarr
    from zarr.storage import FsspecStore

    try:
        remote = "://" in location
        store = FsspecStore.from_url(location, read_only=True) if remote else location
        return zarr.open_group(store, mode="r", zarr_format=3)
    except Exception as error:
        raise damage(location, f"cannot be opened by zarr-python: {error}") from error


def _open(group: "zarr.Group", spec: ArraySpec) -> "zarr.Array[Any]":
    import zarr

    where = f"{group.store_path}/{spec.name}"
    try:
        array = group[spec.name]
    except Exception as error:
        raise damage(where, f"cannot be opened by zarr-python: {error}") from error
    expected = f"{spec.dtype.name} of shape {list(spec.shape)}"
    found = "no array"
    if isinstance(array, zarr.Array):
        found = f"{array.dtype.name} of shape {list(array.shape)}"
        if found == expected:
            return array
    raise AvscError(
        f"{where}: {found}",
        f"{expected}, as the store's settings have it",
        "restore its zarr.json from a copy, or prepare the store again",
    )
