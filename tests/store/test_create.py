import multiprocessing
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zarr

from avsc import files
from avsc.errors import AvscError
from avsc.store import create, schema
from avsc.store.create import open_for_writing
from avsc.store.finalize import unfinished
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, StoreSettings

if TYPE_CHECKING:
    from tests.conftest import MakeClips

SETTINGS = StoreSettings(partition_clips=4)


def test_a_new_store_is_a_zarr_group_in_which_nothing_is_written(
    tmp_path: Path, make_clips: "MakeClips"
) -> None:
    create.create(tmp_path / "store", make_clips(10), SETTINGS)
    store = Store.open(tmp_path / "store", complete=False)
    assert list(store.clips) == make_clips(10)
    assert store.settings == SETTINGS
    assert store.status().tolist() == [schema.Status.ABSENT] * 10
    assert list(unfinished(tmp_path / "store")) == [0, 1, 2]
    group: Any = zarr.open_group(tmp_path / "store", mode="r")
    for spec in schema.array_specs(10, SETTINGS):
        assert group[spec.name].shape == spec.shape
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_folder_that_others_may_read_is_made(tmp_path: Path, make_clips: "MakeClips") -> None:
    create.create(tmp_path / "store", make_clips(1), SETTINGS)
    usual = tmp_path / "usual"
    usual.mkdir()
    assert (tmp_path / "store").stat().st_mode == usual.stat().st_mode


def test_opening_for_writing_twice_changes_nothing(tmp_path: Path, make_clips: "MakeClips") -> None:
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "store").rglob("*")}
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "store").rglob("*")}


def test_other_settings_are_refused_and_the_difference_shown(
    tmp_path: Path, make_clips: "MakeClips"
) -> None:
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    other = SETTINGS.model_copy(update={"image": ImageSettings(short_side=240)})
    with pytest.raises(AvscError, match=r"image\.short_side.*360.*240"):
        open_for_writing(tmp_path / "store", make_clips(3), other)


def test_other_clips_are_refused_and_named(tmp_path: Path, make_clips: "MakeClips") -> None:
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    with pytest.raises(AvscError, match="metro_station"):
        open_for_writing(tmp_path / "store", make_clips(4), SETTINGS)


def test_a_second_create_is_refused(tmp_path: Path, make_clips: "MakeClips") -> None:
    create.create(tmp_path / "store", make_clips(1), SETTINGS)
    with pytest.raises(AvscError) as caught:
        create.create(tmp_path / "store", make_clips(1), SETTINGS)
    assert str(tmp_path / "store") in caught.value.got


@pytest.mark.parametrize("name", ["clips.csv", "audio/fbank/zarr.json", "image/zarr.json"])
def test_what_was_deleted_of_the_skeleton_is_written_again_and_what_was_altered_refused(
    tmp_path: Path, make_clips: "MakeClips", name: str
) -> None:
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    file = tmp_path / "store" / name
    before = file.read_bytes()
    file.write_bytes(before.replace(b"a", b"A", 1))
    with pytest.raises(AvscError, match=name):
        open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    file.unlink()
    open_for_writing(tmp_path / "store", make_clips(3), SETTINGS)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["file", "folder"])
def test_what_is_not_a_store_is_never_written_into(
    tmp_path: Path, make_clips: "MakeClips", name: str
) -> None:
    path = tmp_path / name
    if name == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    with pytest.raises(AvscError, match=str(path)):
        open_for_writing(path, make_clips(1), SETTINGS)
    assert not list(path.glob("*.json"))


def test_an_empty_folder_becomes_the_store(tmp_path: Path, make_clips: "MakeClips") -> None:
    (tmp_path / "store").mkdir()
    open_for_writing(tmp_path / "store", make_clips(1), SETTINGS)
    assert Store.open(tmp_path / "store", complete=False).partitions == 1


def test_a_clip_named_twice_is_refused(tmp_path: Path, make_clips: "MakeClips") -> None:
    with pytest.raises(AvscError, match="2 clips"):
        open_for_writing(tmp_path / "store", make_clips(1) * 2, SETTINGS)


def test_a_creation_that_fails_leaves_nothing(
    tmp_path: Path, make_clips: "MakeClips", monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", fail)
    with pytest.raises(AvscError, match="No space left"):
        open_for_writing(tmp_path / "store", make_clips(1), SETTINGS)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_creation_left_is_cleared_and_nothing_else(
    tmp_path: Path, make_clips: "MakeClips"
) -> None:
    for name in (".partial-store-abcd1234", ".partial-store-two-abcd1234", "store-two"):
        (tmp_path / name / "store").mkdir(parents=True)
    open_for_writing(tmp_path / "store", make_clips(1), SETTINGS)
    left = sorted(file.name for file in tmp_path.iterdir())
    assert left == [".partial-store-two-abcd1234", "store", "store-two"]


def _open_and_report(path: Path, clips: list[StoredClip], settings: StoreSettings) -> str:
    try:
        open_for_writing(path, clips, settings)
    except AvscError as error:
        return error.got
    return "mine"


def test_of_creators_that_race_one_wins_and_the_others_find_its_store(
    tmp_path: Path, make_clips: "MakeClips"
) -> None:
    same, other = SETTINGS, SETTINGS.model_copy(update={"clip_seconds": 1})
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        for number in range(4):
            path = tmp_path / str(number)
            jobs = [(path, make_clips(3), settings) for settings in (same, same, other)]
            said = pool.starmap(_open_and_report, jobs, chunksize=1)
            store = Store.open(path, complete=False)
            losers = [text for text in said if text != "mine"]
            assert len(losers) in (1, 2)
            assert all("clip_seconds" in text for text in losers)
            assert store.settings in (same, other)
            shutil.rmtree(path)
    assert not list(tmp_path.iterdir())
