import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare import clip
from avsc.prepare.run import finalise, prepare
from avsc.store.finalize import mark_incomplete, unfinished
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, Status, StoreSettings
from avsc.store.verify import verify
from avsc.store.writer import ClipData

FilesOf = Callable[[Path], dict[str, bytes]]
MakeDataset = Callable[..., Path]
BeforeEachClip = Callable[[Callable[[str], None]], None]


def test_a_store_holds_every_clip_and_verifies(
    prepared: Path, dataset: Path, ids: list[str]
) -> None:
    store = Store.open(prepared)
    assert [clip.id for clip in store.clips] == ids
    assert (store.status() == Status.GOOD).all()
    assert store.audio("scalogram", range(10)).shape == (10, 56, 2, 290)
    assert (np.abs(store.pts_s(range(10)) - np.arange(10) - 0.5) < 0.26).all()
    assert {clip.fold for clip in store.clips} == {"train", "test"}
    assert not verify(prepared)
    assert (dataset / store.clips[0].audio).exists()


def test_parts_write_the_same_bytes_as_one_run(
    prepared: Path, dataset: Path, settings: StoreSettings, tmp_path: Path, files_of: FilesOf
) -> None:
    for index in (2, 3, 1):
        summary = prepare(dataset, tmp_path / "parts", settings, part=Part(index, 3))
        assert summary.complete == (index == 1)  # the last finds everything done
    assert files_of(tmp_path / "parts") == files_of(prepared)


def test_finalise_names_what_is_missing_and_then_marks_it_complete(
    dataset: Path, settings: StoreSettings, tmp_path: Path, prepared: Path, files_of: FilesOf
) -> None:
    store = tmp_path / "store"
    prepare(dataset, store, settings, part=Part(1, 2))
    with pytest.raises(AvscError) as caught:
        finalise(store)
    assert "2 of 4 partitions: 1 (not written), 3 (not written)" in caught.value.got
    prepare(dataset, store, settings, part=Part(2, 2))
    # As when the other part was killed between its last partition and the last step.
    mark_incomplete(store)
    with pytest.raises(AvscError):
        Store.open(store)
    assert finalise(store).complete
    assert files_of(store) == files_of(prepared)


@pytest.fixture
def before_each_clip(monkeypatch: pytest.MonkeyPatch) -> BeforeEachClip:
    """Calls a function of the test's before each clip is read in this process."""
    honest = clip.read_clip

    def install(call: Callable[[str], None]) -> None:
        def read_clip(dataset: Path, stored: StoredClip, settings: StoreSettings) -> ClipData:
            call(stored.id)
            return honest(dataset, stored, settings)

        monkeypatch.setattr(clip, "read_clip", read_clip)

    return install


def test_running_again_does_nothing(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    files_of: FilesOf,
    before_each_clip: BeforeEachClip,
) -> None:
    before = files_of(prepared)
    read: list[str] = []
    before_each_clip(read.append)
    summary = prepare(dataset, prepared, settings)
    assert (summary.prepared, summary.complete, read) == (0, True, [])
    assert files_of(prepared) == before


def test_what_was_prepared_before_a_stop_is_not_prepared_again(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    prepared: Path,
    files_of: FilesOf,
    before_each_clip: BeforeEachClip,
) -> None:
    store = tmp_path / "store"
    read: list[str] = []

    def stop_late(clip: str) -> None:
        read.append(clip)
        if len(read) == 8:
            raise KeyboardInterrupt

    before_each_clip(stop_late)
    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, store, settings)
    assert sorted(unfinished(store)) == [2, 3]
    assert not list(store.rglob(".p*"))  # it unwound
    read.clear()
    summary = prepare(dataset, store, settings)
    assert (summary.prepared, len(read)) == (4, 4)
    assert files_of(store) == files_of(prepared)


