"""Streams of unknown length in a bounded number of items; pure.

Shape legend: n rows, m columns or bins, B bands, C scenes.
"""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Floats = NDArray[np.float32]


class EvenlySpaced(Generic[T]):
    """Evenly spaced items of a stream, beginning with the first.

    Args:
        most: Largest number of items; once full, it is never less than half full.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._count = 0
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Takes the next item of the stream; it is kept if its turn has come."""
        if self._count % self._step == 0:
            self._items.append(item)
        if len(self._items) > self._most:
            self._items = self._items[::2]
            self._step *= 2
        self._count += 1

    def items(self) -> tuple[T, ...]:
        """The kept items in order."""
        return tuple(self._items)


class ColumnMeans:
    """Frames of a stream as columns, each the mean of equally many frames (the last of the rest).

    Args:
        most: Largest number of columns, at least 2.
        bands: B.
    """

    def __init__(self, most: int, bands: int) -> None:
        self._most = most
        self._step = 1  # frames of a column
        self._columns = np.empty((0, bands), np.float32)
        self._rest = np.empty((0, bands), np.float32)  # frames of the next column

    def add(self, frames: Floats) -> None:
        """Takes the next frames of the stream, [n, B]."""
        self._rest = np.concatenate([self._rest, frames])
        whole = len(self._rest) // self._step * self._step
        self._columns = np.concatenate([self._columns, _means(self._rest[:whole], self._step)])
        self._rest = self._rest[whole:]
        while len(self._columns) >= self._most:
            if len(self._columns) % 2:  # the last has no partner yet: it counts as its frames
                frames_of_last = np.repeat(self._columns[-1:], self._step, axis=0)
                self._rest = np.concatenate([frames_of_last, self._rest])
            self._columns = _means(self._columns[: len(self._columns) // 2 * 2], 2)
            self._step *= 2

    def columns(self) -> Floats:
        """All columns, [m, B]."""
        if len(self._rest) == 0:
            return self._columns
        return np.concatenate([self._columns, self._rest.mean(axis=0, keepdims=True)])


def _means(rows: Floats, step: int) -> Floats:
    """Means of ``step`` rows each; the rows can be divided by it."""
    count, bands = rows.shape
    return np.asarray(rows.reshape(count // step, step, bands).mean(axis=1), np.float32)


def bin_means(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most ``most`` means of equally many rows (the last of the rest): [n, C] to [m, C]."""
    size = -(-len(values) // most)
    starts = np.arange(0, len(values), size)
    totals: NDArray[np.float64] = np.add.reduceat(values, starts, axis=0)
    return totals / np.diff(np.append(starts, len(values)))[:, None]
