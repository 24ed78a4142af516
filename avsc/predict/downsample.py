"""Streams of any length kept in a fixed number of items, whatever the length turns out to be; pure.

Shape legend: k frames added at once, m columns kept, B bands.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Floats = NDArray[np.float32]


class Thinned(Generic[T]):
    """Every so many-th item of a stream, evenly spaced.

    Args:
        most: How many are kept at most; between half of that and all of it are, once there are
            that many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stride = 1
        self._seen = 0
        self._items: list[T] = []

    def offer(self, make: Callable[[], T]) -> None:
        """The stream's next item; ``make`` is called only if it is kept."""
        if self._seen % self._stride == 0:
            if len(self._items) == self._most:
                self._items = self._items[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._items.append(make())
        self._seen += 1

    def items(self) -> tuple[T, ...]:
        """What is kept, in order."""
        return tuple(self._items)


class Averaged:
    """A stream of frames as columns, each the mean of equally many frames (the last of the rest).

    Args:
        most: How many columns are kept at most; even.
    """

    def __init__(self, most: int) -> None:
        assert most % 2 == 0
        self._most = most
        self._stride = 1
        self._columns: list[Floats] = []
        self._begun: list[Floats] = []  # frames of the next column

    def add(self, frames: Floats) -> None:
        """The stream's next frames, [k, B]."""
        for frame in frames:
            self._begun.append(frame)
            if len(self._begun) == self._stride:
                self._columns.append(np.mean(self._begun, axis=0, dtype=np.float32))
                self._begun = []
            if len(self._columns) == self._most:
                pairs = zip(self._columns[::2], self._columns[1::2], strict=True)
                self._columns = [np.mean(pair, axis=0, dtype=np.float32) for pair in pairs]
                self._stride *= 2

    def columns(self) -> Floats:
        """All columns, [m, B]."""
        rest = [np.mean(self._begun, axis=0, dtype=np.float32)] if self._begun else []
        return np.stack([*self._columns, *rest])


def binned(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most ``most`` means of equally many rows (the last of the rest): [n, C] to [m, C]."""
    size = -(-len(values) // most)
    starts = np.arange(0, len(values), size)
    totals: NDArray[np.float64] = np.add.reduceat(values, starts, axis=0)
    return totals / np.diff(np.append(starts, len(values)))[:, None]
