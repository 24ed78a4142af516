"""One prepare at a time on a store, or the parts of one job array side by side.

A lock is a file in the store's folder (``filelock``'s lease, which needs nothing of a file system
but exclusive creation). The lease of a process that is gone ends at once on its own
machine; elsewhere it ends when it was not renewed for ``LEASE_S``. Should two processes get past
each other in spite of it, nothing is lost: both write the same bytes aside and move them.
"""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from filelock import SoftFileLease, Timeout

from avsc.console import say
from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare.remote_lock import hold_remote
from avsc.store.location import Location, locate

WHOLE = ".prepare-whole.lock"
LEASE_S = 30.0  # renewed three times in that; everybody must use the same


@contextmanager
def hold(place: Path | str | Location, part: Part | None = None) -> Iterator[str]:
    """Holds the lock of a whole prepare, or of one part, and gives it back at the end.

    Args:
        place: Folder or address of the store.
        part: Part of a job array; parts with different numbers of one array do not exclude
            each other.

    Yields:
        The name of a small file in the store, which names the holder and is there as long as
        the lock is held.

    Raises:
        AvscError: Another process holds a lock that excludes this one; it is named.
    """
    store = locate(place)
    lock = f".prepare-part-{part.index}-of-{part.count}.lock" if part else WHOLE
    holder = lock.replace(".lock", ".txt")
    if store.folder is None:
        who = _describe_this_process()
        with hold_remote(store, holder, lambda other: _excludes_holder(lock, other), who, LEASE_S):
            yield holder
        return
    path = store.folder / lock
    with _lease(path):
        # Taken first, looked second: of two that arrive together at least one sees the other.
        for other in store.folder.glob(".prepare-*.lock"):
            if excludes(path.name, other.name):
                with _lease(other):
                    pass  # its holder is gone
        proof = store.folder / holder
        proof.write_bytes(_describe_this_process().encode(errors="surrogateescape"))
        try:
            yield holder
        finally:
            proof.unlink(missing_ok=True)


def excludes(mine: str, other: str) -> bool:
    """Whether two different lock files exclude each other: all do but parts of one array.

    >>> excludes(".prepare-part-1-of-4.lock", ".prepare-part-2-of-4.lock")
    False
    >>> excludes(".prepare-part-1-of-4.lock", ".prepare-part-2-of-5.lock")
    True
    """
    if mine == other:
        return False
    return WHOLE in (mine, other) or mine.rpartition("-of-")[2] != other.rpartition("-of-")[2]


def _excludes_holder(lock: str, holder: str) -> bool:
    is_holder = holder.startswith(".prepare-") and holder.endswith(".txt")
    return is_holder and excludes(lock, holder.replace(".txt", ".lock"))


@contextmanager
def _lease(path: Path) -> Iterator[None]:
    lease = SoftFileLease(path, lease_duration=LEASE_S)
    try:
        lease.acquire(timeout=0)
    except Timeout:
        if _is_alive(lease, path):
            raise _held(lease, path) from None
        say(f"waiting {LEASE_S:g} s to see whether {_holder(lease, path)} is still at work")
        try:
            lease.acquire(timeout=LEASE_S * 1.2)
        except Timeout:
            raise _held(lease, path) from None
    try:
        yield
    finally:
        lease.release()


def _is_alive(lease: SoftFileLease, path: Path) -> bool:
    """Whether a lease was renewed of late, by a process that is not known to be dead."""
    owner = lease.owner
    with suppress(OSError, psutil.NoSuchProcess):
        # A killed process that nobody waits for keeps its process id.
        dead = (
            owner is not None
            and owner.hostname.startswith(socket.gethostname())
            and psutil.Process(owner.pid).status() == psutil.STATUS_ZOMBIE
        )
        return not dead and abs(time.time() - path.stat().st_mtime) < LEASE_S
    return False  # it has just been given back


def _held(lease: SoftFileLease, path: Path) -> AvscError:
    return AvscError(
        f"{path.parent} is being prepared by {_holder(lease, path)}",
        "one prepare on a store at a time, or parts I/N of one N",
        f"wait for it, or stop it; if you are certain that it is gone, remove {path}",
    )


def _holder(lease: SoftFileLease, path: Path) -> str:
    try:
        return path.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"process {lease.pid}"


def _describe_this_process() -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    command = " ".join(sys.argv)
    return f"process {os.getpid()} on {socket.gethostname()} since {since} ({command})"
