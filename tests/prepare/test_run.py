import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare.events import ClipBegun, Events, Job
from avsc.prepare.executors import synchronous, worker_processes
from avsc.prepare.run import finalise, prepare
from avsc.store.finish import unfinished
from avsc.store.read import Store
from avsc.store.schema import ImageSettings, Status, StoreSettings
from avsc.store.verify import verify

FilesOf = Callable[[Path], dict[str, bytes]]
MakeDataset = Callable[..., Path]


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


def test_worker_processes_and_parts_write_the_same_bytes_as_this_process(
    prepared: Path, dataset: Path, settings: StoreSettings, tmp_path: Path, files_of: FilesOf
) -> None:
    prepare(dataset, tmp_path / "processes", settings, worker_processes(2))
    for index in (2, 3, 1):
        summary = prepare(dataset, tmp_path / "parts", settings, part=Part(index, 3))
        assert summary.complete == (index == 1)  # the last finds everything done
    assert files_of(tmp_path / "processes") == files_of(prepared)
    assert files_of(tmp_path / "parts") == files_of(prepared)


def test_finalise_names_what_is_missing_and_then_marks_it_complete(
    dataset: Path, settings: StoreSettings, tmp_path: Path, prepared: Path, files_of: FilesOf
) -> None:
    store = tmp_path / "store"
    prepare(dataset, store, settings, part=Part(1, 2))
    with pytest.raises(AvscError, match=r"lacks 2 of 4 partitions: 1 \(not written\), 3"):
        finalise(store)
    # The other part, killed between its last partition and the last step.
    for _ in synchronous(Job(dataset, store), [1, 3]):
        pass
    with pytest.raises(AvscError, match="is incomplete"):
        Store.open(store)
    assert finalise(store).complete
    assert files_of(store) == files_of(prepared)


def test_running_again_does_nothing(
    prepared: Path, dataset: Path, settings: StoreSettings, files_of: FilesOf
) -> None:
    before = files_of(prepared)

    def refuse(job: Job, partitions: object) -> Events:
        raise AssertionError(partitions)

    summary = prepare(dataset, prepared, settings, refuse)
    assert (summary.prepared, summary.complete) == (0, True)
    assert files_of(prepared) == before


def test_what_was_prepared_before_a_stop_is_not_prepared_again(
    dataset: Path, settings: StoreSettings, tmp_path: Path, prepared: Path, files_of: FilesOf
) -> None:
    store = tmp_path / "store"
    begun: list[str] = []

    def stop_late(job: Job, partitions: object) -> Events:
        for event in synchronous(job, partitions):  # type: ignore[arg-type]
            if isinstance(event, ClipBegun):
                begun.append(event.clip)
                if len(begun) == 8:
                    raise KeyboardInterrupt
            yield event

    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, store, settings, stop_late)
    assert sorted(unfinished(store)) == [2, 3]
    assert not list(store.rglob(".partial-*"))  # it unwound
    begun.clear()
    summary = prepare(dataset, store, settings, stop_late)
    assert (summary.prepared, len(begun)) == (4, 4)
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
    with pytest.raises(AvscError, match="only asked for: 1 clips: airport-lyon-1000-10"):
        prepare(make_dataset(11), prepared, settings)


def test_a_folder_that_is_no_store_is_left_alone(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(AvscError, match="not a store"):
        prepare(dataset, tmp_path, settings)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_prepare_does_nothing_while_one_is_at_work(
    dataset: Path, settings: StoreSettings, tmp_path: Path, prepared: Path, files_of: FilesOf
) -> None:
    store = tmp_path / "store"
    refused: list[AvscError] = []

    def with_rival(job: Job, partitions: object) -> Events:
        for event in synchronous(job, partitions):  # type: ignore[arg-type]
            if not refused:
                with pytest.raises(AvscError, match="is being prepared by process") as caught:
                    prepare(dataset, store, settings)
                refused.append(caught.value)
            yield event

    prepare(dataset, store, settings, with_rival)
    assert refused
    assert files_of(store) == files_of(prepared)


def test_what_a_killed_run_left_half_written_is_swept(
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
