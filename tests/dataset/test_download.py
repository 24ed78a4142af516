import hashlib
import io
import shutil
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsc.cli import data as _commands  # noqa: F401 -- registers them
from avsc.cli.app import app
from avsc.dataset import download as downloads
from avsc.dataset import manifests
from avsc.dataset.download import download, plan
from avsc.dataset.fetch import Patience, Remote, UnreachableError, fetch
from avsc.dataset.manifests import Archive
from avsc.dataset.unpack import unpack
from avsc.errors import AvscError

QUICK = Patience(failures=3, wait_s=0.0, timeout_s=5.0)
BODY = bytes(range(256)) * 2000  # 512,000 bytes
PREFIX = "TAU-urban-audio-visual-scenes-2021-development"


class Server:
    """Serves ``files`` with the faults of ``faults``, one a request, then soundly."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                server.requests.append((self.path.lstrip("/"), asked))
                fault = server.faults.pop(0) if server.faults else ""
                server.answer(self, self.path.lstrip("/"), asked, fault)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, name: str, asked: str, fault: str) -> None:
        if fault.isdecimal():
            handler.send_response(int(fault))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if name not in self.files:
            handler.send_error(404)
            return
        body = self.files[name]
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault == "no ranges":
            begin, asked = 0, ""
        if fault == "page":
            body, begin, asked = b"<html>log in first</html>", 0, ""
        if fault == "wrong byte":
            body = body[:100] + bytes([body[100] ^ 1]) + body[101:]
        handler.send_response(206 if asked else 200)
        shown = begin + 1 if fault == "other range" else begin
        if asked:
            handler.send_header("Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}")
        handler.send_header("Content-Length", str(len(body) - begin))
        handler.end_headers()
        end = begin + (len(body) - begin) // 2 if fault == "cut" else len(body)
        handler.wfile.write(body[begin:end])

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    yield served
    served.stop()


def _remote(server: Server, body: bytes = BODY) -> Remote:
    server.files["file"] = body
    return Remote(f"{server.url}/file", len(body), hashlib.md5(body).hexdigest())


def test_a_cut_line_is_gone_on_with_by_range(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "cut", "503"]
    arrived: list[int] = []
    fetch(_remote(server), tmp_path / "file", arrived.append, QUICK)
    assert (tmp_path / "file").read_bytes() == BODY
    assert [asked for _, asked in server.requests] == [
        "",
        "bytes=256000-",
        "bytes=384000-",
        "bytes=384000-",
    ]
    assert sum(arrived) == len(BODY)
    assert not (tmp_path / "file.part").exists()


def test_a_part_from_an_earlier_run_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    fetch(_remote(server), tmp_path / "file", patience=QUICK)
    assert server.requests == [("file", "bytes=1000-")]
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("fault", ["no ranges", "416", "other range"])
def test_a_server_without_ranges_is_read_from_the_beginning(
    server: Server, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "file.part").write_bytes(b"stale" * 10)
    remote = _remote(server)
    if fault != "other range":
        (tmp_path / "file.part").write_bytes(BODY[:1000])
    else:
        (tmp_path / "file.part").write_bytes(BODY[:10])
    server.faults = [fault]
    arrived: list[int] = [1000 if fault != "other range" else 10]
    fetch(remote, tmp_path / "file", arrived.append, QUICK)
    assert (tmp_path / "file").read_bytes() == BODY
    assert sum(arrived) == len(BODY)


def test_a_wrong_byte_is_fetched_once_more(server: Server, tmp_path: Path) -> None:
    server.faults = ["wrong byte"]
    arrived: list[int] = []
    fetch(_remote(server), tmp_path / "file", arrived.append, QUICK)
    assert (tmp_path / "file").read_bytes() == BODY
    assert sum(arrived) == len(BODY)
    assert len(server.requests) == 2


def test_two_wrong_bytes_are_an_error_and_leave_nothing(server: Server, tmp_path: Path) -> None:
    server.faults = ["wrong byte", "wrong byte"]
    with pytest.raises(AvscError, match="twice with MD5"):
        fetch(_remote(server), tmp_path / "file", patience=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_stale_part_is_found_out_by_its_md5(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    fetch(_remote(server), tmp_path / "file", patience=QUICK)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_page_instead_of_the_archive_is_named(server: Server, tmp_path: Path) -> None:
    server.faults = ["page"]
    with pytest.raises(AvscError, match="has 25 bytes") as caught:
        fetch(_remote(server), tmp_path / "file", patience=QUICK)
    assert "512000" in str(caught.value)
    assert not (tmp_path / "file.part").exists()


def test_a_file_that_is_not_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    remote = Remote(f"{server.url}/other", 10, "0")
    with pytest.raises(AvscError, match="HTTP 404"):
        fetch(remote, tmp_path / "other", patience=QUICK)
    assert len(server.requests) == 1


def test_a_silent_server_is_given_up_after_some_failures(server: Server, tmp_path: Path) -> None:
    remote = _remote(server)
    server.faults = ["503"] * 3
    with pytest.raises(UnreachableError, match="503, 3 times in a row"):
        fetch(remote, tmp_path / "file", patience=QUICK)


def test_only_http_addresses_are_opened(tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="address file:"):
        fetch(Remote("file:///etc/passwd", 10, "0"), tmp_path / "file", patience=QUICK)


# Unpacking


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _link(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc")
    return path


def _encrypted(path: Path) -> Path:
    _zip(path, {"a.txt": b"x"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + offset
        data[at : at + 2] = struct.pack("<H", 1)
    path.write_bytes(data)
    return path


def _twice(path: Path) -> Path:
    return _zip(path, {"a.txt": b"x", "A.TXT": b"y"})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: _zip(p, {"fine.txt": b"x", "../escape.txt": b"x"}), "outside its folder"),
        (lambda p: _zip(p, {"/tmp/escape.txt": b"x"}), "outside its folder"),
        (lambda p: _zip(p, {"a/../../escape.txt": b"x"}), "outside its folder"),
        (lambda p: _zip(p, {"a\\..\\escape.txt": b"x"}), "outside its folder"),
        (lambda p: _zip(p, {"C:/escape.txt": b"x"}), "outside its folder"),
        (lambda p: _zip(p, {"bomb": bytes(10_000_000)}), "would fill 10000000 bytes"),
        (lambda p: _zip(p, {"archives/note.json": b"x"}), "not its to write"),
        (_link, "link or device"),
        (_encrypted, "encrypted"),
        (_twice, "twice"),
    ],
)
def test_an_archive_that_is_not_plain_is_refused_whole(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    archive = make(tmp_path / "bad.zip")
    out = tmp_path / "in/out"
    out.mkdir(parents=True)
    with pytest.raises(AvscError, match=words):
        unpack(archive, out, ("archives",))
    assert list(out.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "in"]


def test_a_link_that_waits_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "audio").symlink_to(outside)
    with pytest.raises(AvscError, match="symbolic link"):
        unpack(_zip(tmp_path / "a.zip", {"audio/x.wav": b"x"}), out)
    assert list(outside.iterdir()) == []


def test_damage_in_an_archive_is_noticed(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"x.bin": BODY[:2000]})
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(AvscError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out/x.bin").exists()


def test_what_is_there_is_left_alone_and_what_is_wrong_is_replaced(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"x": b"right", "y": b"right", "__MACOSX/z": b"junk"})
    assert unpack(archive, tmp_path / "out") == ["x", "y"]
    before = (tmp_path / "out/x").stat().st_mtime_ns
    (tmp_path / "out/y").write_bytes(b"wrong")
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/x").stat().st_mtime_ns == before
    assert (tmp_path / "out/y").read_bytes() == b"right"


# The whole


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
    download(tmp_path, parts=PARTS, patience=QUICK)
    assert sorted(p.name for p in (tmp_path / PREFIX).iterdir()) == ["audio", "meta.csv", "video"]
    assert (tmp_path / PREFIX / "audio/2.wav").read_bytes() == BODY[2:]
    assert not list((tmp_path / "archives").glob("*.zip"))
    asked = len(server.requests)
    download(tmp_path, parts=PARTS, patience=QUICK)
    assert len(server.requests) == asked


def test_a_file_that_was_lost_is_fetched_again(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    download(tmp_path, parts=PARTS, keep_archives=True, patience=QUICK)
    (tmp_path / PREFIX / "video/1.mp4").unlink()
    assert [step.state for step in plan(tmp_path, "development", PARTS)] == [
        "unpacked",
        "unpacked",
        "here",
    ]
    asked = len(server.requests)
    download(tmp_path, parts=PARTS, patience=QUICK)
    assert len(server.requests) == asked  # from the archive that was kept
    assert (tmp_path / PREFIX / "video/1.mp4").exists()


def test_what_is_missing_is_named_and_the_rest_is_fetched(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    del server.files[f"{PREFIX}.audio.zip"]
    with pytest.raises(AvscError) as caught:
        download(tmp_path, parts=PARTS, patience=QUICK)
    assert "1 of 3 archives missing" in str(caught.value)
    assert f"{PREFIX}.audio.zip: " in str(caught.value)
    assert "404" in str(caught.value)
    assert (tmp_path / PREFIX / "video/0.mp4").exists()


def test_a_dead_server_stops_the_download_at_once(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    server.faults = ["503"] * 3
    with pytest.raises(AvscError) as caught:
        download(tmp_path, parts=PARTS, patience=QUICK)
    assert "3 of 3 archives missing" in str(caught.value)
    assert "not tried" in str(caught.value)


def test_a_mirror_takes_the_place_of_the_publisher(
    server: Server, archives: list[Archive], tmp_path: Path
) -> None:
    body = server.files.pop(f"{PREFIX}.meta.zip")
    server.files[f"mirror/{PREFIX}.meta.zip"] = body
    download(tmp_path, parts=("meta",), base_url=f"{server.url}/mirror/", patience=QUICK)
    assert (tmp_path / PREFIX / "meta.csv").exists()


def test_a_full_disk_is_told_before_the_first_byte(
    server: Server,
    archives: list[Archive],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(AvscError, match=r"1\.0 kB free"):
        download(tmp_path, parts=PARTS, patience=QUICK)
    assert server.requests == []


def test_two_downloads_into_one_folder_do_not_meet(archives: list[Archive], tmp_path: Path) -> None:
    with downloads._alone(tmp_path), pytest.raises(AvscError, match="another"):
        download(tmp_path, parts=PARTS, patience=QUICK)


def test_a_dry_run_lists_the_archives_and_writes_nothing(tmp_path: Path) -> None:
    command = ["download", str(tmp_path / "tau"), "--part", "meta", "--part", "audio", "--dry-run"]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert result.output.count(".zip") == 9
    assert "30.4 GB to fetch" in result.output
    assert not (tmp_path / "tau").exists()


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="no part 'examples' in the evaluation edition"):
        plan(tmp_path, "evaluation", ("examples",))
