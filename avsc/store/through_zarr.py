"""Arrays read through zarr-python: other codecs, or a store that is not a local folder."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.store.layout import damage
from avsc.store.location import Location
from avsc.store.schema import ArraySpec
from avsc.store.unreachable import unreachable

if TYPE_CHECKING:
    import zarr

# What zarr-python and its codecs raise over bytes that are not what they should be. Anything else
# that a remote store raises says that it could not be asked.
_DAMAGE = (ValueError, TypeError, LookupError, RuntimeError, FileNotFoundError)

NAMED = 3  # files that a message names, of which one is damaged


class ZarrArray:
    """One array of a store, with the interface of ``MappedArray``.

    Args:
        store: Location of the store.
        group: The store's group, opened.
        spec: The array as the schema has it.
    """

    def __init__(self, store: Location, group: "zarr.Group", spec: ArraySpec) -> None:
        self.spec = spec
        self._store = store
        self._array = _open(store, group, spec)

    def path(self, partition: int) -> str:
        """Where a partition's values begin, as messages name it."""
        return self._store.name(self._file(partition * self.spec.shard[0]))

    def is_written(self, partition: int) -> bool:
        """Whether the shard in which the partition's values begin is there at all."""
        return self._store.has(self._file(partition * self.spec.shard[0]))

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The rows in the order asked for, [len(rows), ...].

        Raises:
            AvscError: A shard is missing or cannot be decoded, or the store does not answer.
        """
        # Zarr reads a missing chunk as zeros. A row of a single value may truly be zero, and its
        # zero is refused by whoever asked; any other row of ours never is.
        if math.prod(self.spec.shape[1:]) > 1:
            for file in self._files(rows):
                if not self._store.has(file):
                    raise damage(self._store.name(file), "it is missing")
        # zarr-python wants an orthogonal selection sorted and without repeats.
        wanted, back = np.unique(rows, return_inverse=True)
        return np.asarray(self._read(lambda: self._array.oindex[wanted], wanted))[back]

    def map_body(self, partition: int) -> "ZarrBytes":
        """The bytes of a partition's row, read when sliced."""
        return ZarrBytes(self, partition)

    def read_bytes(self, partition: int, start: int, stop: int) -> NDArray[np.uint8]:
        """Some bytes of a partition's row.

        Raises:
            AvscError: They cannot be decoded, or the store does not answer.
        """
        read = self._read(lambda: self._array[partition, start:stop], np.array([partition]))
        return np.ascontiguousarray(read, np.uint8)

    def _file(self, row: int) -> str:
        # A copy may have been cut into other shards than ours.
        outer = (self._array.shards or self._array.chunks)[0]
        rest = (0,) * (len(self.spec.shape) - 1)
        key = self._array.metadata.encode_chunk_key((row // outer, *rest))
        return f"{self.spec.name}/{key}"

    def _files(self, rows: NDArray[np.int64]) -> list[str]:
        return list({self._file(row): None for row in rows.tolist()})

    def _read(self, read: Callable[[], object], rows: NDArray[np.int64]) -> object:
        try:
            return read()
        except Exception as error:
            # Which of several it was is not known.
            files = " or ".join(self._files(rows)[:NAMED])
            raise _explained(self._store, files, error) from error


class ZarrBytes:
    """A row of bytes that is read when it is sliced."""

    def __init__(self, array: ZarrArray, partition: int) -> None:
        self._array = array
        self._partition = partition
        self.size = array.spec.shape[1]

    def __getitem__(self, part: slice) -> NDArray[np.uint8]:
        return self._array.read_bytes(self._partition, part.start, part.stop)


def open_group(store: Location) -> "zarr.Group":
    """The store's group, opened for reading.

    Raises:
        AvscError: There is none, or the store does not answer.
    """
    import zarr
    from zarr.storage import FsspecStore

    try:
        opened = store.folder or FsspecStore.from_url(store.place, read_only=True)
        return zarr.open_group(opened, mode="r", zarr_format=3)
    except Exception as error:
        raise _explained(store, "zarr.json", error) from error


def _explained(store: Location, file: str, error: Exception) -> AvscError:
    """What an error of zarr-python means: damage, or a remote store that cannot be asked."""
    if store.folder is None and not isinstance(error, _DAMAGE):
        return unreachable(store.place, "read", error)
    return damage(store.name(file), f"cannot be read by zarr-python: {error}")


def _open(store: Location, group: "zarr.Group", spec: ArraySpec) -> "zarr.Array[Any]":
    import zarr

    where = store.name(spec.name)
    try:
        array = group[spec.name]
    except Exception as error:
        raise _explained(store, spec.name, error) from error
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
