import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from avsc.errors import AvscError
from avsc.store.finalize import mark_complete, mark_incomplete, unfinished
from avsc.store.reader import Store
from avsc.store.writer import write_partition

if TYPE_CHECKING:
    from tests.conftest import MakeClipData, MakeStore


@pytest.fixture
def store(tmp_path: Path, make_store: "MakeStore") -> Path:
    return make_store(tmp_path / "s", 10, clip_seconds=1, partition_clips=3, complete=False)


def test_a_whole_store_is_marked_and_its_content_named(store: Path) -> None:
    assert unfinished(store) == {}
    content = mark_complete(store)
    opened = Store.open(store)
    assert opened.is_complete
    assert opened.content_sha256 == content
    before = (store / "zarr.json").stat().st_mtime_ns
    assert mark_complete(store) == content
    assert (store / "zarr.json").stat().st_mtime_ns == before


def test_the_last_step_names_the_partitions_that_are_missing(store: Path) -> None:
    (store / "clip/status/c.2").unlink()
    (store / "image/jpeg/c.1.0").unlink()
    assert list(unfinished(store)) == [1, 2]
    with pytest.raises(AvscError, match=r"2 of 4 .*jpeg/c\.1\.0"):
        mark_complete(store)
    assert not Store.open(store, complete=False).is_complete


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("partitions/000001.json", "{}", "altered or damaged"),
        ("partitions/000001.json", "[" * 100_000, "altered or damaged"),
        ("clip/status/c.1", "x" * 27, "is damaged"),
        ("clip/status/c.1", "x", "has 1 bytes, expected 27"),
        ("audio/fbank/c.1.0.0.0", "x", "has 1 bytes, expected"),
    ],
)
def test_a_damaged_partition_counts_as_unfinished(
    store: Path, name: str, text: str, expected: str
) -> None:
    (store / name).write_text(text)
    found = unfinished(store)
    assert list(found) == [1]
    assert expected in found[1]


def test_the_record_of_another_partition_is_not_taken(store: Path) -> None:
    shutil.copy(store / "partitions/000000.json", store / "partitions/000001.json")
    assert "record of partition 0" in unfinished(store)[1]


def test_a_partition_made_anew_is_whole_again(store: Path, make_clip_data: "MakeClipData") -> None:
    content = mark_complete(store)
    (store / "partitions/000003.json").unlink()
    assert list(unfinished(store)) == [3]
    mark_incomplete(store)
    opened = Store.open(store, complete=False)
    with write_partition(store, 10, opened.settings, 3) as writer:
        writer.add(9, make_clip_data(opened.settings, (48, 64), (0, 9)))
    assert mark_complete(store) == content


def test_content_that_differs_is_named_otherwise(
    store: Path, make_clip_data: "MakeClipData"
) -> None:
    content = mark_complete(store)
    settings = Store.open(store).settings
    mark_incomplete(store)
    with write_partition(store, 10, settings, 3) as writer:
        writer.quarantine(9, "gone")
    assert mark_complete(store) != content
