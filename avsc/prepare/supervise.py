"""Worker processes under a watch: none of them can hang the run, lose a clip or outlive us.

One loop, without threads, reads what the workers say (see `avsc.prepare.worker`), gives them
partitions, and ends those that stay at one clip for too long. The workers are plain child
processes and not ``multiprocessing`` ones: they inherit nothing but a pipe, they can be started
from a Dask worker (a daemonic process may have no ``multiprocessing`` children), and they end by
themselves when the pipe closes, however this process ends.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import avsc
from avsc.errors import AvscError
from avsc.prepare.events import ClipBegun, ClipDone, Events, Job, PartitionAgain, PartitionDone
from avsc.prepare.ledger import KILLS, Ledger, Note

# One thread a process: the cores are shared out by processes, and pools of threads in each of
# them would only get into each other's way.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)
STARTS = 3  # a worker that dies outside any clip is started this often for a partition
_SOMEBODY_STOPPED_IT = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class _Child:
    """One worker process and what it is at."""

    def __init__(self, job: Job) -> None:
        self.partition: int | None = None
        self.clip = ""
        self.clips_done = 0
        self.begun_s = 0.0
        self._rest = b""
        self.process = subprocess.Popen(
            # -P: a module of the user's current folder must not stand in for one of ours.
            [sys.executable, "-P", "-m", "avsc.prepare.worker", str(job.dataset), str(job.store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            bufsize=0,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.inlet, self.outlet = self.process.stdin, self.process.stdout

    def assign(self, partition: int, banned: dict[str, str], noted: bool) -> None:
        self.partition, self.clip, self.clips_done = partition, "", 0
        order = json.dumps({"partition": partition, "banned": banned, "noted": noted})
        with suppress(BrokenPipeError):  # it is dead; its outlet says so
            self.inlet.write(order.encode() + b"\n")

    def read(self) -> list[dict[str, Any]] | None:
        """The messages that have come; None when the worker is gone."""
        data = os.read(self.outlet.fileno(), 1 << 16)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Ends the process, if it has not ended."""
        self.process.kill()
        self.inlet.close()
        self.outlet.close()
        # One that hangs inside the kernel, on a lost file server, is left to die there.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)


def supervise(
    job: Job,
    partitions: Sequence[int],
    workers: int,
    banned: dict[str, str] | None = None,
    noted: bool = False,
) -> Events:
    """Prepares partitions in worker processes and yields what happens.

    Args:
        job: The data set and the store.
        partitions: What to do, in order.
        workers: How many processes.
        banned: Clips that are quarantined unseen, with reasons.
        noted: Leave a note of the current clip in the store, for the case that this process
            is lost together with its worker.

    Raises:
        AvscError: A partition cannot be written, or workers do not start.
    """
    with _watch(job, workers=min(workers, len(partitions)), noted=noted) as watch:
        yield from watch.run(partitions, banned or {})


@contextmanager
def _watch(job: Job, workers: int, noted: bool) -> Iterator["_Watch"]:
    watch = _Watch(job, workers, noted)
    try:
        yield watch
    finally:
        watch.close()


class _Watch:
    def __init__(self, job: Job, workers: int, noted: bool) -> None:
        self._job = job
        self._noted = noted
        self._ledger = Ledger(KILLS)
        self._starts: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._children: list[_Child] = []
        for _ in range(workers):
            self._start()

    def close(self) -> None:
        for child in self._children:
            child.close()
        self._children.clear()
        self._selector.close()

    def run(self, partitions: Sequence[int], banned: dict[str, str]) -> Events:
        self._queue = deque(partitions)
        self._given = banned
        for child in self._children:
            self._assign(child)
        while any(child.partition is not None for child in self._children):
            for key, _ in self._selector.select(self._patience_s()):
                yield from self._hear(key.data)
            yield from self._end_the_stuck()

    def _start(self) -> _Child:
        child = _Child(self._job)
        self._children.append(child)
        self._selector.register(child.outlet, selectors.EVENT_READ, child)
        return child

    def _assign(self, child: _Child) -> None:
        if not self._queue:
            child.partition = None
            return
        partition = self._queue.popleft()
        if self._noted:
            Note(self._job.store, partition).write("")
        child.assign(partition, self._given | self._ledger.banned(partition), self._noted)

    def _hear(self, child: _Child) -> Events:
        messages = child.read()
        if messages is None:
            yield from self._bury(child)
            return
        for message in messages:
            match message:
                case {"begin": clip}:
                    child.clip, child.begun_s = clip, time.monotonic()
                    yield ClipBegun(clip)
                case {"end": clip, "reason": reason}:
                    child.clip = ""
                    child.clips_done += 1
                    yield ClipDone(clip, reason)
                case {"written": partition}:
                    if self._noted:
                        Note(self._job.store, partition).take()
                    yield PartitionDone(partition)
                    self._assign(child)
                case {"error": [got, expected, remedy], "traceback": text}:
                    error = AvscError(got, expected, remedy)
                    error.add_note(text)
                    raise error
                case _:
                    raise AssertionError(message)

    def _bury(self, child: _Child, how: str = "") -> Events:
        """A worker is gone: blames its clip, and gives its partition to a new one."""
        self._selector.unregister(child.outlet)
        self._children.remove(child)
        blamed = bool(how)
        if not how:
            code = child.process.wait()
            blamed = code not in _SOMEBODY_STOPPED_IT
            how = f"it took its worker process down ({_ending(code)})"
        child.close()
        if child.partition is None:
            return
        if child.clip and blamed:
            self._ledger.blame(child.partition, child.clip, how)
        elif not child.clip:
            self._count_start(child.partition, how)
        yield PartitionAgain(child.partition, child.clips_done, child.clip, how)
        self._queue.appendleft(child.partition)
        self._assign(self._start())

    def _count_start(self, partition: int, how: str) -> None:
        self._starts[partition] = self._starts.get(partition, 0) + 1
        if self._starts[partition] >= STARTS:
            raise AvscError(
                f"the worker of partition {partition} died {STARTS} times outside any clip: {how}",
                "a process that starts and writes",
                "see the messages above; `--workers 0` shows the fault in this process",
            )

    def _patience_s(self) -> float | None:
        begun = [child.begun_s for child in self._children if child.clip]
        if not begun:
            return None
        return max(0.0, min(begun) + self._job.clip_timeout_s - time.monotonic())

    def _end_the_stuck(self) -> Events:
        timeout_s = self._job.clip_timeout_s
        now_s = time.monotonic()
        stuck = [c for c in self._children if c.clip and now_s - c.begun_s >= timeout_s]
        for child in stuck:
            yield from self._bury(child, f"it was stopped after {timeout_s:g} s without an end")


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    home = str(Path(avsc.__file__).parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}
