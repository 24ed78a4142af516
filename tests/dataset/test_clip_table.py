"""A table of recordings: separators, columns, and every faulty row named at once."""

from pathlib import Path

import pytest

from avsc.dataset.clip_table import list_table
from avsc.dataset.recordings import Listing, Recording
from avsc.errors import AvscError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.MOV", "sub/a.mp4", "sub/a, b.mkv", "a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def _list(folder: Path, text: str | bytes) -> Listing:
    table = folder / "clips.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list_table(table)


def _only(folder: Path, text: str) -> Recording:
    listing = _list(folder, text)
    assert not listing.faults
    (recording,) = listing.recordings
    return recording


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_line_ends_and_a_byte_order_mark_make_no_difference(
    folder: Path, separator: str, line_end: str, mark: bytes
) -> None:
    rows = [["video", "scene"], ["a.mp4", "office"], ["sub/a.mp4", "Küche 😀"]]
    text = line_end.join(separator.join(row) for row in rows)
    listing = _list(folder, mark + text.encode())
    assert not listing.faults
    assert [(r.id, r.scene, r.video, r.audio) for r in listing.recordings] == [
        ("a", "office", "a.mp4", "a.mp4"),
        ("sub/a", "Küche 😀", "sub/a.mp4", "sub/a.mp4"),
    ]


def test_every_optional_column_is_read(folder: Path) -> None:
    found = _only(
        folder,
        "scene,video,audio,id,location,fold,start,end\n"
        "office,a.mp4,a.wav,first,Room 1,Train,0:02.5,1:01:03\n",
    )
    assert (found.id, found.scene, found.location, found.fold) == (
        "first",
        "office",
        "Room 1",
        "train",
    )
    assert (found.video, found.audio) == ("a.mp4", "a.wav")
    assert (found.start_s, found.end_s) == (2.5, 3663.0)


def test_a_quoted_cell_may_hold_the_separator(folder: Path) -> None:
    assert _only(folder, 'video,scene\n"sub/a, b.mkv",park\n').video == "sub/a, b.mkv"


def test_parts_of_one_recording_have_ids_and_one_location(folder: Path) -> None:
    text = "video,scene,start,end\na.mp4,office,0,5\na.mp4,office,5,10\n"
    first, second = _list(folder, text).recordings
    assert (first.id, second.id) == ("a+0", "a+5")
    assert first.location == second.location


def test_without_a_column_fold_nothing_is_said_of_folds(folder: Path) -> None:
    assert _only(folder, "video,scene\na.mp4,office\n").fold is None
    assert _only(folder, "video,scene,fold\na.mp4,office,\n").fold == ""


def test_every_faulty_row_is_named_with_its_line(folder: Path) -> None:
    listing = _list(
        folder,
        "video,scene,fold,start,end\n"
        "gone.mp4,office,,,\n"
        ",office,,,\n"
        "a.mp4,,train,,\n"
        "../a.mp4,office,,,\n"
        "/etc/passwd,office,,,\n"
        "a.mp4,office,,soon,\n"
        "a.mp4,office,,3,3.5\n"
        "b.MOV,office,,,\n"
        "b.MOV,office,,,\n"
        "sub/a.mp4,office,,1,2,3,4\n",
    )
    lines = [fault.got.split(": ")[0].rpartition(":")[2] for fault in listing.faults]
    assert sorted(map(int, lines)) == [2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert [recording.video for recording in listing.recordings] == ["b.MOV"]
    assert all(fault.expected and fault.remedy for fault in listing.faults)


def test_a_recording_without_a_scene_is_unlabelled_and_the_notes_count_them(folder: Path) -> None:
    listing = _list(folder, "video,scene,fold\na.mp4,,\nb.MOV,office,train\n")
    assert not listing.faults
    assert {(one.video, one.scene) for one in listing.recordings} == {
        ("a.mp4", ""),
        ("b.MOV", "office"),
    }
    assert any(note.startswith("1 of 2 recordings") for note in listing.notes)


def test_a_link_beside_the_table_leads_where_it_leads(folder: Path, tmp_path: Path) -> None:
    (folder / "far").symlink_to(tmp_path / "sub")
    assert _only(folder, "video,scene\nfar/a.mp4,office\n").video == "far/a.mp4"


def test_train_and_test_are_not_mixed_with_other_folds(folder: Path) -> None:
    text = "video,scene,fold\na.mp4,office,train\nb.MOV,park,3\n"
    (fault,) = _list(folder, text).faults
    assert "train" in fault.got
    assert "3" in fault.got
    assert not _list(folder, text.replace("train", "1")).faults


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no column video and scene"),
        (b"video,label\na.mp4,x\n", "no column scene"),
        (b"video,scene\n", "no rows"),
        (b"video,scene,scene\na.mp4,x,y\n", "scene twice"),
        ("video,scene\na.mp4,Küche\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_what_is_no_table_of_recordings_is_refused(
    folder: Path, content: bytes, named: str
) -> None:
    with pytest.raises(AvscError) as caught:
        _list(folder, content)
    assert named in caught.value.got
    assert str(folder / "clips.csv") in caught.value.got


def test_columns_of_no_meaning_are_said(folder: Path) -> None:
    listing = _list(folder, "video,scene,weather\na.mp4,office,rain\n")
    assert any("weather" in note for note in listing.notes)
