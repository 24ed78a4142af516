import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from filelock import SoftFileLease

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare import lock
from avsc.prepare.lock import WHOLE, hold

HOLD = """
import sys, time
from pathlib import Path
from avsc.prepare.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(store: Path) -> "subprocess.Popen[str]":
    """Another process that holds the store."""
    words = [sys.executable, "-c", HOLD, str(store)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def from_another_machine(store: Path, name: str = WHOLE, age_s: float = 0) -> Path:
    """A lock that was taken elsewhere, and not renewed for some time."""
    path = store / name
    with SoftFileLease(path, lease_duration=lock.LEASE_S) as lease:
        text = path.read_text()
        assert lease.owner
        text = text.replace(f"host={lease.owner.hostname}", "host=node17")
    path.write_text(text)
    path.with_suffix(".txt").write_text("process 4 on node17")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_the_second_is_told_at_once_who_holds_the_store(tmp_path: Path) -> None:
    first = holder(tmp_path)
    began_s = time.monotonic()
    with pytest.raises(AvscError) as caught, hold(tmp_path):
        pass
    assert time.monotonic() - began_s < 1
    assert f"process {first.pid} on {os.uname().nodename}" in caught.value.got
    assert str(tmp_path) in caught.value.got
    first.kill()
    first.communicate()


def test_nothing_is_left_afterwards(tmp_path: Path) -> None:
    with hold(tmp_path) as proof:
        assert str(os.getpid()) in (tmp_path / proof).read_text()
        assert (tmp_path / WHOLE).exists()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_parts_of_one_array_go_side_by_side(tmp_path: Path) -> None:
    with hold(tmp_path, Part(1, 3)) as first, hold(tmp_path, Part(3, 3)) as third:
        assert first != third


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Part(1, 3), Part(1, 3)),
        (Part(1, 3), Part(2, 4)),  # their partitions overlap
        (Part(1, 3), None),
        (None, Part(1, 3)),
    ],
)
def test_what_overlaps_is_refused(tmp_path: Path, first: Part | None, second: Part | None) -> None:
    with hold(tmp_path, first), pytest.raises(AvscError), hold(tmp_path, second):
        pass
    with hold(tmp_path, second):
        pass  # and once the first is gone it may go on


def test_the_lock_of_a_killed_process_of_this_machine_ends_at_once(tmp_path: Path) -> None:
    killed = holder(tmp_path)
    killed.kill()
    killed.communicate()
    began_s = time.monotonic()
    with hold(tmp_path) as proof:
        assert time.monotonic() - began_s < 1
        assert f"process {os.getpid()} " in (tmp_path / proof).read_text()


def test_the_lock_of_a_killed_part_does_not_stop_a_whole_prepare(tmp_path: Path) -> None:
    killed = holder(tmp_path)
    killed.kill()
    killed.communicate()
    (tmp_path / WHOLE).rename(tmp_path / ".prepare-part-2-of-4.lock")
    with hold(tmp_path):
        assert not (tmp_path / ".prepare-part-2-of-4.lock").exists()


def test_the_lock_of_a_process_killed_but_not_reaped_ends_with_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_S", 1.0)
    words = [sys.executable, "-c", f"import avsc.prepare.lock as l; l.LEASE_S = 1.0\n{HOLD}"]
    killed = subprocess.Popen([*words, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    killed.stdout.readline()
    killed.kill()
    while psutil.Process(killed.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with hold(tmp_path):
        pass
    killed.communicate()


def test_another_machine_holds_while_it_renews_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_S", 1.0)
    path = from_another_machine(tmp_path)
    with pytest.raises(AvscError) as caught, hold(tmp_path):
        pass
    assert "process 4 on node17" in caught.value.got
    over = threading.Event()

    def renew() -> None:
        while not over.wait(0.1):
            os.utime(path, (0, time.time() - 3600))  # its clock is an hour behind

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(AvscError) as caught, hold(tmp_path):
            pass
    finally:
        over.set()
        thread.join()
    assert "process 4 on node17" in caught.value.got


def test_the_lock_of_another_machine_ends_when_it_is_not_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_S", 0.5)
    from_another_machine(tmp_path, age_s=3600)
    with hold(tmp_path), pytest.raises(AvscError):  # it is ours now
        hold(tmp_path).__enter__()


def test_of_many_that_find_a_stale_lock_one_holds_at_a_time(tmp_path: Path) -> None:
    killed = holder(tmp_path)
    killed.kill()
    killed.communicate()
    inside, most, held = [0], [0], [0]
    guard = threading.Lock()

    def try_it() -> None:
        for _ in range(10):
            try:
                with hold(tmp_path):
                    with guard:
                        inside[0] += 1
                        held[0] += 1
                        most[0] = max(most[0], inside[0])
                    time.sleep(0.002)
                    with guard:
                        inside[0] -= 1
            except AvscError:
                time.sleep(0.001)

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert held[0] > 0
    assert not list(tmp_path.iterdir())
