from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import psutil
import pytest
import torch

from avsc.data import image_cache, image_source
from avsc.data.image_source import Item, StoredImages
from avsc.data.split import Clips
from avsc.data.training_loader import training_loader
from avsc.errors import AvscError
from avsc.recipe import load
from avsc.store.reader import Store

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
    assert "53.8 GB" in line
    assert f"image cache: {kind}" in line


@pytest.mark.parametrize(
    ("requested", "room"), [("device", 40 * GB), ("device", None), ("host", 0)]
)
def test_a_cache_that_does_not_fit_is_refused_with_the_budget(
    requested: Asked, room: int | None
) -> None:
    with pytest.raises(AvscError) as caught:
        image_cache.choose(requested, FOLD, room, 20 * GB)
    for fact in (requested, "53.8 GB", "20.0 GB"):
        assert fact in caught.value.got


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limited", ["own", "parent", "mount", "none"])
def test_a_batch_systems_limit_bounds_the_hosts_room(
    version: int, limited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=50 * GB))
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    most, used, cached = names[version]
    (tmp_path / "cgroup").write_text(
        {1: "11:cpu,cpuacct:/other\n4:memory:/job_7/step_0\n", 2: "0::/job_7/step_0\n"}[version]
    )
    root = tmp_path / "mount" / ("memory" if version == 1 else "")
    for place in ("", "job_7", "job_7/step_0", "other_job"):
        (root / place).mkdir(parents=True, exist_ok=True)
        here = place == {"own": "job_7/step_0", "parent": "job_7", "mount": ""}.get(limited)
        unlimited = "max" if version == 2 else "9223372036854771712"
        (root / place / most).write_text(f"{20 * GB if here else unlimited}\n")
        (root / place / used).write_text(f"{8 * GB}\n")
        (root / place / "memory.stat").write_text(f"anon 5\n{cached} {2 * GB}\n")
    (root / "other_job" / most).write_text("1\n")
    # Cached files count as used there and give way when memory is wanted.
    room = 50 * GB if limited == "none" else (20 - 8 + 2) * GB
    found = image_cache.host_room(tmp_path / "mount", tmp_path)
    assert found == room - image_cache.HOST_RESERVE


def test_ranks_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=84 * GB))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert image_cache.host_room(Path("/absent"), Path("/absent")) == 20 * GB


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
    with pytest.raises(AvscError) as caught:
        image_cache.load(source, sizes, None if kept == "host" else torch.device("cpu"), threads=2)
    assert store.clips[1].id in caught.value.got
    assert "second 7" in caught.value.got


def test_the_choice_and_its_budget_are_said(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    rows = np.arange(4)
    said: list[str] = []
    for asked in ("auto", "none"):
        recipe = load(None, [f"train.cache={asked}"])
        training_loader(
            store, Clips(rows, rows), recipe, audio=None, image_size=32, say=said.append
        )
    assert len(said) == 1
    assert said[0].startswith("image cache: host (368.6 kB, room for ")


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
    training_loader(store, Clips(rows, rows), recipe, audio=None, image_size=32, say=said.append)
    assert said[0].startswith(f"image cache: {kind}")
