"""The lock of a prepare on a remote store, where no file can be created exclusively.

The holder writes a small file again and again, with a number that rises. Whoever finds such a file
waits to see whether it changes; so no clocks are compared. Two that begin in the same moment may
get past each other: both would write the same bytes.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from avsc.console import say
from avsc.errors import AvscError
from avsc.store.location import Location

POLL_S = 1.0


@contextmanager
def hold_remote(
    store: Location, file: str, excludes: Callable[[str], bool], holder: str, lease_s: float
) -> Iterator[None]:
    """Holds a remote store.

    Args:
        store: Location of the store.
        file: Name of the holder's file.
        excludes: Whether the holder of another file of this kind excludes this one.
        holder: Description of this process for others.
        lease_s: Seconds after which a holder that did not write again is gone.

    Raises:
        AvscError: Another process holds the store.
    """
    for other in store.listing():
        if other == file or excludes(other):
            _wait_until_gone(store, other, lease_s)
    over = threading.Event()
    store.write(file, _content(holder, 0))

    def renew() -> None:
        beat = 0
        while not over.wait(lease_s / 3):
            beat += 1
            with suppress(AvscError):  # of an outage the work itself tells
                store.write(file, _content(holder, beat))

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(AvscError):
            store.remove(file)


def _content(holder: str, beat: int) -> bytes:
    fields = {"holder": holder, "host": socket.gethostname(), "pid": os.getpid(), "beat": beat}
    return json.dumps(fields).encode()


def _wait_until_gone(store: Location, file: str, lease_s: float) -> None:
    found = _read(store, file)
    if found is None or _is_dead(found):
        store.remove(file)
        return
    say(f"waiting up to {lease_s:g} s to see whether {found['holder']} is still at work")
    end_s = time.monotonic() + lease_s
    while time.monotonic() < end_s:
        time.sleep(min(POLL_S, lease_s / 10))
        now = _read(store, file)
        if now is None:
            return
        if now != found:
            raise AvscError(
                f"{store.place} is being prepared by {now['holder']}",
                "one prepare on a store at a time, or parts I/N of one N",
                "wait for it, or stop it",
            )
    store.remove(file)


def _read(store: Location, file: str) -> dict[str, str | int] | None:
    try:
        fields = json.loads(store.read(file))
        return {key: fields[key] for key in ("holder", "host", "pid", "beat")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_dead(found: dict[str, str | int]) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    if found["host"] != socket.gethostname():
        return False
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(int(found["pid"])).status() == psutil.STATUS_ZOMBIE)
    return True
