import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avsc import files
from avsc.errors import AvscError


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_written_aside_appears_whole(tmp_path: Path) -> None:
    files.write_text(tmp_path / "deep" / "note.txt", "one\ntwo\n")
    assert (tmp_path / "deep" / "note.txt").read_bytes() == b"one\ntwo\n"
    assert _names(tmp_path / "deep") == ["note.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "old")
    with pytest.raises(TypeError), files.write_aside(path) as file:
        file.write("text where bytes belong")  # type: ignore[call-overload]
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["note.txt"]


def test_a_full_disk_is_a_message_that_names_the_file() -> None:
    with pytest.raises(AvscError) as caught:
        files.write_bytes(Path("/dev/full"), b"x" * 100_000)
    assert "/dev/full" in caught.value.got
    assert "space" in caught.value.remedy
    assert Path("/dev/full").is_char_device()  # it was not replaced by a file


@pytest.mark.parametrize("taken", ["note.txt/deeper.txt", "folder"])
def test_a_place_that_cannot_be_written_is_a_message_that_names_it(
    tmp_path: Path, taken: str
) -> None:
    (tmp_path / "note.txt").write_text("a file, no folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(AvscError) as caught:
        files.write_text(tmp_path / taken, "x")
    assert str(tmp_path / taken) in caught.value.got
    assert _names(tmp_path) == ["folder", "note.txt"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        files.write_bytes(tmp_path / "pipe", b"all of it")
        assert read.result() == b"all of it"


def test_a_written_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "shared", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert files.sha256_file(tmp_path / "empty") == digest
