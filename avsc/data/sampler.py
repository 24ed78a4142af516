"""The order of an epoch's samples, its batches and their shares, as pure functions.

Every rank computes the whole order and takes its share of every batch. So the batches of an epoch
are the same for any number of ranks, and an epoch can be resumed at any batch.
"""

import numpy as np
from numpy.typing import NDArray

from avsc.data import rng


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of range(n), int64 [n]; every epoch has its own."""
    return rng.generator(seed, epoch, rng.Purpose.ORDER).permutation(n)


def batch_bounds(n: int, size: int) -> NDArray[np.int64]:
    """Where batches begin and end in an epoch's order: batch b is [bounds[b], bounds[b + 1]).

    Every sample is in one batch. All batches but the last are full. A last batch that would be
    less than half full gives poor statistics for batch normalisation; then the last two batches
    share their samples evenly.

    Args:
        n: Number of samples.
        size: Number of samples in a full batch.

    >>> batch_bounds(12, 4).tolist(), batch_bounds(11, 4).tolist(), batch_bounds(13, 4).tolist()
    ([0, 4, 8, 12], [0, 4, 8, 11], [0, 4, 8, 11, 13])
    """
    bounds = np.minimum(np.arange(-(-n // size) + 1) * size, n)
    left = n % size
    if len(bounds) > 2 and 0 < left < size / 2:
        bounds[-2] = bounds[-3] + (size + left + 1) // 2
    return bounds.astype(np.int64)


def shard_of(order: NDArray[np.int64], rank: int, world: int) -> NDArray[np.int64]:
    """A rank's share of the samples of a batch (or of any other order).

    Shares are contiguous and differ by at most one sample; the shares of all ranks, one after the
    other, are the order.

    Args:
        order: Samples in order, [n].
        rank: Number of this process.
        world: Number of processes.
    """
    return order[len(order) * rank // world : len(order) * (rank + 1) // world]
