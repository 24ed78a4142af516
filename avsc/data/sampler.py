"""The order of an epoch's samples, its batches and their shares, as pure functions.

Every rank works out the whole order and takes its share of every batch. So the batches of an
epoch are the same for any number of ranks, and a resumed epoch begins at any batch.
"""

import numpy as np
from numpy.typing import NDArray

from avsc.data import rng


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of range(n), shape [n], another in every epoch."""
    keys = rng.sort_keys(seed, epoch, n, rng.Purpose.ORDER)
    return np.argsort(keys, kind="stable")


def batch_bounds(n: int, size: int) -> NDArray[np.int64]:
    """Where batches begin and end in an epoch's order: batch b is [bounds[b], bounds[b + 1]).

    Every sample is in one batch. All batches are full but the last, and where that would be less
    than half full (batch normalisation has little to go by there) the last two share evenly.

    >>> batch_bounds(12, 4).tolist(), batch_bounds(11, 4).tolist(), batch_bounds(13, 4).tolist()
    ([0, 4, 8, 12], [0, 4, 8, 11], [0, 4, 8, 11, 13])
    """
    bounds = np.minimum(np.arange(-(-n // size) + 1) * size, n)
    left = n % size
    if len(bounds) > 2 and 0 < left < size / 2:
        bounds[-2] = bounds[-3] + (size + left + 1) // 2
    return bounds.astype(np.int64)


def shard_of(order: NDArray[np.int64], rank: int, world: int) -> NDArray[np.int64]:
    """A rank's share of an order (of a batch, say): contiguous, sizes within one of each other.

    The shares of all ranks, one behind the other, are the order.
    """
    return order[len(order) * rank // world : len(order) * (rank + 1) // world]
