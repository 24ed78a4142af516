"""One large file over HTTP: resumed by range, retried, and checked before it gets its name."""

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

from avsc.errors import AvscError

PIECE = 1 << 20  # bytes read at once
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT_S = 120.0


class UnreachableError(AvscError):
    """The server does not answer: there is no use in asking it for the next file."""


@dataclass(frozen=True)
class Patience:
    """How long a bad line is put up with.

    Attributes:
        failures: Attempts in a row that bring nothing new before giving up.
        wait_s: Before the second attempt; doubled before each further one.
        timeout_s: Of silence on an open connection.
    """

    failures: int = 8
    wait_s: float = 1.0
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Remote:
    """A file on a server and what it must be."""

    url: str
    size: int  # bytes
    md5: str


class _LineError(Exception):
    """An attempt failed in a way that another one may mend."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def fetch(
    remote: Remote,
    path: Path,
    arrived: Callable[[int], None] = lambda count: None,
    patience: Patience | None = None,
) -> None:
    """Brings a file to ``path``, which then exists only with the right size and MD5.

    What has come so far is kept in ``<path>.part`` and gone on with. A file whose MD5 is wrong is
    fetched once more from the beginning.

    Args:
        remote: Where it is and what it must be.
        path: Where it goes; a right file that is there already is left alone.
        arrived: Called with the number of bytes that came (negative when they are discarded).
        patience: With the line.

    Raises:
        UnreachableError: The server stayed silent.
        AvscError: It has no such file, or twice a wrong one.
    """
    patience = patience or Patience()
    part = path.with_name(path.name + ".part")
    if path.exists():
        path.replace(part)  # somebody put it here: it is checked as if we had fetched it
    wrong = ""
    for _ in range(2):
        _fetch_whole(remote, part, arrived, patience)
        found = _md5(part)
        if found == remote.md5:
            part.replace(path)
            return
        wrong = found
        part.unlink()
        arrived(-remote.size)
    raise AvscError(
        f"{remote.url} came twice with MD5 {wrong}",
        f"MD5 {remote.md5}",
        "try another mirror (--base-url), or later",
    )


def held(path: Path, size: int) -> int:
    """How many of a file's bytes are there already, whole or in part."""
    for candidate in (path, path.with_name(path.name + ".part")):
        if candidate.exists():
            there = candidate.stat().st_size
            return there if there <= size else 0
    return 0


def _fetch_whole(
    remote: Remote, part: Path, arrived: Callable[[int], None], patience: Patience
) -> None:
    failures, wait_s, most = 0, patience.wait_s, 0
    while (have := _usable(part, remote.size)) < remote.size:
        try:
            _fetch_rest(remote, part, have, arrived, patience.timeout_s)
        except _LineError as error:
            # Against the most there ever was: a server without ranges begins again each time.
            now = part.stat().st_size if part.exists() else 0
            advanced = now > max(have, most)
            most = max(now, have, most)
            failures, wait_s = (0, patience.wait_s) if advanced else (failures + 1, 2 * wait_s)
            if failures >= patience.failures:
                raise UnreachableError(
                    f"{remote.url}: {error}, {failures} times in a row",
                    f"{remote.size - have} more bytes",
                    "check the network; the same command goes on from here",
                ) from None
            time.sleep(min(max(wait_s if failures else 0.0, error.wait_s), LONGEST_WAIT_S))


def _usable(part: Path, size: int) -> int:
    """The bytes of a part that can be gone on with; one that is too long is removed."""
    if not part.exists():
        return 0
    have = part.stat().st_size
    if have > size:
        part.unlink()
        return 0
    return have


def _fetch_rest(
    remote: Remote, part: Path, have: int, arrived: Callable[[int], None], timeout_s: float
) -> None:
    """One attempt at what is missing of a file.

    Raises:
        _LineError: The attempt failed, though perhaps not without some bytes.
    """
    headers = {"User-Agent": "avsc", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(  # noqa: S310 -- the scheme is checked
            urllib.request.Request(_http(remote.url), headers=headers),  # noqa: S310
            timeout=timeout_s,
        ) as response:
            begin = _begin(response.status, response.headers, have, remote)
            if begin < have:
                part.unlink()
                arrived(begin - have)
            _copy(response, part, remote.size - begin, arrived)
    except urllib.error.HTTPError as error:
        with error:
            _judge(error, remote.url, part, arrived)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
            raise UnreachableError(
                f"{remote.url}: {error}",
                "a server whose certificate can be trusted",
                "check the system's clock and certificates, or a proxy in between",
            ) from None
        raise _LineError(str(error) or type(error).__name__) from None


def _http(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise AvscError(f"address {url}", "one that begins with https:// or http://", "correct it")
    return url


def _begin(status: int, headers: Message, have: int, remote: Remote) -> int:
    """From which byte on the server answers: 0 when it ignores ranges."""
    begin = 0
    if status == http.HTTPStatus.PARTIAL_CONTENT:
        begin = have
        if not headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _LineError(f"the server sent another range: {headers.get('Content-Range')}")
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != remote.size - begin:
        raise AvscError(
            f"{remote.url} has {int(length) + begin} bytes",
            f"{remote.size} bytes",
            "check the address (--base-url): a page of text may have come instead of the archive",
        )
    return begin


def _copy(
    response: http.client.HTTPResponse, part: Path, size: int, arrived: Callable[[int], None]
) -> None:
    left = size
    while left > 0:
        piece = response.read(min(PIECE, left))
        if not piece:
            raise _LineError(f"the line was cut with {left} bytes to come")
        _append(part, piece)
        left -= len(piece)
        arrived(len(piece))


def _append(part: Path, piece: bytes) -> None:
    try:
        with part.open("ab") as file:
            file.write(piece)
    except OSError as error:
        raise AvscError(
            f"cannot write {part}: {error.strerror}",
            "room and permission to write",
            "free some space; the same command goes on from here",
        ) from None


def _judge(
    error: urllib.error.HTTPError, url: str, part: Path, arrived: Callable[[int], None]
) -> None:
    """Whether another attempt may mend an answer that is an error."""
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.exists():
        arrived(-part.stat().st_size)
        part.unlink()
        raise _LineError("the server refused the range; from the beginning again")
    if error.code in TRANSIENT:
        after = error.headers.get("Retry-After", "")
        raise _LineError(f"HTTP {error.code}", float(after) if after.isdecimal() else 0.0)
    raise AvscError(
        f"{url}: HTTP {error.code} {error.reason}",
        "the archive",
        "check the address (--base-url), or try later",
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # A checksum the publisher gives against damage, not against forgery.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
