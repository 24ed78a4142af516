import multiprocessing
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from avsc.errors import AvscError, BadClipError
from avsc.store import schema
from avsc.store.create import open_for_writing
from avsc.store.finalize import unfinished
from avsc.store.reader import Store
from avsc.store.schema import Feature, ImageSettings, StoreSettings
from avsc.store.writer import ClipData, write_partition

if TYPE_CHECKING:
    from tests.conftest import MakeClipData, MakeClips, MakeStore

SIZE = (24, 32)
SETTINGS = StoreSettings(features=("fbank",), partition_clips=3, image=ImageSettings(short_side=24))


def contents(store: Path) -> dict[str, bytes]:
    found = sorted(file for file in store.rglob("*") if file.is_file())
    return {str(file.relative_to(store)): file.read_bytes() for file in found}


@pytest.fixture
def empty(tmp_path: Path, make_clips: "MakeClips") -> Path:
    open_for_writing(tmp_path / "store", make_clips(5), SETTINGS)
    return tmp_path / "store"


def fill(store: Path, partition: int, make_clip_data: "MakeClipData") -> None:
    with write_partition(store, 5, SETTINGS, partition) as writer:
        for row in schema.partition_range(partition, 5, SETTINGS):
            writer.add(row, make_clip_data(SETTINGS, SIZE, (1, row)))


def test_the_same_clips_give_the_same_bytes_in_any_order_of_partitions(
    tmp_path: Path, make_clips: "MakeClips", make_clip_data: "MakeClipData"
) -> None:
    for name, order in (("a", (0, 1)), ("b", (1, 0, 1))):
        open_for_writing(tmp_path / name, make_clips(5), SETTINGS)
        for partition in order:
            fill(tmp_path / name, partition, make_clip_data)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def interrupted(store: Path, clip: ClipData) -> None:
    with write_partition(store, 5, SETTINGS, 0) as writer:
        writer.add(0, clip)
        raise KeyboardInterrupt


def test_a_partition_left_by_an_exception_leaves_nothing(
    empty: Path, make_clip_data: "MakeClipData"
) -> None:
    before = contents(empty)
    clip = make_clip_data(SETTINGS, SIZE, (1, 0))
    with pytest.raises(KeyboardInterrupt):
        interrupted(empty, clip)
    assert contents(empty) == before


def test_a_row_left_out_is_refused(empty: Path, make_clip_data: "MakeClipData") -> None:
    before = contents(empty)
    with pytest.raises(AssertionError), write_partition(empty, 5, SETTINGS, 0) as writer:
        writer.add(0, make_clip_data(SETTINGS, SIZE, (1, 0)))
    assert contents(empty) == before


def test_a_clip_that_cannot_be_stored_may_be_quarantined_instead(
    empty: Path, make_clip_data: "MakeClipData"
) -> None:
    good = make_clip_data(SETTINGS, SIZE, (1, 0))
    not_finite: dict[Feature, NDArray[np.float32]] = {
        "fbank": np.full_like(good.audio["fbank"], np.nan)
    }
    for bad, expected in (
        (replace(good, audio=not_finite), "not finite"),
        (replace(good, segments={"fbank": good.segments["fbank"][:9]}), "shape"),
        (replace(good, jpegs=good.jpegs[:9]), "9 pictures"),
        (replace(good, jpegs=[*good.jpegs[:9], b""]), "pictures"),
        (replace(good, pts_s=[0.5]), "1 times"),
        (replace(good, jpegs=[bytes(1 << 20)] * 10), "capacity"),
    ):
        with write_partition(empty, 5, SETTINGS, 0) as writer:
            with pytest.raises(BadClipError, match=expected):
                writer.add(0, bad)
            writer.quarantine(0, expected)
            writer.add(1, good)
            writer.add(2, good)
        store = Store.open(empty, complete=False)
        assert store.status().tolist() == [2, 1, 1, 0, 0]
        assert store.reasons() == {store.clips[0].id: expected}
        assert bytes(store.jpeg(2, 9)) == good.jpegs[9]
        assert np.array_equal(store.audio("fbank", [1])[0], good.audio["fbank"])


