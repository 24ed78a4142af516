"""Clips as Dask tasks, and the writing of each partition as one more; or all of it in this process.

The same functions run in both ways. On a cluster a task is a clip; when all clips of a partition
have ended, one task takes their results from the workers that hold them and writes the partition.
Few partitions are in flight, so a worker holds few clips however large the data set is. Data move
between workers and never through this process.

A clip that crashes or hangs takes its worker process down with it: a task that takes too long ends
its own process, since nothing else can interrupt a decoder. Dask starts the worker again, computes
what was lost, and counts how often a clip did that (``allowed-failures``). Clips are root tasks of
which a worker is given one at a time (``worker-saturation: 1.0``), so no other clip is blamed.
"""

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avsc.errors import AvscError, BadClipError
from avsc.prepare.watch import Watch
from avsc.store.layout import StoredClip
from avsc.store.location import Location
from avsc.store.schema import StoreSettings, partition_range
from avsc.store.writer import ClipData, write_partition

if TYPE_CHECKING:
    from distributed import Future

STOPPED = "avsc-clip-stopped"  # topic of Dask events: a clip that took too long
MESSAGE_S = 0.5  # for that event to leave before the process ends
DEADLOCK_S = 5.0  # more, until a clip is ended that does not even let a timer run
WRITE_ATTEMPTS = 5
# A task that has ended well may be "lost" by now, its worker having died: Dask computes it again.
FAILED = ("error", "cancelled")
DEATHS_IN_A_ROW = 10  # so many clips, without one that ends well between, are no fault of clips

Report = Callable[[str, str], None]  # of a clip that has ended: its id, and why it is bad or ""


@dataclass(frozen=True)
class Work:
    """What every task is told.

    Attributes:
        dataset: Root of the data set.
        store: Location of the store, which has been created.
        proof: Name of a file in the store that every machine at work must see.
        clips: Number of clips of the store.
        settings: Settings of the store.
        clip_timeout_s: Time limit of a clip in seconds; its worker process is ended.
    """

    dataset: Path
    store: Location
    proof: str
    clips: int
    settings: StoreSettings
    clip_timeout_s: float

    def rows(self, partition: int) -> range:
        """The clips of a partition, as rows of the store."""
        return partition_range(partition, self.clips, self.settings)


def prepare_here(
    work: Work, clips: Sequence[StoredClip], partitions: Sequence[int], report: Report
) -> None:
    """Prepares partitions in this process, a clip after the other, without a limit on their time.

    Args:
        work: The data set and the store.
        clips: All clips of the store.
        partitions: Numbers of the partitions to prepare.
        report: Is told of every clip that has ended.

    Raises:
        AvscError: The machine cannot read a clip or write the store.
    """
    from avsc.prepare.clip import prepare_clip

    def prepared(rows: range) -> Iterator[ClipData | str]:
        for clip in (clips[row] for row in rows):
            reason = ""
            try:
                yield prepare_clip(work.dataset, clip, work.settings)
            except BadClipError as error:
                reason = error.one_line()
                yield reason
            report(clip.id, reason)

    for partition in partitions:
        write(work, partition, prepared(work.rows(partition)))


def write(work: Work, partition: int, results: Iterable[ClipData | str]) -> None:
    """Writes one partition whole.

    Args:
        work: The data set and the store.
        partition: Number of the partition.
        results: Data of each of its clips in order, or the reason why it is bad.

    Raises:
        AvscError: The store cannot be written.
    """
    with write_partition(work.store, work.clips, work.settings, partition) as writer:
        for row, result in zip(work.rows(partition), results, strict=True):
            if isinstance(result, str):
                writer.quarantine(row, result)
                continue
            try:
                writer.add(row, result, seconds=len(result.jpegs))
            except BadClipError as error:
                writer.quarantine(row, error.one_line())


@dataclass
class _Partition:
    """A partition in flight."""

    number: int
    results: "list[Future | str]"  # of its clips: on a worker, or the reason why it is bad
    at_work: int  # clips that have not ended
    attempts: int = 0  # at writing it


