import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BytesCodec, Crc32cCodec
from zarr.storage import MemoryStore

from avsc.store import shard
from avsc.store.shard import ShardError

CHUNKS = st.lists(st.none() | st.binary(min_size=1, max_size=40), min_size=1, max_size=8)


def decode(data: bytes, chunks: int, checksummed: bool) -> list[bytes | None]:
    """The chunks of a shard, as the mapped reader finds them."""
    values = np.frombuffer(data, np.uint8)
    body = max(values.size - shard.index_bytes(chunks), 0)
    found: list[bytes | None] = []
    for offset, nbytes in shard.decode_index(values[body:], chunks, body).tolist():
        chunk = values[offset : offset + nbytes]
        value = shard.unseal(chunk) if checksummed and offset >= 0 else chunk
        found.append(None if offset < 0 else value.tobytes())
    return found


@given(CHUNKS, st.booleans())
def test_decoding_gives_back_what_was_encoded(
    chunks: list[bytes | None], checksummed: bool
) -> None:
    encoded = shard.encode(chunks, checksummed)
    assert decode(encoded, len(chunks), checksummed) == chunks


@given(CHUNKS, st.data())
def test_no_flipped_bit_of_a_checksummed_shard_goes_unseen(
    chunks: list[bytes | None], data: st.DataObject
) -> None:
    encoded = bytearray(shard.encode(chunks, checksummed=True))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ShardError):
        decode(bytes(encoded), len(chunks), checksummed=True)


@given(CHUNKS, st.data())
def test_a_shard_cut_short_is_refused(chunks: list[bytes | None], data: st.DataObject) -> None:
    encoded = shard.encode(chunks, checksummed=True)
    length = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ShardError):
        decode(encoded[:length], len(chunks), checksummed=True)


@pytest.mark.parametrize(
    "extent", [(0, 11), (11, 1), (2**64 - 2, 4), (4, 2**64 - 2), (shard.MISSING, 3)]
)
def test_an_index_that_points_outside_the_file_is_refused(extent: tuple[int, int]) -> None:
    index = np.frombuffer(shard.encode_index([extent]), np.uint8)
    with pytest.raises(ShardError, match="chunk 0"):
        shard.decode_index(index, 1, body=10)


def test_the_checksum_is_the_castagnoli_one_of_the_rfc() -> None:
    assert shard.crc32c(bytes(32)) == 0x8A9136AA
    assert shard.crc32c(np.full(32, 0xFF, np.uint8)) == 0x62A8AB43


def written_by_zarr(values: np.ndarray, run: int) -> dict[str, bytes]:
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(1, *values.shape[1:]),
        shards=(run, *values.shape[1:]),
        serializer=BytesCodec(endian="little"),
        compressors=(Crc32cCodec(),),
        filters=None,
        fill_value=0,
    )
    array[...] = values
    return {key: value.to_bytes() for key, value in store._store_dict.items() if "c/" in key}


def test_zarr_python_writes_the_same_bytes_even_for_a_last_partition_that_is_short() -> None:
    values = np.random.default_rng(0).standard_normal((7, 3, 2)).astype("<f4")
    values[2] = 0  # zarr-python leaves a chunk out that holds nothing but the fill value
    theirs = written_by_zarr(values, run=4)
    chunks = [row.tobytes() if row.any() else None for row in values]
    assert theirs["c/0/0/0"] == shard.encode(chunks[:4], checksummed=True)
    assert theirs["c/1/0/0"] == shard.encode([*chunks[4:], None], checksummed=True)


def test_shards_that_zarr_python_wrote_are_decoded() -> None:
    values = np.arange(1, 13, dtype="<u4").reshape(4, 3)
    shards = written_by_zarr(values, run=4)
    rows = decode(shards["c/0/0"], 4, checksummed=True)
    assert rows == [row.tobytes() for row in values]