def test_a_partition_may_be_quarantined_whole(empty: Path) -> None:
    with write_partition(empty, 5, SETTINGS, 1) as writer:
        writer.quarantine(3, "no picture")
        writer.quarantine(4, "no sound")
    store = Store.open(empty, complete=False)
    assert store.status().tolist() == [0, 0, 0, 2, 2]
    assert list(store.reasons().values()) == ["no picture", "no sound"]
    assert list(unfinished(empty)) == [0]


def test_partitions_of_one_clip_and_one_second_work(
    tmp_path: Path, make_store: "MakeStore"
) -> None:
    path = make_store(tmp_path / "s", 3, clip_seconds=1, partition_clips=1, features=("fbank",))
    store = Store.open(path)
    assert store.audio("fbank", [2, 0]).shape == (2, 3, 2, 256)
    assert bytes(store.jpeg(2, 0)[:2]) == b"\xff\xd8"


def _write_under_limit(store: Path, clip: ClipData, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with write_partition(store, 5, SETTINGS, 0) as writer:
        for row in range(3):
            writer.add(row, clip)


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_a_full_disk_is_said_and_leaves_no_partial_shard(
    empty: Path, make_clip_data: "MakeClipData", limit: int
) -> None:
    before = contents(empty)
    clip = make_clip_data(SETTINGS, SIZE, (1, 0))
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(AvscError) as caught,
    ):
        pool.apply(_write_under_limit, (empty, clip, limit))
    assert str(empty) in caught.value.got
    assert "space" in caught.value.remedy
    left = contents(empty)
    # A shard moved before the disk was full is whole; the partition is absent all the same.
    assert {name: left[name] for name in before} == before
    assert not any(".partial-" in name for name in left)
    assert 0 in unfinished(empty)


def _write_and_die(store: Path, clip: ClipData, calls: int) -> None:
    real, left = os.fsync, [calls]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    with write_partition(store, 5, SETTINGS, 0) as writer:
        for row in range(3):
            writer.add(row, clip)


def test_a_writer_killed_at_any_sync_leaves_the_partition_absent_or_whole(
    empty: Path, make_clip_data: "MakeClipData"
) -> None:
    # Every file is synced, moved, and its folder synced: so this kills between any two moves.
    clip = make_clip_data(SETTINGS, SIZE, (1, 0))
    context = multiprocessing.get_context("fork")
    died = 0
    for number in range(1, 100):
        process = context.Process(target=_write_and_die, args=(empty, clip, number))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        died += 1
        assert process.exitcode == -signal.SIGKILL
        status = Store.open(empty, complete=False).status().tolist()
        is_absent = status == [0] * 5
        assert is_absent == (0 in unfinished(empty))
        assert is_absent or status == [1, 1, 1, 0, 0]
    assert died > 10
    assert not [name for name in contents(empty) if ".partial-" in name]
    store = Store.open(empty, complete=False)
    assert np.array_equal(store.audio("fbank", [2])[0], clip.audio["fbank"])
    assert list(unfinished(empty)) == [1]


def test_a_partition_stands_until_it_has_been_written_anew(
    empty: Path, make_clip_data: "MakeClipData"
) -> None:
    fill(empty, 0, make_clip_data)
    first = contents(empty)
    with pytest.raises(KeyboardInterrupt):
        interrupted(empty, make_clip_data(SETTINGS, SIZE, (9, 0)))
    assert contents(empty) == first
    fill(empty, 0, make_clip_data)
    assert contents(empty) == first


def test_a_store_that_cannot_be_written_to_is_not_called_full(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with (
        pytest.raises(AvscError) as caught,
        write_partition(tmp_path / "store", 5, SETTINGS, 0),
    ):
        pass
    assert str(tmp_path / "store") in caught.value.got
    assert "space" not in caught.value.remedy
