"""Threads of a loader: faults, interrupts, epochs that are left, bounded buffers."""

import _thread
import gc
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from avsc.data import triples
from avsc.data.image_source import Item, StoredImages
from avsc.data.loader import TripleLoader
from avsc.errors import AvscError
from avsc.store.reader import Store
from tests.conftest import MakeStore
from tests.data.small_loader import LABELS, ROWS, SIDE, assert_equal, loader_of


def our_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("avsc-images")]


@pytest.fixture(autouse=True)
def nobody_elses_threads() -> None:
    """What tests before these left to be collected is gone."""
    gc.collect()


@dataclass(frozen=True)
class Faulty:
    """Images of which one is not to be had."""

    good: StoredImages
    bad: tuple[int, int]
    how: str

    def fetch(self, clip: int, second: int) -> Item:
        item = self.good.fetch(clip, second)
        if (clip, second) != self.bad:
            return item
        if self.how == "raises":
            raise KeyError("from a thread")
        return bytes(item)[: len(item) // 2]

    def name(self, clip: int, second: int) -> str:
        return self.good.name(clip, second)


def faulty_loader(store: Store, how: str) -> TripleLoader:
    every = triples.training_triples(ROWS, LABELS, 56)
    source = Faulty(StoredImages(store, ROWS), (2, 4), how)
    views = triples.views(every, None)
    return TripleLoader(every, views, seed=0, batch_size=50, source=source, side=SIDE, threads=2)


def test_an_image_that_cannot_be_decoded_is_named_and_no_thread_is_left(store: Store) -> None:
    with pytest.raises(AvscError) as caught:
        list(faulty_loader(store, "is truncated").epoch(0))
    assert f"clip {store.clips[5].id}, second 4" in str(caught.value)
    assert our_threads() == []


def test_any_exception_of_a_thread_reaches_the_consumer(store: Store) -> None:
    with pytest.raises(KeyError, match="from a thread"):
        list(faulty_loader(store, "raises").epoch(0))
    assert our_threads() == []


def test_a_damaged_picture_of_the_store_is_named(make_store: MakeStore, tmp_path: Path) -> None:
    path = make_store(tmp_path / "store", 8)
    opened = Store.open(path)
    target = bytes(opened.jpeg(5, 4))
    for shard in (path / "image" / "jpeg").rglob("*"):
        if shard.is_file() and target in (data := shard.read_bytes()):
            place = data.index(target) + len(target) // 2
            shard.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
    with pytest.raises(AvscError) as caught:
        list(loader_of(Store.open(path)).epoch(0))
    assert opened.clips[5].id in str(caught.value)
    assert "second 4" in str(caught.value)


def consume_and_fail(loader: TripleLoader, error: type[BaseException]) -> None:
    with closing(loader):
        for _ in loader.epoch(0):
            raise error


@pytest.mark.parametrize("how", ["close", "break", "raise", "interrupt", "next epoch", "forget"])
def test_an_epoch_left_half_way_leaves_no_thread_and_the_loader_usable(
    store: Store, how: str
) -> None:
    loader = loader_of(store, "train.threads=3")
    whole = list(loader.epoch(1))
    batches = loader.epoch(0)
    next(batches)
    assert our_threads() != []
    if how in ("raise", "interrupt"):
        error = KeyboardInterrupt if how == "interrupt" else ValueError
        with pytest.raises(error):
            consume_and_fail(loader, error)
    elif how == "close":
        loader.close()
    elif how == "break":
        for _ in batches:
            break
        loader.close()
    elif how == "forget":
        del batches, loader
        until_s = time.monotonic() + 20
        while our_threads() and time.monotonic() < until_s:  # what is begun is done first
            gc.collect()
            time.sleep(0.02)
    if how == "next epoch":
        assert_equal(whole, list(loader.epoch(1)))
    assert our_threads() == []
    if how != "forget":
        assert_equal(whole, list(loader.epoch(1)))


def test_an_interrupt_while_waiting_ends_the_threads(store: Store) -> None:
    """The main thread waits for a slow image when the interrupt comes."""

    class Slow(StoredImages):
        def fetch(self, clip: int, second: int) -> Item:
            time.sleep(0.01)
            return super().fetch(clip, second)

    every = triples.training_triples(ROWS, LABELS, 56)
    loader = TripleLoader(
        every,
        triples.views(every, None),
        seed=0,
        batch_size=100,
        source=Slow(store, ROWS),
        side=SIDE,
        threads=2,
    )
    timer = threading.Timer(0.15, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(loader.epoch(0))
    timer.join()
    assert our_threads() == []


def test_buffers_are_bounded_however_slow_the_consumer(store: Store) -> None:
    fetched: list[int] = []

    class Counting(StoredImages):
        def fetch(self, clip: int, second: int) -> Item:
            fetched.append(clip)
            return super().fetch(clip, second)

    every = triples.training_triples(ROWS, LABELS, 56)
    views = triples.views(every, None)
    source = Counting(store, ROWS)
    loader = TripleLoader(every, views, seed=0, batch_size=10, source=source, side=SIDE, threads=2)
    next(loader.epoch(0))
    time.sleep(0.3)
    assert len(fetched) <= 40
    loader.close()
