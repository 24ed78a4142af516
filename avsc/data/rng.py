"""Random draws as pure functions of (seed, epoch, purpose).

NumPy's Philox generator is keyed by these three numbers, so that every process and every resumed
run draws the same table for an epoch. Row i of the table belongs to index i: what is drawn for an
index does not depend on threads, ranks, or the batch at which an epoch was resumed.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_PURPOSE_BITS = 8
_WORDS = 4  # numbers that Philox makes of each value of its counter


class Purpose(IntEnum):
    """What draws are for: those of different purposes are independent of each other."""

    ORDER = 0
    AUGMENT = 1
    VIEW = 2  # of a bank: which one a sample sees; with an image's number, how it is augmented
    DROP = 3
    SHIFT = 4
    SOUND = 5
    MIXUP = 6
    MIXSTYLE = 7
    MISSING = 8  # of an evaluation: which seconds lack a modality
    SWAP = 9  # which clips get another's sound, and whose


def generator(seed: int, epoch: int, purpose: Purpose) -> np.random.Generator:
    """A generator at the start of the stream of (seed, epoch, purpose).

    Args:
        seed: The run's seed, in [0, 2^64).
        epoch: Number of the epoch, counted from 0, below 2^56.
        purpose: What the draws are for.
    """
    key = np.array([seed, epoch << _PURPOSE_BITS | purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def row(seed: int, epoch: int, purpose: Purpose, index: int, width: int) -> NDArray[np.float64]:
    """Row ``index`` of the table ``generator(seed, epoch, purpose).random((..., width))`` alone.

    Args:
        seed: The run's seed.
        epoch: Number of the epoch.
        purpose: What the draws are for.
        index: Number of the row.
        width: Number of draws in a row.
    """
    stream = generator(seed, epoch, purpose)
    counter, within = divmod(index * width, _WORDS)
    stream.bit_generator.advance(counter)  # type: ignore[attr-defined]
    return stream.random(within + width)[within:]
