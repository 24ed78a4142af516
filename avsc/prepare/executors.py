"""Where partitions are prepared: in this process, in worker processes, or on a Dask cluster."""

import os
from collections.abc import Sequence
from functools import partial

from avsc.prepare.events import Events, Executor, Job
from avsc.prepare.supervise import supervise


def synchronous(job: Job, partitions: Sequence[int]) -> Events:
    """Here and now, one after the other; nobody watches for a decoder that hangs."""
    from avsc.prepare.partition import Preparer

    preparer = Preparer(job.dataset, job.store)
    for partition in partitions:
        yield from preparer.steps(partition, {})


def worker_processes(workers: int) -> Executor:
    """So many processes of this machine, each watched."""
    return partial(supervise, workers=workers)


def cores() -> int:
    """The cores that this process may use, which a batch system may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
