"""Files fetched over HTTP, whatever the server and the network do."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest

from avsc.dataset.fetch import UnreachableError, fetch
from avsc.dataset.manifests import Archive
from avsc.errors import AvscError
from tests.dataset.server import BODY, QUICK, Server, archive_of


def _fetch(archive: Archive, folder: Path, arrived: list[int] | None = None) -> bytes:
    counts = [] if arrived is None else arrived
    fetch(archive, folder / "file", counts.append, QUICK)
    return (folder / "file").read_bytes()


def test_a_cut_connection_is_gone_on_with_by_range_and_each_retry_says_so(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = ["cut", "cut", "503"]
    arrived: list[int] = []
    assert _fetch(archive_of(server), tmp_path, arrived) == BODY
    assert [asked for _, asked in server.requests] == [
        "",
        "bytes=256000-",
        "bytes=384000-",
        "bytes=384000-",
    ]
    assert sum(arrived) == len(BODY)
    assert not (tmp_path / "file.part").exists()
    said = capsys.readouterr().err.splitlines()
    assert [word in line for word, line in zip(("256000", "128000", "503"), said, strict=True)]


def test_a_part_from_an_earlier_run_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    assert _fetch(archive_of(server), tmp_path) == BODY
    assert server.requests == [("file", "bytes=1000-")]


@pytest.mark.parametrize("fault", ["no ranges", "416", "other range"])
def test_a_server_without_ranges_is_read_from_the_beginning(
    server: Server, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    server.faults = [fault]
    arrived = [1000]
    assert _fetch(archive_of(server), tmp_path, arrived) == BODY
    assert sum(arrived) == len(BODY)


def test_a_wrong_byte_is_fetched_once_more(server: Server, tmp_path: Path) -> None:
    server.faults = ["wrong byte"]
    arrived: list[int] = []
    assert _fetch(archive_of(server), tmp_path, arrived) == BODY
    assert sum(arrived) == len(BODY)
    assert len(server.requests) == 2


def test_two_wrong_bytes_are_an_error_and_leave_nothing(server: Server, tmp_path: Path) -> None:
    server.faults = ["wrong byte", "wrong byte"]
    archive = archive_of(server)
    with pytest.raises(AvscError) as caught:
        _fetch(archive, tmp_path)
    assert archive.md5 in caught.value.expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * (len(BODY) + 1)])
@pytest.mark.parametrize("name", ["file", "file.part"])
def test_what_lies_there_and_is_not_the_file_is_replaced(
    server: Server, tmp_path: Path, name: str, stale: bytes
) -> None:
    (tmp_path / name).write_bytes(stale)
    assert _fetch(archive_of(server), tmp_path) == BODY


@pytest.mark.parametrize("fault", ["page", "page of unknown length", "empty"])
def test_a_page_instead_of_the_archive_is_named_and_not_kept(
    server: Server, tmp_path: Path, fault: str
) -> None:
    server.faults = [fault]
    with pytest.raises(AvscError, match=f"{'0' if fault == 'empty' else '25'} bytes") as caught:
        _fetch(archive_of(server), tmp_path)
    assert str(len(BODY)) in caught.value.expected
    assert "again" not in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_file_that_is_refused_is_not_asked_for_again(
    server: Server, tmp_path: Path, status: str
) -> None:
    server.faults = [status]
    with pytest.raises(AvscError, match=status) as caught:
        _fetch(archive_of(server), tmp_path)
    assert len(server.requests) == 1
    assert "again" not in caught.value.remedy


def test_a_server_that_does_not_answer_is_given_up_and_each_attempt_says_so(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = archive_of(server)
    server.faults = ["503"] * 3
    with pytest.raises(UnreachableError, match="503"):
        _fetch(archive, tmp_path)
    assert capsys.readouterr().err.count("503") == 2
    server.stop()
    with pytest.raises(UnreachableError) as caught:
        _fetch(archive, tmp_path)
    assert capsys.readouterr().err.count("refused") == 2
    assert "again" in caught.value.remedy


def test_only_http_addresses_are_opened(server: Server, tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="file:///etc/passwd"):
        _fetch(replace(archive_of(server), url="file:///etc/passwd"), tmp_path)


def test_a_full_disk_is_a_message_and_no_reason_to_try_again(
    server: Server, tmp_path: Path
) -> None:
    archive = archive_of(server)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(AvscError, match=r"file\.part") as caught:
            _fetch(archive, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "space" in caught.value.remedy
    assert len(server.requests) == 1
