"""One prepare on a store at a time: a lock that names its holder and is known when stale.

A lock is a small JSON file in the store's ``.prepare`` folder, made with exclusive creation, which
is atomic on local and on network file systems (``fcntl`` locks are not dependable on all of them).
A whole prepare excludes every other; parts of one job array go on side by side, each with its own
lock. Whoever finds another's lock asks whether its process still lives: on the same machine by its
process id and start, elsewhere by the age of its heartbeat.

Should two processes get past each other in spite of all this, nothing is lost: both write the same
bytes under temporary names and move them. The lock saves time and confusion, not data.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from avsc.errors import AvscError
from avsc.part import Part

FOLDER = ".prepare"
HEARTBEAT_S = 20.0
STALE_S = 180.0  # of a holder on another machine; nine heartbeats missed
_ATTEMPTS = 20
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. Two machines may share a host name; boot and namespace tell them apart."""

    host: str
    boot: str
    namespace: str
    pid: int
    process_start: str
    since: str
    token: str

    def describe(self) -> str:
        """For the message of the one who has to wait."""
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def hold(store: Path, part: Part | None = None) -> Iterator[None]:
    """Holds the lock of a whole prepare, or of one part, and lets go of it at the end.

    Raises:
        AvscError: A living process holds a lock that excludes this one; it is named.
    """
    path = store / FOLDER / _file_name(part)
    me = this_process()
    _place(path, me)
    try:
        # Placed first, looked second: of two that arrive together at least one sees the other.
        for other in path.parent.glob("lock-*.json"):
            if excludes(path.name, other.name):
                _give_way(other)
        with _heartbeat(path):
            yield
    finally:
        if _read(path) == me:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # others still use it
            path.parent.rmdir()


def excludes(mine: str, other: str) -> bool:
    """Whether two different lock files rule each other out: all but parts of one array do.

    >>> excludes("lock-part-1-of-4.json", "lock-part-2-of-4.json")
    False
    >>> excludes("lock-part-1-of-4.json", "lock-part-2-of-5.json")
    True
    """
    if mine == other:
        return False
    both_parts = mine.startswith("lock-part-") and other.startswith("lock-part-")
    return not (both_parts and mine.rpartition("-of-")[2] == other.rpartition("-of-")[2])


def this_process() -> Holder:
    """This process as a holder, from now."""
    pid = os.getpid()
    return Holder(
        host=socket.gethostname(),
        boot=_boot(),
        namespace=_namespace(),
        pid=pid,
        process_start=_process_start(pid) or "",
        since=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        token=secrets.token_hex(8),
    )


def _file_name(part: Part | None) -> str:
    return f"lock-part-{part.index}-of-{part.count}.json" if part else "lock-all.json"


def _place(path: Path, me: Holder) -> None:
    for _ in range(_ATTEMPTS):
        with suppress(FileExistsError):
            path.parent.mkdir()
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(asdict(me), file)
        except FileNotFoundError:
            continue  # one that has just finished removed the folder
        except FileExistsError:
            _give_way(path)
            continue
        return
    raise AvscError(
        f"the lock {path} cannot be taken", "a moment without others", "try again in a minute"
    )


def _give_way(path: Path) -> None:
    """Returns when the lock at ``path`` is gone or was stale and has been removed."""
    holder = _read(path)
    for _ in range(_ATTEMPTS):
        if holder is not None or not path.exists():
            break
        time.sleep(_PAUSE_S)  # it has been created and is being written
        holder = _read(path)
    with suppress(FileNotFoundError):
        if _is_alive(path, holder):
            who = holder.describe() if holder else "a process that left no name"
            raise AvscError(
                f"{path.parent.parent} is being prepared by {who}",
                "one prepare on a store at a time (or parts I/N of one N)",
                "wait for it, or stop it; if you are certain that it is gone, remove " + str(path),
            )
        _remove_stale(path, holder)


def _is_alive(path: Path, holder: Holder | None) -> bool:
    if holder is not None and holder.host == socket.gethostname():
        if holder.boot != _boot():
            return False  # the machine has restarted since
        if holder.namespace == _namespace():
            start = _process_start(holder.pid)
            return start is not None and start == holder.process_start
    return _age_s(path) < STALE_S


def _remove_stale(path: Path, stale: Holder | None) -> None:
    # Moved before it is deleted: of several that found it stale, one moves it, and one that came
    # late and moved its successor's lock instead sees that and puts it back.
    aside = path.with_name(f"stale-{secrets.token_hex(8)}.json")
    path.rename(aside)
    if _read(aside) == stale:
        aside.unlink()
    else:
        aside.rename(path)


@contextmanager
def _heartbeat(path: Path) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_S):
            with suppress(OSError):  # a lock that was removed by hand stays removed
                os.utime(path)

    thread = threading.Thread(target=beat, name="avsc-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _age_s(path: Path) -> float:
    # Against the file system's own clock: this machine's may be minutes off.
    probe = path.with_name(f"clock-{secrets.token_hex(8)}")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink()


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _process_start(pid: int) -> str | None:
    """When a process of this machine started, in the kernel's own unit; None when it is gone.

    Without ``/proc`` the start is unknown (an empty string) as long as the process lives.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        # The name, in parentheses, may hold spaces; the state comes behind it.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() or not _answers(pid) else ""
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
