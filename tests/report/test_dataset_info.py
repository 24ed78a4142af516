"""``avsc info DATASET``: everything that is there and everything that is wrong, at once."""

from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.report.info import show
from tests.dataset.recordings import write_recording


def _rooms(root: Path) -> Path:
    for name, seconds in (("a/x.mp4", 2.5), ("a/y.MOV", 12.0), ("b/x.mp4", 3.0), ("b/z.mkv", 1.2)):
        write_recording(root / name, seconds)
    return root


def test_a_good_folder_shows_its_content_and_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _rooms(tmp_path / "my rooms")
    show(root)
    shown = capsys.readouterr().out
    assert "5 of 1 to 10 s, 18 s" in shown
    assert "44100 Hz, mono (4)" in shown
    assert "64x48 (4)" in shown
    assert f"avsc prepare '{root}' STORE" in shown
    assert list(tmp_path.iterdir()) == [root]


def test_what_will_be_refused_is_named_before_any_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _rooms(tmp_path / "rooms")
    write_recording(root / "b/silent.mp4", 2, sound=False)
    (root / "a/empty.mp4").touch()
    show(root)
    shown = capsys.readouterr().out
    assert "b/silent: " in shown
    assert "a/empty: " in shown
    assert "--max-bad 2" in shown


def test_all_faults_of_a_table_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _rooms(tmp_path)
    rows = "".join(f"gone{n}.mp4,a\n" for n in range(8))
    (tmp_path / "clips.csv").write_text(f"video,scene\na/x.mp4,a\nb/x.mp4,b\n{rows}")
    with pytest.raises(AvscError) as caught:
        show(tmp_path / "clips.csv")
    assert caught.value.got.startswith("8 faults")
    shown = capsys.readouterr().out
    assert all(f"gone{n}.mp4" in shown for n in range(8))


def test_a_folder_of_nothing_is_told_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        show(tmp_path)
    assert "clips.csv" in caught.value.expected
