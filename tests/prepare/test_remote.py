"""Prepare into a store at an address, here in fsspec's ``memory://``."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare import clip, dry_run, lock
from avsc.prepare.lock import hold
from avsc.prepare.run import finalise, prepare
from avsc.store.finalize import unfinished
from avsc.store.location import locate
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.unreachable import UnreachableStoreError

ADDRESS = "memory://bucket/x.zarr"
FilesOf = Callable[[Path], dict[str, bytes]]


@pytest.fixture(autouse=True)
def bucket() -> Iterator[None]:
    yield
    MemoryFileSystem.store.clear()


def contents() -> dict[str, bytes]:
    location = locate(ADDRESS)
    return {name: location.read(name) for name in location.listing()}


def test_a_prepare_at_an_address_writes_the_same_bytes(
    dataset: Path, settings: StoreSettings, prepared: Path, files_of: FilesOf
) -> None:
    assert "(new)" in dry_run.describe(dataset, ADDRESS, settings)
    assert not contents()
    assert prepare(dataset, ADDRESS, settings).complete
    assert contents() == files_of(prepared)
    assert prepare(dataset, Path(ADDRESS), settings).prepared == 0


def test_parts_at_an_address_are_marked_complete_at_the_end(
    dataset: Path, settings: StoreSettings, prepared: Path, files_of: FilesOf
) -> None:
    first = prepare(dataset, ADDRESS, settings, part=Part(1, 2))
    assert not first.complete
    with pytest.raises(AvscError):
        finalise(ADDRESS)
    prepare(dataset, ADDRESS, settings, part=Part(2, 2))
    assert finalise(ADDRESS).complete
    assert contents() == files_of(prepared)


def test_a_prepare_that_stops_goes_on(
    dataset: Path,
    settings: StoreSettings,
    monkeypatch: pytest.MonkeyPatch,
    prepared: Path,
    files_of: FilesOf,
) -> None:
    honest, asked = clip.read_clip, []

    def stopping(*words: Any) -> Any:
        asked.append(words)
        if len(asked) == 5:
            raise KeyboardInterrupt
        return honest(*words)

    monkeypatch.setattr(clip, "read_clip", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, ADDRESS, settings)
    assert sorted(unfinished(ADDRESS)) == [1, 2, 3]
    with pytest.raises(AvscError) as caught:
        Store.open(ADDRESS)
    assert ADDRESS in caught.value.got
    assert prepare(dataset, ADDRESS, settings).prepared == 7
    assert contents() == files_of(prepared)


def test_other_settings_and_foreign_files_are_refused(
    dataset: Path, settings: StoreSettings
) -> None:
    locate(ADDRESS).write("holiday.jpg", b"mine")
    with pytest.raises(AvscError) as caught:
        prepare(dataset, ADDRESS, settings)
    assert ADDRESS in caught.value.got
    assert contents() == {"holiday.jpg": b"mine"}
    locate(ADDRESS).remove("holiday.jpg")
    prepare(dataset, ADDRESS, settings)
    with pytest.raises(AvscError):
        prepare(dataset, ADDRESS, settings.model_copy(update={"features": ("fbank",)}))


def test_an_outage_stops_the_work_and_quarantines_nothing(
    dataset: Path, settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MemoryFileSystem.put_file

    def failing(system: MemoryFileSystem, here: str, there: str, **words: Any) -> None:
        if "/c.2" in there:
            raise ConnectionError("the bucket is down")
        honest(system, here, there, **words)

    monkeypatch.setattr(MemoryFileSystem, "put_file", failing)
    with pytest.raises(UnreachableStoreError) as caught:
        prepare(dataset, ADDRESS, settings)
    assert "the bucket is down" in caught.value.got
    monkeypatch.undo()
    assert sorted(unfinished(ADDRESS)) == [2, 3]
    assert not Store.open(ADDRESS, complete=False).reasons()
    assert prepare(dataset, ADDRESS, settings).complete


def test_one_prepare_at_a_time_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LEASE_S", 3.0)
    with hold(ADDRESS, Part(1, 2)) as proof, hold(ADDRESS, Part(2, 2)):
        assert locate(ADDRESS).has(proof)
    assert not contents()
    entered, over = threading.Event(), threading.Event()

    def first() -> None:
        with hold(ADDRESS):
            entered.set()
            over.wait()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        entered.wait()
        with pytest.raises(AvscError) as caught, hold(ADDRESS, Part(1, 2)):
            pass
    finally:
        over.set()
        thread.join()
    assert ADDRESS in caught.value.got


@pytest.mark.parametrize("host", ["node17", ""])
def test_the_lock_of_one_that_was_killed_ends(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LEASE_S", 0.5)
    import json
    import socket

    dead = {
        "holder": "process 4",
        "host": host or socket.gethostname(),
        "pid": 2**22 + 1,
        "beat": 3,
    }
    locate(ADDRESS).write(".prepare-whole.txt", json.dumps(dead).encode())
    began_s = time.monotonic()
    with hold(ADDRESS):
        assert time.monotonic() - began_s < 5
