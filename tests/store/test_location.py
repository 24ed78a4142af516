"""Stores at addresses, here in fsspec's ``memory://``."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from avsc.errors import AvscError
from avsc.store.finalize import unfinished
from avsc.store.location import locate
from avsc.store.reader import Store
from avsc.store.unreachable import UnreachableStoreError
from avsc.store.verify import verify

ADDRESS = "memory://bucket/x.zarr"
MakeStore = Callable[..., Path]


@pytest.fixture
def remote(make_store: MakeStore) -> Iterator[str]:
    """A small store in memory, of which one clip is quarantined."""
    make_store(ADDRESS, 12, quarantined=[5])
    yield ADDRESS
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize(
    ("given", "place", "is_folder"),
    [
        ("s3://bucket/x.zarr/", "s3://bucket/x.zarr", False),
        (Path("s3://bucket/x.zarr"), "s3://bucket/x.zarr", False),  # which has one slash
        (Path("memory://x.zarr"), "memory://x.zarr", False),
        ("simplecache::s3://bucket/x.zarr", "simplecache::s3://bucket/x.zarr", False),
        ("nosuch://x", "nosuch://x", False),
        ("data/x.zarr", "data/x.zarr", True),
        ("12:30/x.zarr", "12:30/x.zarr", True),
        ("run:/x.zarr", "run:/x.zarr", True),  # no protocol of that name
        (Path("./s3:/x"), "s3://x", False),
        ("./s3:/x", "./s3:/x", True),
        ("file:///data/x.zarr", "file:///data/x.zarr", True),
    ],
)
def test_an_address_and_a_folder_are_told_apart(
    given: Path | str, place: str, is_folder: bool
) -> None:
    location = locate(given)
    assert (location.place, location.folder is not None) == (place, is_folder)
    assert pickle.loads(pickle.dumps(location)) == location


def test_a_file_address_is_its_folder(make_store: MakeStore, tmp_path: Path) -> None:
    make_store(tmp_path / "x.zarr")
    store = Store.open(f"file://{tmp_path}/x.zarr")
    assert store.place == f"file://{tmp_path}/x.zarr"
    assert len(store.jpeg(0, 0))


def test_a_remote_store_reads_as_the_one_on_disk(
    remote: str, make_store: MakeStore, tmp_path: Path
) -> None:
    disk = Store.open(make_store(tmp_path / "x.zarr", 12, quarantined=[5]))
    there = Store.open(remote)
    assert there.place == remote
    assert there.content_sha256 == disk.content_sha256
    assert there.reasons() == disk.reasons()
    np.testing.assert_array_equal(there.audio("fbank", [0, 7]), disk.audio("fbank", [0, 7]))
    assert bytes(there.jpeg(7, 3)) == bytes(disk.jpeg(7, 3))
    assert not verify(remote)


def test_the_same_files_are_at_an_address_as_on_disk(
    remote: str, make_store: MakeStore, tmp_path: Path
) -> None:
    make_store(tmp_path / "x.zarr", 12, quarantined=[5])
    disk = locate(tmp_path / "x.zarr")
    assert {name: locate(remote).read(name) for name in locate(remote).listing()} == {
        name: disk.read(name) for name in disk.listing()
    }


def test_damage_at_an_address_is_named_as_the_user_names_it(remote: str) -> None:
    location = locate(remote)
    shard = "audio/fbank/c.1.0.0.0"
    location.write(shard, location.read(shard)[:-1] + b"x")
    (damage,) = verify(remote)
    assert damage.file == f"{remote}/{shard}"
    with pytest.raises(AvscError) as caught:
        Store.open(remote).audio("fbank", [4])
    assert f"{remote}/{shard}" in caught.value.got
    assert not isinstance(caught.value, UnreachableStoreError)
    location.remove(shard)
    assert list(unfinished(remote)) == [1]
    with pytest.raises(AvscError) as caught:
        Store.open(remote, complete=False).audio("fbank", [4])
    assert f"{remote}/{shard}" in caught.value.got


def test_an_outage_is_no_damage(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(remote)

    def down(*_: Any, **__: Any) -> None:
        raise ConnectionError("the bucket is down")

    for name in ("cat_file", "info", "open", "_open", "find", "pipe_file"):
        monkeypatch.setattr(MemoryFileSystem, name, down)
    asked: list[Callable[[], Any]] = [
        lambda: store.jpeg(0, 0),
        lambda: store.audio("fbank", [0]),
        store.reasons,
        lambda: unfinished(remote),
        lambda: verify(remote),
        lambda: Store.open(remote),
    ]
    for ask in asked:
        with pytest.raises(UnreachableStoreError) as caught:
            ask()
        assert "the bucket is down" in caught.value.got
        assert "delete" not in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (PermissionError("Access Denied"), "AWS_PROFILE"),
        (ConnectionError("no route"), "network"),
        (ImportError("Install s3fs to access S3"), "Install s3fs"),
        (NotImplementedError("read only"), "folder or a bucket"),
    ],
)
def test_each_fault_of_a_place_has_its_own_advice(
    remote: str, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    with pytest.raises(UnreachableStoreError) as caught:
        locate(remote).read("zarr.json")
    assert str(error) in caught.value.got
    assert word in caught.value.remedy


def test_a_file_that_fails_half_way_is_not_there(remote: str) -> None:
    location = locate(remote)
    with pytest.raises(TypeError), location.open_aside("new") as file:
        file.write(b"half" + None)  # type: ignore[operator]
    assert not location.has("new")