@pytest.mark.parametrize("array", ["image/jpeg", "audio/fbank", "clip/status"])
def test_a_deleted_shard_is_made_anew_with_its_partition_alone(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    array: str,
    files_of: FilesOf,
) -> None:
    store = tmp_path / "store"
    shutil.copytree(prepared, store)
    next((store / array).glob("c.1*")).unlink()
    assert prepare(dataset, store, settings).prepared == 3
    assert files_of(store) == files_of(prepared)


def test_other_settings_on_an_existing_store_are_refused_and_the_difference_shown(
    prepared: Path, dataset: Path, settings: StoreSettings, files_of: FilesOf
) -> None:
    before = files_of(prepared)
    other = settings.model_copy(
        update={"features": ("fbank",), "image": ImageSettings(short_side=48)}
    )
    with pytest.raises(AvscError) as caught:
        prepare(dataset, prepared, other)
    message = str(caught.value)
    assert "features: the store has ('scalogram', 'fbank'), asked for ('fbank',)" in message
    assert "image.short_side: the store has 32, asked for 48" in message
    assert files_of(prepared) == before


def test_another_data_set_on_an_existing_store_is_refused(
    prepared: Path, make_dataset: MakeDataset, settings: StoreSettings
) -> None:
    with pytest.raises(AvscError) as caught:
        prepare(make_dataset(11), prepared, settings)
    assert "airport-lyon-1000-10" in caught.value.got


def test_a_folder_that_is_no_store_is_left_alone(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path, settings)
    assert str(tmp_path) in caught.value.got
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_prepare_does_nothing_while_one_is_at_work(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    prepared: Path,
    files_of: FilesOf,
    before_each_clip: BeforeEachClip,
) -> None:
    store = tmp_path / "store"
    refused: list[AvscError] = []

    def rival(clip: str) -> None:
        if not refused:
            with pytest.raises(AvscError) as caught:
                prepare(dataset, store, settings)
            refused.append(caught.value)

    before_each_clip(rival)
    prepare(dataset, store, settings)
    assert f"process {os.getpid()}" in refused[0].got
    assert files_of(store) == files_of(prepared)


def test_what_a_killed_run_left_half_written_is_removed(
    prepared: Path, dataset: Path, settings: StoreSettings, tmp_path: Path, files_of: FilesOf
) -> None:
    store = tmp_path / "store"
    shutil.copytree(prepared, store)
    next((store / "clip/status").glob("c.1*")).unlink()
    for name in ("audio/fbank/.partial-c.1.0.0.0-abc", "partitions/.partial-000001.json-abc"):
        (store / name).write_bytes(b"half")
    (tmp_path / ".partial-store-abc").mkdir()
    prepare(dataset, store, settings)
    assert files_of(store) == files_of(prepared)
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


def test_a_part_leaves_what_another_is_writing(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    prepare(dataset, store, settings, part=Part(1, 2))
    others = store / "audio/fbank/.partial-c.1.0.0.0-abc"
    own = store / "audio/fbank/.partial-c.2.0.0.0-abc"
    others.write_bytes(b"being written")
    own.write_bytes(b"left behind")
    next((store / "clip/status").glob("c.2*")).unlink()
    prepare(dataset, store, settings, part=Part(1, 2))
    assert others.exists()
    assert not own.exists()


@pytest.mark.parametrize("is_synthetic", [True, False])
def test_a_store_of_synthetic_clips_knows_it(
    dataset: Path, settings: StoreSettings, tmp_path: Path, is_synthetic: bool
) -> None:
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    if is_synthetic:
        (root / "SYNTHETIC.txt").write_text("made by avsc synth")
    prepare(root, tmp_path / "store", settings)
    assert Store.open(tmp_path / "store").is_synthetic == is_synthetic
    assert not verify(tmp_path / "store")


def test_a_disk_too_small_is_said_before_any_work(
    dataset: Path, settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings)
    assert "1.0 kB free" in caught.value.got
    assert len(unfinished(tmp_path / "store")) == 4
    monkeypatch.undo()
    assert prepare(dataset, tmp_path / "store", settings).complete
