import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.prepare.events import ClipDone, Job, PartitionAgain, PartitionDone
from avsc.prepare.executors import worker_processes
from avsc.prepare.ledger import Note
from avsc.prepare.lock import FOLDER
from avsc.prepare.run import prepare, stored_clips
from avsc.prepare.supervise import supervise
from avsc.store.create import open_for_writing
from avsc.store.read import Store
from avsc.store.schema import Status, StoreSettings

Sabotage = Callable[[dict[str, str]], None]

CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
HANG = "time.sleep(3600)"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CRASH, r"it took its worker process down \(SIGSEGV\) \(2 times\)"),
        ("os._exit(7)", r"it took its worker process down \(exit code 7\) \(2 times\)"),
        (HANG, r"it was stopped after 1.5 s without an end \(2 times\)"),
    ],
)
def test_only_the_clip_that_kills_or_hangs_is_quarantined(
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
    code: str,
    reason: str,
) -> None:
    store = tmp_path / "store"
    sabotage({ids[4]: code})
    with pytest.raises(AvscError, match=f"1 of 10 clips are quarantined:\n  {ids[4]}: {reason}"):
        prepare(dataset, store, settings, worker_processes(2), clip_timeout_s=1.5)
    assert Store.open(store, complete=False).reasons().keys() == {ids[4]}
    summary = prepare(dataset, store, settings, worker_processes(2), max_bad=1)
    assert (summary.prepared, summary.complete) == (0, True)
    status = Store.open(store).status()
    assert [row for row in range(10) if status[row] != Status.GOOD] == [4]


def test_a_clip_that_dies_once_is_tried_again_and_kept(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    once = tmp_path / "died"
    die_once = f"p = pathlib.Path({str(once)!r}); p.exists() or (p.touch(), {CRASH})"
    sabotage({ids[1]: die_once})
    summary = prepare(dataset, tmp_path / "store", settings, worker_processes(1))
    assert once.exists()
    assert summary.complete
    assert not summary.quarantined


def test_two_deadly_clips_in_one_partition_are_both_found(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[0]: CRASH, ids[2]: CRASH})
    summary = prepare(dataset, tmp_path / "store", settings, worker_processes(1), max_bad=2)
    assert summary.quarantined.keys() == {ids[0], ids[2]}


def test_an_unexpected_exception_names_its_clip_and_the_others_go_on(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[7]: "1 / 0"})
    with pytest.raises(AvscError, match=f"{ids[7]}: unexpected ZeroDivisionError: division by"):
        prepare(dataset, tmp_path / "store", settings, worker_processes(1))
    status = Store.open(tmp_path / "store", complete=False).status()
    assert (status == Status.GOOD).sum() == 9


def test_a_lost_file_server_ends_the_work_instead_of_blaming_clips(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[7]: "raise OSError(5, 'Input/output error')"})
    with pytest.raises(AvscError, match=r"OSError: \[Errno 5\]"):
        prepare(dataset, tmp_path / "store", settings, worker_processes(1))
    store = Store.open(tmp_path / "store", complete=False)
    assert not store.reasons()
    assert store.status()[:6].all()


def test_what_workers_print_does_not_confuse_us(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[2]: "print('{}'); os.write(1, b'not json')"})
    assert prepare(dataset, tmp_path / "store", settings, worker_processes(1)).complete


@pytest.fixture
def job(dataset: Path, settings: StoreSettings, tmp_path: Path) -> Job:
    from avsc.dataset.read import read_dataset

    open_for_writing(tmp_path / "store", stored_clips(read_dataset(dataset)), settings)
    (tmp_path / "store" / FOLDER).mkdir()
    return Job(dataset, tmp_path / "store", clip_timeout_s=30)


def test_closing_ends_the_workers_at_once(
    job: Job, ids: list[str], tmp_path: Path, sabotage: Sabotage
) -> None:
    pids = tmp_path / "pids"
    sabotage({ids[3]: f"pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); {HANG}"})
    events = supervise(job, [1], workers=1)
    next(events)
    while not pids.exists() or not pids.read_text():
        time.sleep(0.01)
    events.close()
    assert not Path(f"/proc/{pids.read_text()}").exists()
    assert not list(job.store.rglob("c.1*"))


def test_a_worker_ends_when_its_parent_is_gone(
    job: Job, ids: list[str], tmp_path: Path, sabotage: Sabotage
) -> None:
    pids = tmp_path / "pids"
    sabotage({ids[3]: f"pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); {HANG}"})
    parent = os.fork()
    if parent == 0:
        list(supervise(job, [1], workers=1))
        os._exit(0)
    while not pids.exists() or not pids.read_text():
        time.sleep(0.01)
    os.kill(parent, 9)
    os.waitpid(parent, 0)
    for _ in range(1000):
        if not Path(f"/proc/{pids.read_text()}").exists():
            break
        time.sleep(0.01)
    assert not Path(f"/proc/{pids.read_text()}").exists()


def test_the_note_in_the_store_names_the_clip_at_work_and_is_taken_away(
    job: Job, ids: list[str]
) -> None:
    seen = []
    for event in supervise(job, [1], workers=1, noted=True):
        if isinstance(event, ClipDone):
            continue
        seen.append((event, Note(job.store, 1).path.exists()))
    assert seen[-1] == (PartitionDone(1), False)
    assert all(noted for _, noted in seen[:-1])


def test_what_is_lost_with_a_worker_is_told(job: Job, ids: list[str], sabotage: Sabotage) -> None:
    sabotage({ids[5]: CRASH})
    again = [e for e in supervise(job, [1], workers=1) if isinstance(e, PartitionAgain)]
    assert [(e.partition, e.clips_lost, e.clip) for e in again] == [(1, 2, ids[5])] * 2


def test_workers_that_cannot_start_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="no store at"):
        list(supervise(Job(tmp_path, tmp_path / "nothing"), [0], workers=1))
