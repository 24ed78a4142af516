"""Locks beside an array of embeddings, whose files are gone when they are free."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from avsc import files


@contextmanager
def lock(array: Path, name: str, timeout_s: float) -> Iterator[None]:
    """Holds a lock of an array; it is free again when its process is gone.

    Args:
        array: The array's folder.
        name: Name of the lock.
        timeout_s: Time to wait for another process; below 0 without end.

    Raises:
        Timeout: Another process has it.
        OSError: The folder cannot be written.
    """
    place = array.with_name(f".{array.stem}-{name}.lock")
    held = _acquired(place, timeout_s)
    try:
        yield
    finally:
        if isinstance(held, FileLock):
            # By its holder alone: a process that has opened the file, and waits, then gets the
            # lock of a file without a name, sees it (filelock does) and begins with a new one.
            with suppress(OSError):  # Windows removes no open file
                place.unlink()
        held.release()


def _acquired(place: Path, timeout_s: float) -> BaseFileLock:
    held: BaseFileLock = FileLock(place)
    try:
        held.acquire(timeout=timeout_s)
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno == errno.ESTALE:
            # NFS, where another machine removed the file between opening and locking it.
            return _acquired(place, timeout_s)
        if not _without_locks(error):
            raise
        place.unlink(missing_ok=True)
        held = SoftFileLock(place.with_name(f"{place.name}-soft"))  # its file goes by itself
        held.acquire(timeout=timeout_s)
    return held


def _without_locks(error: Exception) -> bool:
    """Whether the file system has no locks."""
    return isinstance(error, NotImplementedError) or (
        isinstance(error, OSError) and error.errno in files.NO_FLOCK
    )
