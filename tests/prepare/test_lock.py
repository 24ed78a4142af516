import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare import lock
from avsc.prepare.lock import FOLDER, Holder, hold, this_process


def leave_lock(store: Path, holder: Holder, name: str = "lock-all.json", age_s: float = 0) -> Path:
    path = store / FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def dead_process() -> Holder:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return replace(this_process(), pid=child.pid, process_start="1")


def test_the_second_is_told_who_holds_the_store(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(AvscError) as caught, hold(tmp_path):
        pass
    message = str(caught.value)
    me = this_process()
    assert f"process {me.pid} on {me.host}, since 20" in message
    assert str(tmp_path) in message


def test_the_lock_is_gone_afterwards_and_leaves_no_folder(tmp_path: Path) -> None:
    with hold(tmp_path):
        assert (tmp_path / FOLDER / "lock-all.json").exists()
    assert not (tmp_path / FOLDER).exists()
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / FOLDER).exists()


def test_parts_of_one_array_go_side_by_side(tmp_path: Path) -> None:
    with hold(tmp_path, Part(1, 3)), hold(tmp_path, Part(3, 3)):
        pass


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


def test_the_lock_of_a_dead_process_of_this_machine_is_stale_at_once(tmp_path: Path) -> None:
    path = leave_lock(tmp_path, dead_process())
    stale = path.read_bytes()
    with hold(tmp_path):
        assert path.read_bytes() != stale
        assert str(os.getpid()) in path.read_text()


def test_a_process_id_that_was_given_again_does_not_keep_a_lock(tmp_path: Path) -> None:
    path = leave_lock(tmp_path, replace(this_process(), process_start="1"))
    stale = path.read_bytes()
    with hold(tmp_path):
        assert path.read_bytes() != stale
        assert str(os.getpid()) in path.read_text()


def test_the_lock_of_a_process_killed_but_not_reaped_is_stale(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    start = lock._process_start(child.pid)
    assert start
    path = leave_lock(tmp_path, replace(this_process(), pid=child.pid, process_start=start))
    with pytest.raises(AvscError, match=f"process {child.pid}"), hold(tmp_path):
        pass
    assert path.exists()
    child.send_signal(signal.SIGKILL)
    while lock._process_start(child.pid) is not None:
        time.sleep(0.01)
    with hold(tmp_path):
        pass
    child.wait()


def test_a_lock_from_before_a_restart_is_stale(tmp_path: Path) -> None:
    path = leave_lock(tmp_path, replace(this_process(), boot="another"))
    stale = path.read_bytes()
    with hold(tmp_path):
        assert path.read_bytes() != stale
        assert str(os.getpid()) in path.read_text()


def test_another_machine_holds_while_its_heart_beats(tmp_path: Path) -> None:
    elsewhere = replace(this_process(), host="node17", pid=4)
    leave_lock(tmp_path, elsewhere, age_s=lock.STALE_S / 2)
    with pytest.raises(AvscError, match="process 4 on node17"), hold(tmp_path):
        pass
    leave_lock(tmp_path, elsewhere, age_s=lock.STALE_S * 2)
    with hold(tmp_path):
        pass


def test_another_container_of_this_machine_is_judged_by_its_heart(tmp_path: Path) -> None:
    leave_lock(tmp_path, replace(dead_process(), namespace="pid:[1]"))
    with pytest.raises(AvscError), hold(tmp_path):
        pass


def test_a_stale_lock_of_a_part_does_not_stop_a_whole_prepare(tmp_path: Path) -> None:
    left = leave_lock(tmp_path, dead_process(), "lock-part-2-of-4.json")
    with hold(tmp_path):
        assert not left.exists()


def test_a_lock_without_a_name_counts_until_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PAUSE_S", 0.001)
    path = leave_lock(tmp_path, this_process())
    path.write_text("", encoding="utf-8")
    with pytest.raises(AvscError, match="left no name"), hold(tmp_path):
        pass
    os.utime(path, (time.time() - 2 * lock.STALE_S,) * 2)
    with hold(tmp_path):
        pass


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    with hold(tmp_path):
        path = tmp_path / FOLDER / "lock-all.json"
        os.utime(path, (0, 0))
        for _ in range(1000):
            if path.stat().st_mtime > 1:
                break
            time.sleep(0.01)
        assert path.stat().st_mtime > 1


def test_of_many_that_find_a_stale_lock_one_holds_at_a_time(tmp_path: Path) -> None:
    leave_lock(tmp_path, dead_process())
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
    assert not list(tmp_path.glob(f"{FOLDER}/*"))
