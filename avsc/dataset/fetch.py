"""One large file over HTTP: resumed by range, retried, and checked before it gets its name."""

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from avsc.console import duration, say
from avsc.dataset.manifests import Archive
from avsc.errors import AvscError
from avsc.files import explain_disk_errors

PIECE = 1 << 20  # bytes read at once
TRANSIENT = (408, 416, 425, 429, 500, 502, 503, 504)  # HTTP statuses that another attempt may cure
LONGEST_WAIT_S = 120.0

Count = Callable[[int], None]


class UnreachableError(AvscError):
    """The server does not answer: there is no use in asking it for the next file."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often a failed attempt is repeated.

    Attributes:
        attempts: Number of attempts in a row that bring nothing new before giving up.
        wait_s: Seconds before the second attempt; doubled before each further one.
        timeout_s: Seconds of silence on an open connection that end an attempt.
    """

    attempts: int = 8
    wait_s: float = 1.0
    timeout_s: float = 60.0


class _TransientError(Exception):
    """An attempt failed in a way that another one may cure."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def fetch(archive: Archive, path: Path, count: Count, retry: RetryPolicy) -> None:
    """Brings an archive to ``path``, which then exists only with the right size and MD5.

    What has come so far is kept in ``<path>.part``, and the next call goes on from there. A file
    whose MD5 is wrong is fetched once more from the beginning.

    Args:
        archive: Archive with its URL, size and MD5.
        path: Path of the file; what is there already is checked as if it had been fetched.
        count: Function called with the number of bytes that came (negative when discarded).
        retry: Policy for failed attempts.

    Raises:
        UnreachableError: The server did not answer.
        AvscError: The server has no such file, or a wrong one, or the disk is full.
    """
    if urlsplit(archive.url).scheme not in ("http", "https"):
        got = f"address {archive.url}"
        raise AvscError(got, "one that begins with https:// or http://", "correct --base-url")
    part = path.with_name(path.name + ".part")
    if path.exists():
        path.replace(part)
    for _ in range(2):
        _fetch_whole(archive, part, count, retry)
        with part.open("rb") as file:
            # A checksum that the publisher gives against damage, not against forgery.
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 == archive.md5:
            part.replace(path)
            return
        _discard(part, count)
        say(f"{archive.filename}: wrong MD5 {md5}; discarded")
    raise AvscError(
        f"{archive.url} came twice with MD5 {md5}",
        f"MD5 {archive.md5}",
        "name another mirror (--base-url)",
    )


def _fetch_whole(archive: Archive, part: Path, count: Count, retry: RetryPolicy) -> None:
    if _size(part) > archive.size:
        part.unlink()
    failed, most = 0, _size(part)
    while _size(part) < archive.size:
        try:
            _fetch_rest(archive, part, count, retry.timeout_s)
        except _TransientError as error:
            # Against the most there ever was: a server without ranges begins again each time.
            now = _size(part)
            failed = 1 if now > most else failed + 1
            most = max(most, now)
            if failed >= retry.attempts:
                raise UnreachableError(
                    f"{archive.url}: {error}, {failed} times in a row",
                    f"{archive.size - now} more bytes",
                    "check the network and run the same command again; it goes on from here",
                ) from None
            wait_s = min(max(retry.wait_s * 2 ** (failed - 1), error.wait_s), LONGEST_WAIT_S)
            say(
                f"{archive.filename}: {error}; trying again in {duration(wait_s)}"
                f" (attempt {failed + 1} of {retry.attempts})"
            )
            time.sleep(wait_s)


def _fetch_rest(archive: Archive, part: Path, count: Count, timeout_s: float) -> None:
    """One attempt at what is missing of a file.

    Raises:
        _TransientError: The attempt failed, though perhaps not without some bytes.
    """
    headers = {"User-Agent": "avsc", "Accept-Encoding": "identity"}
    if have := _size(part):
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310 -- is http(s)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            _copy(response, archive, part, count)
    except urllib.error.HTTPError as error:
        with error:
            raise _http_error(error, archive, part, count) from None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            raise UnreachableError(
                f"{archive.url}: {error}",
                "a server whose certificate can be trusted",
                "check the system's clock and certificates, or a proxy in between",
            ) from None
        raise _TransientError(str(error) or type(error).__name__) from None


def _copy(response: http.client.HTTPResponse, archive: Archive, part: Path, count: Count) -> None:
    """Appends an answer to what has come so far, if it is the file asked for."""
    begin = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        begin = _size(part)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            _discard(part, count)
            raise _TransientError("the server sent another range")
    left = archive.size - begin
    length = response.headers.get("Content-Length")
    if length not in (None, str(left)):
        raise _wrong_size(archive, length, left)
    if begin == 0:
        _discard(part, count)
    came = 0
    while piece := response.read(min(PIECE, left - came)):
        with explain_disk_errors(part), part.open("ab") as file:
            file.write(piece)
        came += len(piece)
        count(len(piece))
    if came < left and length is None:
        # The server says that this is all: a page of text or another file, which is not kept.
        _discard(part, count)
        raise _wrong_size(archive, came, left)
    if came < left:
        raise _TransientError(f"the connection was cut with {left - came} bytes to come")


def _wrong_size(archive: Archive, came: object, expected: int) -> AvscError:
    return AvscError(
        f"{archive.url} answered with {came} bytes",
        f"{expected} bytes",
        "check the address (--base-url): a page of text may have come instead of the archive",
    )


def _http_error(
    error: urllib.error.HTTPError, archive: Archive, part: Path, count: Count
) -> Exception:
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        _discard(part, count)
    if error.code in TRANSIENT:
        after = error.headers.get("Retry-After", "")
        return _TransientError(f"HTTP {error.code}", float(after) if after.isdecimal() else 0.0)
    return AvscError(
        f"{archive.url}: HTTP {error.code} {error.reason}",
        "the archive",
        "check the address, or name another mirror (--base-url)",
    )


def _discard(part: Path, count: Count) -> None:
    count(-_size(part))
    part.unlink(missing_ok=True)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
