"""Files written aside and moved into place, so that what is on disk is complete or absent."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from avsc.errors import AvscError

TEMPORARY_PREFIX = ".partial-"


# Errors of a file system that has no locks.
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


@contextmanager
def explain_disk_errors(path: Path) -> Iterator[None]:
    """Turns an ``OSError`` met while writing ``path`` into a message for the user.

    Raises:
        AvscError: The disk is full, or ``path`` cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise AvscError(
                f"no room to write to {path}: {error.strerror}",
                "free space, within the quota and the limit on a file's size",
                "free some space and run the same command again; what is complete is kept",
            ) from error
        raise AvscError(
            f"cannot write to {path}: {error}",
            "a place that can be written to",
            "name another place, or correct this one and run the same command again; what is"
            " complete is kept",
        ) from error


@contextmanager
def write_aside(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary neighbour of ``path``; on success syncs it and moves it over ``path``.

    A crash leaves at most a ``.partial-*`` file, which readers ignore and the next writer may
    delete; an exception removes it. A device or a pipe is written to directly.

    Raises:
        AvscError: The disk is full, or ``path`` cannot be written to.
    """
    with explain_disk_errors(path), open_aside(path) as file:
        yield file


@contextmanager
def open_aside(path: Path) -> Iterator[IO[bytes]]:
    """Does what :func:`write_aside` does, for a caller that explains an ``OSError`` itself."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{TEMPORARY_PREFIX}{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_leftovers(path: Path) -> None:
    """Deletes what writers of ``path`` that were killed have left beside it.

    A writer that is still at work then fails to move its file and leaves ``path`` as it is.
    """
    # tempfile's random part has no dash, so that the leftovers of `a-b` are not taken for `a`'s.
    ours = re.compile(re.escape(f"{TEMPORARY_PREFIX}{path.name}-") + "[^-]*")
    for left in path.parent.glob(f"{TEMPORARY_PREFIX}*"):
        if ours.fullmatch(left.name):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes ``data`` to ``path`` whole or not at all.

    Raises:
        AvscError: The disk is full, or ``path`` cannot be written to.
    """
    with write_aside(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 ``text`` with Unix line ends to ``path`` whole or not at all.

    Raises:
        AvscError: The disk is full, or ``path`` cannot be written to.
    """
    # A file name that is not UTF-8, or not ASCII in the C locale, keeps its bytes.
    write_bytes(path, text.encode(errors="surrogateescape"))


def mistaken_download(path: Path) -> str:
    """What a file is that a download leaves where it went wrong; empty for any other file."""
    with path.open("rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "is empty" if not path.stat().st_size else ""
    return "is a web page" if start.startswith((b"<!doctype html", b"<html")) else ""


def sync_folder(folder: Path) -> None:
    """Makes a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    # There is no way to read the mask without setting it; tempfile makes files 0600 otherwise,
    # which locks the rest of a lab out of a shared store.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
