"""The archives of the data set: fetched, unpacked, gone on with."""

import hashlib
import io
import multiprocessing
import os
import shutil
import signal
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from avsc.cli import data as _commands  # noqa: F401 -- registers them
from avsc.cli.app import app
from avsc.dataset import manifests
from avsc.dataset.download import download, plan
from avsc.dataset.fetch import UnreachableError
from avsc.dataset.manifests import Archive
from avsc.errors import AvscError
from tests.dataset.server import BODY, QUICK, Server, archive_of

PREFIX = "TAU-urban-audio-visual-scenes-2021-development"


@pytest.fixture
def archives(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[Archive]:
    """Three small archives on the server instead of TAU's."""
    contents = {
        "meta": {f"{PREFIX}/meta.csv": b"filename_audio\n"},
        "audio": {f"{PREFIX}/audio/{n}.wav": BODY[n:] for n in range(3)},
        "video": {f"{PREFIX}/video/{n}.mp4": BODY[n:] for n in range(3)},
    }
    made = []
    for part, members in contents.items():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        body, name = file.getvalue(), f"{PREFIX}.{part}.zip"
        server.files[name] = body
        md5 = hashlib.md5(body).hexdigest()
        made.append(Archive("development", part, name, len(body), md5, f"{server.url}/{name}"))
    monkeypatch.setattr(manifests, "archives", lambda: tuple(made))
    return made


PARTS = ("meta", "audio", "video")


def test_a_data_set_is_fetched_unpacked_and_not_fetched_again(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    server.faults = ["cut", "wrong byte"]
    download(tmp_path, parts=PARTS, retry=QUICK)
    assert sorted(p.name for p in (tmp_path / PREFIX).iterdir()) == ["audio", "meta.csv", "video"]
    assert (tmp_path / PREFIX / "audio/2.wav").read_bytes() == BODY[2:]
    assert not list((tmp_path / "archives").glob("*.zip"))
    asked = len(server.requests)
    download(tmp_path, parts=PARTS, retry=QUICK)
    assert len(server.requests) == asked


def test_a_file_that_was_lost_is_fetched_again(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    download(tmp_path, parts=PARTS, keep_archives=True, retry=QUICK)
    (tmp_path / PREFIX / "video/1.mp4").unlink()
    assert [step.state for step in plan(tmp_path, "development", PARTS)] == [
        "unpacked",
        "unpacked",
        "here",
    ]
    asked = len(server.requests)
    download(tmp_path, parts=PARTS, retry=QUICK)
    assert len(server.requests) == asked  # from the archive that was kept
    assert (tmp_path / PREFIX / "video/1.mp4").exists()


def test_what_is_missing_is_named_and_the_rest_is_fetched(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    del server.files[f"{PREFIX}.audio.zip"]
    with pytest.raises(AvscError, match="1 of 3") as caught:
        download(tmp_path, parts=PARTS, retry=QUICK)
    assert f"{PREFIX}.audio.zip" in caught.value.got
    assert "404" in caught.value.got
    assert "again" not in caught.value.remedy
    assert (tmp_path / PREFIX / "video/0.mp4").exists()


def test_a_dead_server_stops_the_download_at_once(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    server.faults = ["503"] * 3
    with pytest.raises(AvscError, match="3 of 3") as caught:
        download(tmp_path, parts=PARTS, retry=QUICK)
    assert len(server.requests) == 3
    assert all(archive.filename in caught.value.got for archive in archives)
    assert "again" in caught.value.remedy


def _download_and_die(out: Path, calls: int) -> None:
    real, left = os.fsync, [calls]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    download(out, parts=PARTS, retry=QUICK)


def test_a_download_killed_while_it_unpacks_any_file_goes_on(
    archives: list[Archive], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(1, 30):
        out = tmp_path / str(number)
        process = context.Process(target=_download_and_die, args=(out, number))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        download(out, parts=PARTS, retry=QUICK)
        assert (out / PREFIX / "audio/2.wav").read_bytes() == BODY[2:]
        assert [step.state for step in plan(out, "development", PARTS)] == ["unpacked"] * 3
        assert [file.name for file in (out / "archives").glob("*.unpacking")] == []
    assert number > 10


def _stop_at_second_move(monkeypatch: pytest.MonkeyPatch) -> None:
    real, moved = shutil.move, list[object]()

    def move(source: Path, target: Path) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(real(source, target))

    monkeypatch.setattr(shutil, "move", move)


def test_what_was_unpacked_before_a_stop_is_credited_to_the_space_needed(
    archives: list[Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        _stop_at_second_move(patched)
        with pytest.raises(KeyboardInterrupt):
            download(tmp_path, parts=("audio",), retry=QUICK)
    assert len(list((tmp_path / PREFIX / "audio").iterdir())) == 1
    # The archive and all it unpacks to are on disk: what it may expand to is all that is missing.
    usage = SimpleNamespace(free=0.15 * archives[1].size + 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    download(tmp_path, parts=("audio",), retry=QUICK)
    assert len(list((tmp_path / PREFIX / "audio").iterdir())) == 3


def test_a_folder_that_the_user_linked_to_another_disk_is_filled(
    archives: list[Archive], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out" / PREFIX).mkdir(parents=True)
    (tmp_path / "out" / PREFIX / "audio").symlink_to(tmp_path / "disk")
    download(tmp_path / "out", parts=("audio",), retry=QUICK)
    assert sorted(file.name for file in (tmp_path / "disk").iterdir()) == [
        "0.wav",
        "1.wav",
        "2.wav",
    ]


def test_no_member_of_an_archive_leaves_the_folder(
    server: Server, archives: list[Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("../up.txt", "/tmp/absolute.txt", "a/../../deep.txt", "fine.txt"):
            archive.writestr(name, b"x")
    server.files["bad.zip"] = body = file.getvalue()
    md5 = hashlib.md5(body).hexdigest()
    bad = Archive("development", "meta", "bad.zip", len(body), md5, f"{server.url}/bad.zip")
    monkeypatch.setattr(manifests, "archives", lambda: (bad,))
    download(tmp_path / "in/out", parts=("meta",), retry=QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    assert (tmp_path / "in/out/fine.txt").read_bytes() == b"x"


def test_what_is_no_archive_though_its_md5_is_right_is_an_error(
    server: Server, archives: list[Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace(archive_of(server), filename="file")
    monkeypatch.setattr(manifests, "archives", lambda: (bad,))
    with pytest.raises(AvscError) as caught:
        download(tmp_path, parts=("audio",), retry=QUICK)
    assert str(tmp_path / "archives/file") in caught.value.got
    assert "remove" in caught.value.remedy


def test_a_mirror_takes_the_place_of_the_publisher(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    body = server.files.pop(f"{PREFIX}.meta.zip")
    server.files[f"mirror/{PREFIX}.meta.zip"] = body
    download(tmp_path, parts=("meta",), base_url=f"{server.url}/mirror/", retry=QUICK)
    assert (tmp_path / PREFIX / "meta.csv").exists()


def test_a_full_disk_is_told_before_the_first_byte(
    server: Server,
    archives: list[Archive],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(AvscError, match=r"1\.0 kB"):
        download(tmp_path, parts=PARTS, retry=QUICK)
    assert server.requests == []


def test_two_downloads_into_one_folder_do_not_meet(
    server: Server, archives: list[Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second(path: Path) -> None:
        with pytest.raises(AvscError, match=str(tmp_path)):
            download(tmp_path, parts=PARTS, retry=QUICK)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "disk_usage", second)  # asked for while the first one works
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, parts=PARTS, retry=QUICK)
    assert server.requests == []


def test_a_dry_run_lists_the_archives_and_writes_nothing(tmp_path: Path) -> None:
    command = ["download", str(tmp_path / "tau"), "--part", "meta", "--part", "audio", "--dry-run"]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert result.output.count(".zip") == 9
    assert "30.4 GB to fetch" in result.output
    assert not (tmp_path / "tau").exists()


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AvscError, match=r"'examples' .*evaluation"):
        plan(tmp_path, "evaluation", ("examples",))


def test_without_a_network_the_download_ends_at_once(
    archives: list[Archive], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stop()
    with pytest.raises(UnreachableError) as caught:
        download(tmp_path, parts=PARTS, base_url=server.url, retry=QUICK)
    assert server.url.removeprefix("http://") in caught.value.got
    said = capsys.readouterr().err
    assert f"asking {server.url.removeprefix('http://')}" in said
    assert "attempt" not in said