class OnCluster:
    """Prepares partitions on a cluster.

    Args:
        watch: Waits for the tasks of a cluster, and ends the work when nothing happens.
        work: The data set and the store.
        clips: All clips of the store.
        report: Is told of every clip that has ended.
    """

    def __init__(
        self, watch: Watch, work: Work, clips: Sequence[StoredClip], report: Report
    ) -> None:
        self._watch = watch
        self._client = watch.client
        self._work = work
        self._clips = clips
        self._report = report
        self._at_work: dict[Future, tuple[_Partition, int]] = {}  # clips: partition, place in it
        self._writing: dict[Future, _Partition] = {}
        self._stopped: set[str] = set()
        self._deaths_in_a_row = 0
        self._run = os.urandom(4).hex()  # in the keys of tasks: each run's are its own

    def prepare(self, partitions: Sequence[int]) -> None:
        """Prepares partitions; returns when all are in the store.

        Raises:
            AvscError: A machine cannot read a clip or write the store, no worker works, or the
                scheduler is gone.
        """
        self._client.subscribe_topic(STOPPED, lambda event: self._stopped.add(event[1]))
        waiting = deque(partitions)
        while waiting or self._at_work or self._writing:
            # Twice the workers, so that none waits for this process to give out more.
            while waiting and len(self._at_work) < 2 * max(1, self._watch.workers()):
                self._begin(waiting.popleft())
            future = self._watch.next_ended()
            if future in self._writing:
                self._written(future, self._writing.pop(future))
            elif future in self._at_work:
                self._clip_ended(future, *self._at_work.pop(future))

    def _begin(self, number: int) -> None:
        rows = self._work.rows(number)
        futures = self._client.map(
            partial(_clip_task, self._work),
            [self._clips[row] for row in rows],
            key=[(f"clip-{self._run}", row) for row in rows],
            pure=False,
            # Makes them root tasks, which the scheduler keeps until a worker has nothing to do.
            _data_producer=True,
        )
        partition = _Partition(number, list(futures), len(rows))
        for place, future in enumerate(futures):
            self._at_work[future] = partition, place
            self._watch.add(future)

    def _clip_ended(self, future: "Future", partition: _Partition, place: int) -> None:
        clip = self._clips[self._work.rows(partition.number)[place]]
        reason = ""
        if future.status in FAILED:
            reason = self._why_bad(_error(future), clip)
            partition.results[place] = reason
        else:
            self._deaths_in_a_row = 0
        self._report(clip.id, reason)
        partition.at_work -= 1
        if partition.at_work == 0:
            self._write(partition)

    def _why_bad(self, error: BaseException | str, clip: StoredClip) -> str:
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return self._why_killed(clip, error.allowed_failures + 1)
        if isinstance(error, BadClipError):
            return error.one_line()
        raise self._failure(error, f"clip {clip.id}")

    def _why_killed(self, clip: StoredClip, times: int) -> str:
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row >= DEATHS_IN_A_ROW:
            raise AvscError(
                f"the last {DEATHS_IN_A_ROW} clips each took {times} worker processes down, among"
                f" them {clip.id}",
                "workers that stay alive",
                "look into the workers' logs (memory, walltime); `--workers 0` works in this"
                " process and shows the fault; nothing was quarantined for it",
            )
        if clip.id in self._stopped:
            limit = f"{self._work.clip_timeout_s:g} s"
            return f"it was stopped after {limit} without an end ({times} times)"
        return f"it took its worker process down ({times} times)"

    def _write(self, partition: _Partition) -> None:
        partition.attempts += 1
        future = self._client.submit(
            _write_task,
            self._work,
            partition.number,
            partition.results,
            key=(f"write-{self._run}", partition.number, partition.attempts),
            priority=1,  # before clips, so that their memory is free again
        )
        self._writing[future] = partition
        self._watch.add(future)

    def _written(self, future: "Future", partition: _Partition) -> None:
        from distributed import KilledWorker

        if future.status not in FAILED:
            return
        error = _error(future)
        if not isinstance(error, KilledWorker) or partition.attempts >= WRITE_ATTEMPTS:
            raise self._failure(error, f"partition {partition.number}")
        name, row = error.task[:2]
        if name == f"clip-{self._run}":  # that went well once, was lost, and did not again
            reason = self._why_bad(error, self._clips[row])
            partition.results[row - self._work.rows(partition.number).start] = reason
        self._write(partition)

    def _failure(self, error: BaseException | str, what: str) -> AvscError:
        if isinstance(error, AvscError):
            return error
        if self._client.status != "running" or isinstance(error, str):
            return self._watch.lost_scheduler()
        return AvscError(
            f"{what} failed on the cluster: {type(error).__name__}: {error}",
            "workers with the same versions of avsc, Dask and Python as here",
            "look into the workers' logs, then run the same command again; what is complete is"
            " kept",
        )


def _error(future: "Future") -> BaseException | str:
    """Why a task has no result: its exception, or the state that it was left in."""
    error = future.exception() if future.status == "error" else None
    return error if isinstance(error, BaseException) else str(future.status)


def _clip_task(work: Work, clip: StoredClip) -> ClipData:
    """Runs on a worker, which alone loads the decoders."""
    import cv2

    from avsc.prepare.clip import prepare_clip, warm_up

    cv2.setNumThreads(1)  # the cores are shared out by processes
    _require_store(work)
    warm_up(work.settings)
    with _time_limit(clip.id, work.clip_timeout_s):
        return prepare_clip(work.dataset, clip, work.settings)


def _write_task(work: Work, partition: int, results: list[ClipData | str]) -> None:
    """Runs on a worker."""
    _require_store(work)
    write(work, partition, results)


def _require_store(work: Work) -> None:
    from avsc.prepare.clip import MachineError

    try:
        is_seen = work.store.has(work.proof)
    except AvscError as error:
        got = f"{socket.gethostname()}: {error.got}"
        raise MachineError(got, error.expected, error.remedy) from error
    if not is_seen:
        raise MachineError(
            f"{socket.gethostname()} does not see the store at {work.store.place}",
            "every machine that works sees the store under the same path",
            "mount it there, or take that machine away, and run the same command again; nothing"
            " was quarantined for it",
        )


@contextmanager
def _time_limit(clip: str, seconds: float) -> Iterator[None]:
    """Ends this process if the block takes longer."""
    from distributed import get_worker

    worker = get_worker()

    def end() -> None:
        worker.log_event(STOPPED, clip)
        time.sleep(MESSAGE_S)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    # For a decoder that hangs with the interpreter's lock: SIGALRM ends the process without Python.
    signal.setitimer(signal.ITIMER_REAL, seconds + DEADLOCK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        timer.cancel()
