"""How synthetic files get written: a folder that is ours, and work on all cores."""

import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from avsc import synth
from avsc.console import ProgressLine
from avsc.errors import AvscError
from avsc.files import TEMPORARY_PREFIX, write_text

VERSION = 2  # of the drawings and sounds; another one makes another data set
SETTINGS_FILE = "synthetic.json"
NOTE_FILE = "SYNTHETIC.txt"
NOTE = "This data set is synthetic: made by avsc, nothing in it was recorded.\n\n"


def claim(out: Path, settings: dict[str, object]) -> None:
    """Marks ``out`` as synthetic, of these settings.

    Raises:
        AvscError: ``out`` holds something else, or a synthetic set of other settings.
    """
    asked = {"generator_version": VERSION, **settings}
    path = out / SETTINGS_FILE
    if path.exists():
        _compare(out, json.loads(path.read_text(encoding="utf-8")), asked)
    elif out.is_dir() and any(out.iterdir()):
        raise AvscError(
            f"{out} is not empty, and no synthetic data set",
            "a new or empty folder",
            "choose another folder",
        )
    elif out.exists() and not out.is_dir():
        raise AvscError(f"{out} is a file", "a new or empty folder", "choose another name")
    for partial in out.rglob(f"{TEMPORARY_PREFIX}*"):
        partial.unlink(missing_ok=True)  # a maker that was killed left it
    write_text(out / NOTE_FILE, NOTE + (synth.__doc__ or ""))
    write_text(path, json.dumps(asked, indent=2) + "\n")


def _compare(out: Path, there: dict[str, object], asked: dict[str, object]) -> None:
    differing = [
        f"{key} is {there.get(key)!r}, asked for {asked.get(key)!r}"
        for key in sorted(there.keys() | asked.keys())
        if there.get(key) != asked.get(key)
    ]
    if differing:
        raise AvscError(
            f"{out} holds a synthetic data set of other settings: {'; '.join(differing)}",
            "a new folder, or the same settings",
            "choose another folder, or remove this one",
        )


def run_all(jobs: Sequence[Callable[[], None]], workers: int | None, line: ProgressLine) -> None:
    """Runs jobs (such as ``functools.partial`` makes) in processes; in this one for one worker."""
    workers = min(workers or _cores(), len(jobs))
    if workers <= 1:
        for job in jobs:
            job()
            line.advance()
        return
    # Not forked: a fork of a process that has threads (torch, OpenCV) may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        try:
            for done in as_completed([pool.submit(job) for job in jobs]):
                done.result()
                line.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin_worker() -> None:
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores out among themselves
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when its parent is killed, which would leave it waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
