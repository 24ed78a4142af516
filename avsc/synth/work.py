"""How synthetic files are written: a folder marked as ours, and jobs in processes."""

import json
import multiprocessing
import operator
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from avsc.console import progress
from avsc.errors import AvscError
from avsc.files import TEMPORARY_PREFIX, write_text
from avsc.synth import plan

VERSION = 3  # of the drawings and sounds; another one makes another data set
SETTINGS_FILE = "synthetic.json"
NOTE_FILE = "SYNTHETIC.txt"
NOTE = "This data set is synthetic: made by avsc, nothing in it was recorded.\n\n"


class Job(NamedTuple):
    """Work that writes files, each of which is there whole or not at all."""

    run: Callable[[], None]
    files: list[Path]


def claim(out: Path, settings: dict[str, object]) -> None:
    """Marks ``out`` as synthetic, of these settings.

    Raises:
        AvscError: ``out`` holds something else, or a synthetic set of other settings.
    """
    requested = {"generator_version": VERSION, **settings}
    path = out / SETTINGS_FILE
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        differing = [
            f"{key} is {stored.get(key)!r}, asked for {requested.get(key)!r}"
            for key in sorted(stored.keys() | requested.keys())
            if stored.get(key) != requested.get(key)
        ]
        if differing:
            raise AvscError(
                f"{out} holds a synthetic data set of other settings: {'; '.join(differing)}",
                "a new folder, or the same settings",
                "choose another folder, or remove this one",
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AvscError(
            f"{out} is there already, and is no synthetic data set",
            "a new or empty folder",
            "choose another folder",
        )
    for leftover in out.rglob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)  # of a maker that was killed
    write_text(out / NOTE_FILE, NOTE + (plan.__doc__ or ""))
    write_text(path, json.dumps(requested, indent=2) + "\n")


def run_missing(title: str, unit: str, jobs: Sequence[Job], workers: int | None) -> int:
    """Runs the jobs whose files are not all there, and returns their number.

    Args:
        title: Title of the progress line.
        unit: What a job makes, in the plural.
        jobs: All jobs.
        workers: Number of processes; one a core when None, only this process when 1.
    """
    missing = [job.run for job in jobs if not all(path.exists() for path in job.files)]
    workers = min(workers or len(os.sched_getaffinity(0)), len(missing))
    with progress(title, len(jobs), unit, done=len(jobs) - len(missing)) as line:
        if workers <= 1:
            for run in missing:
                run()
                line.advance()
            return len(missing)
        # Not forked: a fork of a process that has threads (torch, OpenCV) may hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
            # After an error or Ctrl-C, map cancels what has not begun.
            for _ in pool.map(operator.call, missing):
                line.advance()
    return len(missing)


def _begin_worker() -> None:
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores among themselves
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers after Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # Without this, workers of a parent that was killed would wait for work for ever.
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
