"""One Zarr v3 shard, exactly as the codec ``sharding_indexed`` lays it out (pure).

A shard is its inner chunks back to back, then an index, then the index's crc32c. The index holds
an (offset, nbytes) pair of little-endian uint64 for each chunk in C order; a chunk that was never
written has 2^64 - 1 twice. Where an array is checksummed, each chunk ends in its own crc32c.
"""

import struct
from collections.abc import Iterable, Sequence

import google_crc32c
import numpy as np
from numpy.typing import NDArray

MISSING = 2**64 - 1
CRC_BYTES = 4

Extent = tuple[int, int]  # offset, nbytes


class ShardError(ValueError):
    """The bytes are not a shard of ours, or no longer the ones that were written."""


def crc32c(data: bytes | NDArray[np.uint8]) -> int:
    """The Castagnoli checksum of contiguous bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return int(google_crc32c.value(data))


def seal(data: bytes) -> bytes:
    """``data`` with its crc32c behind it."""
    return data + struct.pack("<I", crc32c(data))


def unseal(sealed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes in front of a crc32c, a view.

    Raises:
        ShardError: The checksum does not match.
    """
    data, tail = sealed[:-CRC_BYTES], sealed[-CRC_BYTES:]
    if tail.size < CRC_BYTES or crc32c(data) != int.from_bytes(tail.tobytes(), "little"):
        raise ShardError("its checksum does not match")
    return data


def index_bytes(chunks: int) -> int:
    """The size of a shard's index and its checksum."""
    return 16 * chunks + CRC_BYTES


def encode_index(extents: Sequence[Extent | None]) -> bytes:
    """The index of a shard whose chunks lie at ``extents``; None is a missing chunk."""
    pairs = [(MISSING, MISSING) if extent is None else extent for extent in extents]
    return seal(np.array(pairs, "<u8").tobytes())


def decode_index(index: NDArray[np.uint8], chunks: int, body: int) -> NDArray[np.int64]:
    """Where each chunk lies, shape [chunks, 2] (offset, nbytes), -1 twice where it is missing.

    Args:
        index: Bytes of the index, the last ``index_bytes(chunks)`` of the shard.
        chunks: Number of chunks in the shard.
        body: Number of bytes in front of the index; every chunk must be inside them.

    Raises:
        ShardError: The checksum does not match, or a chunk lies outside the body.
    """
    if index.size != index_bytes(chunks):
        raise ShardError(f"its index has {index.size} bytes, expected {index_bytes(chunks)}")
    try:
        pairs = unseal(index).view("<u8").reshape(chunks, 2)
    except ShardError as error:
        raise ShardError(f"its index is damaged: {error}") from None
    missing = (pairs == MISSING).all(axis=1)
    offset, nbytes = np.where(missing[:, None], 0, pairs).astype(np.uint64).T
    # Compared without adding, which could wrap around.
    inside = (offset <= body) & (nbytes <= body - np.minimum(offset, body))
    if not inside.all():
        raise ShardError(f"its index puts chunk {int(np.argmin(inside))} outside the file")
    found = np.where(missing, -1, np.stack([offset, nbytes]).astype(np.int64))
    return np.ascontiguousarray(found.T)


def encode(chunks: Iterable[bytes | None], checksummed: bool) -> bytes:
    """A whole shard in memory, for arrays that are small.

    Args:
        chunks: Bytes of each chunk's values in C order; None is a missing chunk.
        checksummed: Whether each chunk ends in its own crc32c.
    """
    body = bytearray()
    extents: list[Extent | None] = []
    for chunk in chunks:
        if chunk is None:
            extents.append(None)
            continue
        stored = seal(chunk) if checksummed else chunk
        extents.append((len(body), len(stored)))
        body += stored
    return bytes(body) + encode_index(extents)
