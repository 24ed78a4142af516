"""Random draws that are functions of (seed, epoch, index): no state, no order of evaluation.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) enciphers a
counter under a key. The key is the run's seed; the counter holds the index, the epoch, what the
draw is for and which block of four words it is. So a draw can be made in any thread, on any rank
and after any resume, and is the same. Shape legend: n indices, k draws of each.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_BLOCK_BITS = 24
_WORDS = 4  # of 32 bits, in a block


class Purpose(IntEnum):
    """What draws are for: those of different purposes are independent of each other."""

    ORDER = 0
    AUGMENT = 1
    SPLIT = 2


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Enciphers counters: four 32-bit words [4, ...] (held in 64 bits) to four words [4, ...]."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c2 = (p1 >> _32) ^ c1 ^ np.uint64(k0), (p0 >> _32) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def words(
    seed: int, epoch: int, index: NDArray[np.int64], purpose: Purpose, k: int
) -> NDArray[np.uint64]:
    """Uniform 32-bit words [n, k], one row an index.

    Args:
        seed: The run's seed, below 2^64.
        epoch: Counted from 0, below 2^32.
        index: What the draws belong to, [n], not negative.
        purpose: Keeps draws of one use apart from another's.
        k: Words an index; a longer row begins with the shorter one.
    """
    blocks = np.arange(-(-k // _WORDS), dtype=np.uint64)
    n, b = len(index), len(blocks)
    position = np.asarray(index, np.uint64)[:, None]
    counter = np.empty((_WORDS, n, b), np.uint64)
    counter[0], counter[1] = position & _LOW, position >> _32
    counter[2] = epoch
    counter[3] = blocks | np.uint64(int(purpose) << _BLOCK_BITS)
    drawn = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return np.ascontiguousarray(np.moveaxis(drawn, 0, -1)).reshape(n, b * _WORDS)[:, :k]


def uniform(
    seed: int, epoch: int, index: NDArray[np.int64], purpose: Purpose, k: int
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), shape [n, k], in steps of 2^-32."""
    return words(seed, epoch, index, purpose, k).astype(np.float64) * 2.0**-32


def sort_keys(seed: int, epoch: int, n: int, purpose: Purpose) -> NDArray[np.uint64]:
    """Uniform 64-bit keys [n], whose order is a random permutation of n things."""
    drawn = words(seed, epoch, np.arange(n), purpose, 2)
    return np.asarray((drawn[:, 0] << _32) | drawn[:, 1], np.uint64)
