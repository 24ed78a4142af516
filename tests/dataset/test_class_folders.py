"""A folder a scene: what is listed, what it is called, and what is told all at once."""

import os
import unicodedata
from pathlib import Path

import pytest

from avsc.dataset.class_folders import list_class_folders
from avsc.dataset.read import kind_of
from avsc.dataset.recordings import Listing, find_media
from avsc.errors import AvscError

NAMES = (
    "kitchen/IMG_0001.MOV",
    "kitchen/IMG_0001.mp4",
    "kitchen/monday/12:30 Uhr.mkv",
    "office/IMG_0001.MP4",
    "office/Küche, 😀.webm",
    "office/deep/er/a.avi",
)


def _tree(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _list(root: Path) -> Listing:
    return list_class_folders(root, find_media(root))


def _faults(root: Path) -> list[str]:
    return [fault.got for fault in _list(root).faults]


def test_scene_location_and_id_come_from_the_path(tmp_path: Path) -> None:
    root = _tree(tmp_path / "rooms", NAMES)
    listing = _list(root)
    assert not listing.faults
    found = {r.video: (r.id, r.scene, r.location, r.fold) for r in listing.recordings}
    assert set(found) == set(NAMES)
    assert len({recording.id for recording in listing.recordings}) == len(NAMES)
    assert found["office/deep/er/a.avi"] == ("office/deep/er/a", "office", "office/deep/er", None)
    assert found["kitchen/IMG_0001.MOV"][:3] == (
        "kitchen/IMG_0001.MOV",
        "kitchen",
        "kitchen/IMG_0001.MOV",
    )
    assert found["office/IMG_0001.MP4"][0] == "office/IMG_0001"
    assert kind_of(root) == "folders"


def test_both_unicode_forms_of_a_scene_are_one_scene(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(form, "büro") for form in ("NFC", "NFD"))
    for name in (f"{one}/a/1.mp4", f"{other}/a/2.mp4", "park/3.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = list_class_folders(tmp_path, find_media(tmp_path))
    assert {recording.scene for recording in listing.recordings} == {one, "park"}
    assert len({recording.location for recording in listing.recordings}) == 2
    assert all((tmp_path / recording.video).is_file() for recording in listing.recordings)


def test_a_file_of_sound_with_the_videos_name_is_its_sound(tmp_path: Path) -> None:
    root = _tree(tmp_path, ("a/x.mp4", "a/x.WAV", "b/y.mp4", "b/z.wav"))
    assert {r.video: r.audio for r in _list(root).recordings} == {
        "a/x.mp4": "a/x.WAV",
        "b/y.mp4": "b/y.mp4",
    }


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    root = _tree(tmp_path, ("a/x.mp4", "a/._x.mp4", "a/x.jpg", ".trash/c.mp4", "b/y.mov"))
    listing = _list(root)
    assert [r.video for r in listing.recordings] == ["a/x.mp4", "b/y.mov"]
    assert [note for note in listing.notes if note.startswith("1 ")]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    disk = _tree(tmp_path / "disk", ("x.mp4",))
    root = _tree(tmp_path / "rooms", ("a/y.mp4", "b/z.mp4"))
    (root / "c").symlink_to(disk)
    (root / "a" / "again").symlink_to(root)
    assert [r.video for r in _list(root).recordings] == ["a/y.mp4", "b/z.mp4", "c/x.mp4"]


def test_folders_train_and_test_above_the_scenes_are_folds(tmp_path: Path) -> None:
    names = ("train/a/x.mp4", "train/b/y.mp4", "test/a/z.mp4", "test/b/monday/w.mp4")
    listing = _list(_tree(tmp_path, names))
    assert not listing.faults
    assert {r.video: (r.fold, r.scene) for r in listing.recordings} == {
        "train/a/x.mp4": ("train", "a"),
        "train/b/y.mp4": ("train", "b"),
        "test/a/z.mp4": ("test", "a"),
        "test/b/monday/w.mp4": ("test", "b"),
    }


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    root = _tree(tmp_path / "rooms", ("a/x.mp4", "b/y.mp4", "loose.mp4", "other.mov"))
    (root / "b" / "same.mp4").symlink_to(root / "a" / "x.mp4")
    found = _faults(root)
    assert len(found) == 3
    assert any("loose.mp4" in fault for fault in found)
    assert any("a/x.mp4" in fault and "b/same.mp4" in fault for fault in found)


def test_one_scene_only_names_the_folder_below(tmp_path: Path) -> None:
    root = _tree(tmp_path / "data", ("rooms/a/x.mp4", "rooms/b/y.mp4"))
    (fault,) = _list(root).faults
    assert str(root / "rooms") in fault.remedy


def test_folders_that_look_like_other_folds_are_no_scenes(tmp_path: Path) -> None:
    found = _faults(_tree(tmp_path, ("train/a/x.mp4", "val/a/y.mp4", "val/b/z.mp4")))
    assert any("train, val" in fault for fault in found)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_a_name_that_is_no_utf_8_is_a_fault(tmp_path: Path) -> None:
    root = _tree(tmp_path, ("a/x.mp4", "b/y.mp4"))
    (root / os.fsdecode(b"a/\xff.mp4")).touch()
    assert len(_faults(root)) == 1


def test_tabs_and_line_ends_of_a_name_are_not_in_its_id(tmp_path: Path) -> None:
    listing = _list(_tree(tmp_path, ("a/x\ty.mp4", "b/x\ny.mp4")))
    assert [r.id for r in listing.recordings] == ["a/x_y", "b/x_y"]


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("video/a.mp4", "audio/a.wav", "office/b.mp4"), "office/b.mp4"),
        (("office/b.mp4", "park/c.mp4", "clips.csv"), "clips.csv"),
    ],
)
def test_an_ambiguous_folder_is_told_what_it_holds(
    tmp_path: Path, names: tuple[str, ...], named: str
) -> None:
    with pytest.raises(AvscError) as caught:
        kind_of(_tree(tmp_path, names))
    assert named in caught.value.got
    assert "clips.csv" in caught.value.remedy


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("a.mp4", "b.mp4", "clips.csv"), "table"),
        (("video/a.mp4", "audio/a.wav"), "tau"),
        (("office/a.mp4", "park/sub/b.mov"), "folders"),
        (("media/video/1.mp4", "media/audio/1.wav", "meta.csv", "old/c.mp4"), "tau"),
    ],
)
def test_a_folder_tells_what_it_is(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    assert kind_of(_tree(tmp_path, names)) == kind
