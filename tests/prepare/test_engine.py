"""Worker processes of this machine: a clip that kills or hangs one costs that clip alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from avsc.dataset.read import read_dataset
from avsc.errors import AvscError
from avsc.prepare.clip import MachineError
from avsc.prepare.cluster import connect
from avsc.prepare.engine import OnCluster, Work
from avsc.prepare.profile import LocalProfile
from avsc.prepare.run import prepare, settings_for
from avsc.store.create import open_for_writing
from avsc.store.location import locate
from avsc.store.reader import Store
from avsc.store.schema import Status, StoreSettings
from tests.prepare.conftest import HANG

FilesOf = Callable[[Path], dict[str, bytes]]
Sabotage = Callable[[dict[str, str]], None]

CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
HANG_WITH_THE_INTERPRETER = "import ctypes; ctypes.PyDLL(None).sleep(3600)"


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_write_the_same_bytes_as_this_process(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    files_of: FilesOf,
    workers: int,
) -> None:
    summary = prepare(dataset, tmp_path / "store", settings, workers=workers)
    assert (summary.prepared, summary.complete) == (10, True)
    assert files_of(tmp_path / "store") == files_of(prepared)


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        (CRASH, ("2 times",)),
        ("os._exit(7)", ("2 times",)),
        (HANG, ("1.5 s", "2 times")),
        pytest.param(HANG_WITH_THE_INTERPRETER, ("2 times",), marks=pytest.mark.slow),
    ],
)
def test_only_the_clip_that_kills_or_hangs_is_quarantined(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
    code: str,
    facts: tuple[str, ...],
) -> None:
    store = tmp_path / "store"
    sabotage({ids[4]: code})
    with pytest.raises(AvscError) as caught:
        prepare(dataset, store, settings, workers=2, clip_timeout_s=1.5)
    assert ids[4] in caught.value.got
    assert all(fact in caught.value.got for fact in facts)
    assert Store.open(store, complete=False).reasons().keys() == {ids[4]}
    summary = prepare(dataset, store, settings, workers=2, max_bad=1)
    assert (summary.prepared, summary.complete) == (0, True)
    status = Store.open(store).status()
    assert [row for row in range(10) if status[row] != Status.GOOD] == [4]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_clip_that_dies_once_is_tried_again_and_nothing_is_lost(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
    files_of: FilesOf,
    workers: int,
) -> None:
    once = tmp_path / "died"
    die_once = f"p = pathlib.Path({str(once)!r}); p.exists() or (p.touch(), {CRASH})"
    sabotage({ids[4]: die_once})
    # The clips that waited in the dead worker for their partition's end are computed again.
    prepare(dataset, tmp_path / "store", settings, workers=workers)
    assert once.exists()
    assert files_of(tmp_path / "store") == files_of(prepared)


def test_of_neighbours_exactly_the_deadly_ones_are_found(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    deadly = {ids[0], ids[1], ids[2], ids[8]}
    sabotage(dict.fromkeys(deadly, CRASH))
    summary = prepare(dataset, tmp_path / "store", settings, workers=2, max_bad=4)
    assert summary.quarantined.keys() == deadly


def test_when_every_clip_dies_the_machine_is_at_fault_and_nothing_is_quarantined(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage(dict.fromkeys(ids, "os._exit(1)"))
    with pytest.raises(AvscError) as caught:
        prepare(
            dataset,
            tmp_path / "store",
            settings.model_copy(update={"partition_clips": 10}),
            workers=2,
        )
    assert "10 clips" in caught.value.got
    assert not Store.open(tmp_path / "store", complete=False).reasons()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unexpected_exception_names_its_clip_and_the_others_go_on(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    in_either: Sabotage,
    workers: int,
) -> None:
    in_either({ids[7]: "1 / 0"})
    summary = prepare(dataset, tmp_path / "store", settings, workers=workers, max_bad=1)
    assert summary.quarantined.keys() == {ids[7]}
    assert "ZeroDivisionError" in summary.quarantined[ids[7]]
    status = Store.open(tmp_path / "store").status()
    assert (status == Status.GOOD).sum() == 9


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "code",
    [
        "raise OSError(5, 'Input/output error')",
        "raise MemoryError",
        "from avsc.errors import BadClipError\n"
        "raise BadClipError('unreadable') from OSError(116, 'Stale file handle')",
    ],
)
def test_a_fault_of_the_machine_ends_the_work_instead_of_blaming_clips(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    in_either: Sabotage,
    workers: int,
    code: str,
) -> None:
    in_either({ids[7]: code})
    with pytest.raises(MachineError) as caught:
        prepare(dataset, tmp_path / "store", settings, workers=workers)
    assert ids[7] in caught.value.got
    store = Store.open(tmp_path / "store", complete=False)
    assert not store.reasons()
    assert not list((tmp_path / "store").rglob(".p*"))


def test_a_clip_whose_file_is_gone_ends_the_work_and_names_host_and_path(
    make_dataset: Callable[..., Path], settings: StoreSettings, tmp_path: Path, in_either: Sabotage
) -> None:
    dataset = make_dataset(3)
    gone = sorted((dataset / "video").iterdir())[1]
    first = sorted((dataset / "audio").iterdir())[0].stem
    in_either({first: f"pathlib.Path({str(gone)!r}).unlink()"})
    with pytest.raises(MachineError) as caught:
        prepare(dataset, tmp_path / "store", settings)
    assert str(gone) in caught.value.got
    assert os.uname().nodename in caught.value.got
    assert not Store.open(tmp_path / "store", complete=False).reasons()


def test_what_workers_print_does_not_confuse_us(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[2]: "print('{}'); os.write(1, b'not json')"})
    assert prepare(dataset, tmp_path / "store", settings, workers=1).complete


def test_a_clip_whose_result_is_lost_before_it_is_looked_at_is_prepared_again(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
) -> None:
    marker = tmp_path / "marker"
    slow_again = f"m = pathlib.Path({str(marker)!r}); m.exists() and time.sleep(4); m.touch()"
    sabotage({ids[4]: slow_again, ids[5]: CRASH})
    data = read_dataset(dataset)
    clips, settings = data.clips, settings_for(data, settings)
    store = tmp_path / "store"
    open_for_writing(store, clips, settings)
    work = Work(data.root, locate(store), "zarr.json", len(clips), settings, 60)

    def report(clip: str, reason: str) -> None:
        # Meanwhile the only worker ends the next clip, dies of the one after it, and is at work
        # on the next clip again.
        time.sleep(3 if clip == ids[3] else 0)

    with connect(LocalProfile(kind="local", workers=1), clip_timeout_s=60) as watch:
        OnCluster(watch, work, clips, report).prepare(range(4))
    status = Store.open(store, complete=False).status()
    assert [row for row in range(10) if status[row] != Status.GOOD] == [5]


def test_no_port_is_open_to_others_and_none_serves_pages() -> None:
    with connect(LocalProfile(kind="local", workers=1), clip_timeout_s=60):
        me = psutil.Process()
        found = {p.pid: listening(p) for p in [me, *me.children(recursive=True)]}
    ours = found.pop(me.pid)
    assert len(ours) == 2  # the scheduler and the nanny of the worker
    assert sum(len(theirs) for theirs in found.values()) == 1  # the worker
    assert {address.ip for theirs in [ours, *found.values()] for address in theirs} == {"127.0.0.1"}


def listening(process: psutil.Process) -> list[Any]:
    """Addresses on which a process listens."""
    return [c.laddr for c in process.net_connections("tcp") if c.status == "LISTEN"]


def test_workers_end_when_the_process_that_started_them_is_killed(
    dataset: Path, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    pids = tmp_path / "pids"
    sabotage({ids[3]: f"pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); {HANG}"})
    words = ["prepare", str(dataset), str(tmp_path / "store"), "--workers=2"]
    parent = subprocess.Popen([sys.executable, "-m", "avsc", *words])
    while not pids.exists() or not pids.read_text():
        assert parent.poll() is None
        time.sleep(0.01)
    family = psutil.Process(parent.pid).children(recursive=True)
    assert int(pids.read_text()) in {process.pid for process in family}
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_a_clip_that_went_well_was_lost_and_then_kills_is_quarantined_too(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    well, lost = tmp_path / "well", tmp_path / "lost"
    sabotage(
        {
            ids[0]: f"p = pathlib.Path({str(well)!r}); {CRASH} if p.exists() else p.touch()",
            ids[2]: f"p = pathlib.Path({str(lost)!r}); p.exists() or (p.touch(), {CRASH})",
        }
    )
    summary = prepare(dataset, tmp_path / "store", settings, workers=1, max_bad=1)
    assert summary.quarantined.keys() == {ids[0]}


def test_a_script_that_begins_work_on_import_is_told_so(dataset: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import avsc\navsc.prepare({str(dataset)!r}, {str(tmp_path / 'store')!r}, workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "AvscError" in done.stderr
    assert "__main__" in done.stderr
