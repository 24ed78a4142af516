from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from avsc.data import image_cache, image_source
from avsc.data.image_source import Item, StoredImages
from avsc.data.training import training_stream
from avsc.errors import AvscError
from avsc.recipe import load
from avsc.store.read import Store

Asked = Literal["auto", "device", "host", "none"]

GB = 10**9
FOLD = 77_800 * 640 * 360 * 3  # bytes: the training images that are not held out


@pytest.mark.parametrize(
    ("requested", "device_room", "host_room", "kind"),
    [
        ("auto", 120 * GB, 500 * GB, "device"),
        ("auto", 40 * GB, 500 * GB, "host"),
        ("auto", 40 * GB, 20 * GB, "none"),
        ("auto", None, 500 * GB, "host"),
        ("auto", -5 * GB, -5 * GB, "none"),
        ("device", 120 * GB, 0, "device"),
        ("device", None, 500 * GB, "device"),
        ("host", 120 * GB, 500 * GB, "host"),
        ("none", 120 * GB, 500 * GB, "none"),
    ],
)
def test_the_fold_is_kept_where_it_fits_nearest_to_the_device(
    requested: Asked, device_room: int | None, host_room: int, kind: str
) -> None:
    chosen, line = image_cache.choose(requested, FOLD, device_room, host_room)
    assert chosen == kind
    assert "53.8 GB decoded" in line
    assert f"image cache: {kind}" in line


@pytest.mark.parametrize(
    ("requested", "room"), [("device", 40 * GB), ("device", None), ("host", 0)]
)
def test_a_cache_that_does_not_fit_is_refused_with_the_budget(
    requested: Asked, room: int | None
) -> None:
    with pytest.raises(AvscError, match=r"53\.8 GB decoded, room for .* on the host"):
        image_cache.choose(requested, FOLD, room, 20 * GB)


def test_the_cgroups_limit_bounds_the_hosts_room(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100000000 kB\nMemAvailable:   50000000 kB\n")
    empty, limited, unlimited = tmp_path / "no", tmp_path / "v2", tmp_path / "max"
    for folder, most in ((limited, str(20 * GB)), (unlimited, "max")):
        folder.mkdir()
        (folder / "memory.max").write_text(most + "\n")
        (folder / "memory.current").write_text(f"{8 * GB}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {2 * GB}\n")
    free = 50_000_000 * 1024
    assert image_cache.host_room(meminfo, empty) == free - image_cache.HOST_RESERVE
    assert image_cache.host_room(meminfo, unlimited) == free - image_cache.HOST_RESERVE
    # Cached files count as used there and give way when memory is wanted.
    assert image_cache.host_room(meminfo, limited) == (20 - 8 + 2) * GB - image_cache.HOST_RESERVE


def test_ranks_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = image_cache.host_room()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert image_cache.host_room() == pytest.approx(alone / 4, rel=0.2)


def test_loading_keeps_every_image_bit_for_bit(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    source = StoredImages(store, np.array([3, 1]))
    sizes = image_cache.measure(source, 2, 10, threads=2)
    assert image_cache.decoded_bytes(sizes) == 20 * 48 * 64 * 3
    kept = image_cache.load(source, sizes, None, threads=2)
    for clip in range(2):
        for second in range(10):
            expected = image_source.decoded(source, clip, second, source.fetch(clip, second))
            np.testing.assert_array_equal(kept.fetch(clip, second), expected)


@pytest.mark.parametrize("kept", ["host", "device"])
def test_an_image_that_cannot_be_decoded_is_named_while_loading(
    make_store: Callable[..., Path], tmp_path: Path, kept: str
) -> None:
    class Cut(StoredImages):
        def fetch(self, clip: int, second: int) -> Item:
            item = bytes(super().fetch(clip, second))
            return item[: len(item) // 2] if (clip, second) == (1, 7) else item

    store = Store.open(make_store(tmp_path / "store", 4))
    source = Cut(store, np.array([3, 1]))
    sizes = image_cache.measure(source, 2, 10, threads=2)
    with pytest.raises(AvscError, match=f"clip {store.clips[1].id}, second 7"):
        image_cache.load(source, sizes, None if kept == "host" else torch.device("cpu"), threads=2)


def test_the_choice_and_its_budget_are_said(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    rows = np.arange(4)
    said: list[str] = []
    for asked in ("auto", "none"):
        recipe = load(None, [f"train.cache={asked}"])
        training_stream(store, rows, rows, recipe, audio=None, image_size=32, say=said.append)
    assert len(said) == 1
    assert said[0].startswith("image cache: host (368.6 kB decoded, room for ")


@pytest.mark.parametrize(("deterministic", "kind"), [("false", "device"), ("true", "host")])
def test_free_memory_does_not_decide_between_roundings_in_a_deterministic_run(
    make_store: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deterministic: str,
    kind: str,
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    rows = np.arange(4)
    monkeypatch.setattr(image_cache, "device_room", lambda _: 100 * GB)
    recipe = load(None, [f"train.deterministic={deterministic}"])
    said: list[str] = []
    training_stream(store, rows, rows, recipe, audio=None, image_size=32, say=said.append)
    assert said[0].startswith(f"image cache: {kind}")
