import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

from avsc.errors import AvscError
from avsc.store import metadata, schema, shard
from avsc.store.mapped import MappedArray
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, StoreSettings
from avsc.store.writer import ClipData

if TYPE_CHECKING:
    from tests.conftest import MakeClipData, MakeStore

N, BAD, SIZE = 10, 6, (24, 32)
GOOD = [row for row in range(N) if row != BAD]
SETTINGS = StoreSettings(partition_clips=4, image=ImageSettings(short_side=24))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, make_store: "MakeStore") -> Path:
    path = tmp_path_factory.mktemp("sound") / "store"
    return make_store(path, N, settings=SETTINGS, size=SIZE, quarantined=[BAD], seed=3)


@pytest.fixture(scope="module")
def clips(make_clip_data: "MakeClipData") -> list[ClipData]:
    return [make_clip_data(SETTINGS, SIZE, (3, row)) for row in range(N)]


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound store, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "store"))


def recoded(source: Path, target: Path) -> Path:
    """A copy through zarr-python with another codec, other chunks and other shards."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("c.*"))
    theirs: Any = zarr.open_group(source, mode="r")
    for spec in schema.array_specs(N, SETTINGS):
        shutil.rmtree(target / spec.name)
        chunks = (3, *spec.shape[1:]) if spec.name != schema.IMAGE_JPEG else (1, 100_000)
        array = zarr.open_group(target, mode="r+").create_array(
            spec.name, shape=spec.shape, dtype=spec.dtype, chunks=chunks, compressors=ZstdCodec()
        )
        values = theirs[spec.name]
        if spec.name == schema.IMAGE_JPEG:
            for row in range(spec.shape[0]):
                array[row, : schema.JPEG_CHUNK] = values[row, : schema.JPEG_CHUNK]
        else:
            array[...] = values[...]
    return target


@pytest.fixture(scope="module", params=["mapped", "re-encoded", "by URL"])
def store(
    request: pytest.FixtureRequest, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    if request.param == "re-encoded":
        return Store.open(recoded(sound, tmp_path_factory.mktemp("recoded") / "store"))
    return Store.open(f"file://{sound}" if request.param == "by URL" else sound)


def test_every_value_is_the_one_that_was_written(store: Store, clips: list[ClipData]) -> None:
    for feature in SETTINGS.features:
        audio = np.stack([clips[row].audio[feature] for row in GOOD])
        segments = np.stack([clips[row].segments[feature] for row in GOOD])
        assert np.array_equal(store.audio(feature, GOOD), audio)
        assert np.array_equal(store.segments(feature, GOOD), segments)
        assert store.audio(feature, GOOD).dtype == np.float32
    assert store.pts_s(GOOD).tolist() == [clips[row].pts_s for row in GOOD]
    for row in GOOD:
        assert [bytes(store.jpeg(row, second)) for second in range(10)] == clips[row].jpegs
    assert store.status().tolist() == [2 if row == BAD else 1 for row in range(N)]
    assert store.reasons() == {store.clips[BAD].id: "made bad by the test"}


def test_rows_come_in_the_order_asked_for_and_may_repeat(
    store: Store, clips: list[ClipData]
) -> None:
    rows = [9, 0, 4, 0, 5, 3, 9]
    expected = np.stack([clips[row].audio["fbank"] for row in rows])
    assert np.array_equal(store.audio("fbank", rows), expected)
    assert np.array_equal(store.audio("fbank", np.array(rows, np.int32)), expected)
    assert store.pts_s(rows).tolist() == [clips[row].pts_s for row in rows]
    assert store.segments("fbank", []).shape == (0, 10, 3, 2, 256)


def test_a_clip_that_is_not_good_is_never_read(store: Store) -> None:
    name = store.clips[BAD].id
    with pytest.raises(AvscError, match=f"{name} .*quarantined"):
        store.audio("fbank", [0, BAD])
    with pytest.raises(AvscError, match=f"{name} .*quarantined"):
        store.jpeg(BAD, 0)


@pytest.mark.parametrize(("row", "second"), [(-1, 0), (N, 0), (0, -1), (0, 10)])
def test_rows_and_seconds_outside_the_store_are_refused(
    store: Store, row: int, second: int
) -> None:
    with pytest.raises(IndexError):
        store.jpeg(row, second)
    if second == 0:
        with pytest.raises(IndexError):
            store.pts_s([row])


def test_any_number_of_threads_read_the_same(store: Store, clips: list[ClipData]) -> None:
    places = [(row, second) for row in GOOD for second in range(10)] * 3
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda place: bytes(store.jpeg(*place)), places))
    assert read == [clips[row].jpegs[second] for row, second in places]


def test_our_own_shards_are_mapped_and_others_go_through_zarr_python(store: Store) -> None:
    kinds = {type(array) is MappedArray for array in store._arrays.values()}
    assert len(kinds) == 1


def test_zarr_python_reads_what_we_wrote(sound: Path, clips: list[ClipData]) -> None:
    group: Any = zarr.open_group(sound, mode="r")
    for row, clip in enumerate(clips):
        for feature in SETTINGS.features:
            values = group[schema.audio_array(feature)][row]
            assert np.array_equal(values, clip.audio[feature] * (row != BAD))
        if row != BAD:
            offset, length = (group[n][row, 3] for n in (schema.IMAGE_OFFSET, schema.IMAGE_LENGTH))
            picture = group[schema.IMAGE_JPEG][row // 4, offset : offset + length]
            assert picture.tobytes() == clip.jpegs[3]
            assert group[schema.IMAGE_CRC32C][row, 3] == shard.crc32c(clip.jpegs[3])
    # Beyond what was written nothing is stored, so zarr-python shows the fill value.
    assert not group[schema.IMAGE_JPEG][0, schema.JPEG_CHUNK :][: schema.JPEG_CHUNK].any()


def test_a_copy_names_the_same_content(store: Store, sound: Path) -> None:
    assert store.sha256 == Store.open(sound).sha256


def test_a_feature_the_store_has_not_is_said(tmp_path: Path, make_store: "MakeStore") -> None:
    store = Store.open(make_store(tmp_path / "s", 2, features=("fbank",)))
    with pytest.raises(AvscError, match="audio/scalogram"):
        store.audio("scalogram", [0])


def test_an_incomplete_store_says_what_is_missing_and_how_to_go_on(
    copy: Path, tmp_path: Path, make_store: "MakeStore"
) -> None:
    unmarked = make_store(tmp_path / "unmarked", 2, complete=False)
    with pytest.raises(AvscError, match=str(unmarked)):
        Store.open(unmarked)
    (copy / "clip/status/c.1").unlink()
    with pytest.raises(AvscError, match="1 of 3") as caught:
        Store.open(copy)
    assert "avsc prepare" in caught.value.remedy
    assert Store.open(copy, complete=False).status().tolist() == [1] * 4 + [0] * 4 + [1] * 2


def test_no_store_at_all_is_said(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", "nosuchscheme://x", "file:///nowhere/at/all"):
        with pytest.raises(AvscError) as caught:
            Store.open(place)
        assert str(place) in caught.value.got


SHARDS = [spec.shard_name(1) for spec in schema.array_specs(N, SETTINGS)]


def read_all(store: Store) -> None:
    """All that training and evaluation read."""
    for feature in SETTINGS.features:
        store.audio(feature, GOOD)
        store.segments(feature, GOOD)
    store.pts_s(GOOD)
    for row in GOOD:
        for second in range(10):
            store.jpeg(row, second)


@pytest.mark.parametrize("name", SHARDS)
def test_a_deleted_shard_is_named_never_read_as_zeros(copy: Path, name: str) -> None:
    # Without its status a partition counts as absent, and the first of its clips is named.
    is_status = name == "clip/status/c.1"
    named = Store.open(copy).clips[4].id if is_status else name
    (copy / name).unlink()
    with pytest.raises(AvscError, match="1 of 3" if is_status else name):
        Store.open(copy)
    with pytest.raises(AvscError, match=named):
        read_all(Store.open(copy, complete=False))


@pytest.mark.parametrize("name", SHARDS)
@pytest.mark.parametrize("part", ["body", "index"])
def test_a_flipped_bit_is_named_by_who_reads_it(copy: Path, name: str, part: str) -> None:
    flip(copy / name, 1 if part == "body" else -1)
    with pytest.raises(AvscError, match=name):
        read_all(Store.open(copy, complete=False))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)


def test_a_damaged_picture_is_named_by_clip_and_second(copy: Path) -> None:
    store = Store.open(copy)
    before = sum(len(store.jpeg(4, second)) for second in range(7))
    flip(copy / "image/jpeg/c.1.0", before + 10)
    damaged = Store.open(copy)
    with pytest.raises(AvscError, match=rf"c\.1\.0: .*{store.clips[4].id}, second 7"):
        damaged.jpeg(4, 7)
    assert damaged.jpeg(4, 6) == store.jpeg(4, 6)


@pytest.mark.parametrize("name", SHARDS)
def test_a_shard_cut_short_is_named(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    for length in (0, 3, len(data) - 1):
        (copy / name).write_bytes(data[:length])
        with pytest.raises(AvscError, match=name):
            Store.open(copy)
        with pytest.raises(AvscError, match=name):
            read_all(Store.open(copy, complete=False))


def test_a_flipped_bit_in_the_list_of_clips_is_refused(copy: Path) -> None:
    flip(copy / "clips.csv", 60)
    with pytest.raises(AvscError, match=r"clips\.csv"):
        Store.open(copy)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (schema.IMAGE_OFFSET, [[1 << 62] * 10] * 4),
        (schema.IMAGE_OFFSET, [[-5] * 10] * 4),
        (schema.IMAGE_LENGTH, [[2**31 - 1] * 10] * 4),
        (schema.IMAGE_LENGTH, [[-1] * 10] * 4),
        (schema.IMAGE_LENGTH, [[0] * 10] * 4),
    ],
)
def test_a_strangers_offsets_never_reach_beyond_the_shard(
    copy: Path, table: str, values: list[list[int]]
) -> None:
    spec = next(spec for spec in schema.array_specs(N, SETTINGS) if spec.name == table)
    data = np.array(values, spec.dtype).tobytes()
    (copy / spec.shard_name(0)).write_bytes(shard.encode([data], checksummed=True))
    with pytest.raises(AvscError, match="image/"):
        Store.open(copy, complete=False).jpeg(0, 0)


def test_a_strangers_huge_settings_never_drive_an_allocation(copy: Path) -> None:
    huge = SETTINGS.model_copy(update={"partition_clips": 4096, "clip_seconds": 3600})
    there = metadata.parse_store((copy / "zarr.json").read_bytes(), "")
    document = metadata.store_document(there.model_copy(update={"settings": huge}))
    (copy / "zarr.json").write_bytes(metadata.render(document))
    for spec in schema.array_specs(N, huge):
        document = metadata.array_document(spec)
        (copy / spec.name / "zarr.json").write_text(json.dumps(document))
    status = next(iter(reversed(schema.array_specs(N, huge))))
    data = shard.encode([bytes([1] * 4096)], checksummed=True)
    (copy / status.shard_name(0)).write_bytes(data)
    store = Store.open(copy, complete=False)
    for read in (lambda: store.audio("fbank", range(N)), lambda: store.jpeg(0, 0)):
        with pytest.raises(AvscError, match=r"c\.0"):
            read()


def test_an_array_of_another_shape_is_refused(copy: Path) -> None:
    file = copy / schema.IMAGE_PTS_S / "zarr.json"
    file.write_text(file.read_text().replace("float64", "float32"))
    with pytest.raises(AvscError, match=r"image/pts_s.*float32"):
        Store.open(copy, complete=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"zarr_format": 3, "node_type": "array"}'])
def test_metadata_that_are_none_are_named(copy: Path, text: str) -> None:
    (copy / schema.IMAGE_PTS_S / "zarr.json").write_text(text)
    with pytest.raises(AvscError, match="image/pts_s"):
        Store.open(copy, complete=False)


def test_more_partitions_than_may_be_mapped_at_once_are_read(
    tmp_path: Path, make_store: "MakeStore", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avsc.store.reader.MAPS", 2)
    path = make_store(tmp_path / "s", 6, clip_seconds=1, partition_clips=1, features=("fbank",))
    store = Store.open(path)
    held = [store.jpeg(row, 0) for row in (*range(6), *range(6))]
    assert [bytes(a) for a in held[:6]] == [bytes(a) for a in held[6:]]


def test_a_store_with_more_bad_clips_than_accepted_names_them(
    make_store: "MakeStore", tmp_path: Path
) -> None:
    path = make_store(tmp_path / "x", 12, quarantined=[2, 7], complete=False)
    clips = Store.open(path, complete=False).clips
    with pytest.raises(AvscError) as caught:
        Store.open(path)
    assert all(f"{clips[row].id}: made bad by the test" in caught.value.got for row in (2, 7))
    assert "--max-bad 2" in caught.value.remedy
