"""Dask clusters: worker processes of this machine, a scheduler that runs already, SLURM jobs."""

import logging
import multiprocessing.forkserver
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from avsc.errors import AvscError
from avsc.prepare.profile import AddressProfile, LocalProfile, Profile, SlurmProfile
from avsc.prepare.watch import Watch

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client, SpecCluster

# How often a clip may take its worker down before it is at fault. A process of this machine ended
# by itself; a lost machine (walltime, pre-emption) is weaker evidence.
DEATHS_HERE = 2
DEATHS_ON_SLURM = 3
WORKER_PRELOAD = "avsc.prepare.dask_worker"
# The cores are shared out by processes.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), 1
)


def usable_cores() -> int:
    """Number of cores that this process may use, which a batch system may have limited."""
    from dask.system import cpu_count

    return int(cpu_count())


@contextmanager
def connect(profile: Profile, clip_timeout_s: float) -> Iterator[Watch]:
    """Starts the cluster of a profile, or connects to it; what was started ends with the block.

    Args:
        profile: The cluster.
        clip_timeout_s: Time limit of a clip in seconds.

    Raises:
        AvscError: No scheduler answers, or workers cannot be started.
    """
    limits = profile.idle_limit_s, clip_timeout_s
    if isinstance(profile, LocalProfile):
        _start_fork_server()
    with _settings(profile):
        match profile:
            case LocalProfile(workers=workers):
                with _local(workers) as client:
                    yield Watch(client, "the worker processes of this machine", *limits)
            case AddressProfile(address=address):
                with _at_address(profile) as client:
                    yield Watch(client, f"the Dask cluster at {address}", *limits)
            case SlurmProfile(jobs=jobs):
                with slurm_cluster(profile) as cluster:
                    from distributed import Client

                    # Jobs that end are replaced; the watch ends it when none of them works.
                    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
                    with _refusals() as refused, Client(cluster) as client:
                        details = partial(_job_states, cluster, refused)
                        yield Watch(client, "the SLURM jobs", *limits, details)


def _start_fork_server() -> None:
    """Starts the process that worker processes are forked from.

    It loads what a worker needs once for all of them, while this process loads Dask. It must have
    no threads, which a fork would leave behind.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed", "avsc.prepare.clip"])
    outer = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update({name: str(count) for name, count in ONE_THREAD.items()})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        for name, value in outer.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _settings(profile: Profile) -> Iterator[None]:
    import dask
    import distributed  # noqa: F401  # its defaults must be there, or they are unset with ours

    deaths = DEATHS_ON_SLURM if isinstance(profile, SlurmProfile) else DEATHS_HERE
    settings = {
        "distributed.scheduler.allowed-failures": deaths - 1,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.profile.enabled": False,
        # Dask looks every 20 ms whether its event loops keep up: 2 % of all that we compute.
        "distributed.admin.tick.interval": "1 s",
        "distributed.admin.system-monitor.interval": "10 s",
        # Dask's own value also gives memory back at once, which costs a fifth of a clip's time.
        "distributed.nanny.pre-spawn-environ": ONE_THREAD,
        "distributed.worker.multiprocessing-method": "forkserver",
        # Its HTTP servers cannot be left out; they serve nothing, and are closed at once.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.preload": [WORKER_PRELOAD],
    }
    if isinstance(profile, LocalProfile):
        # Or a worker that is between two lives after that time is taken for lost for ever.
        settings["distributed.deploy.lost-worker-timeout"] = "1 day"
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with dask.config.set(settings):
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _local(workers: int) -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    try:
        started = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise AvscError(
            f"worker processes do not start: {error}",
            "processes that can be forked and that import the main module",
            'in a script of your own, begin the work under `if __name__ == "__main__":`; or prepare'
            " with workers=0 (--workers 0), in this process",
        ) from None
    with started as cluster:
        cluster.sync(_close_http_server, cluster)
        try:
            with Client(cluster) as client:
                yield client
        finally:
            # A worker inside a decoder does not end when it is asked to.
            for nanny in cluster.workers.values():
                nanny.close_gracefully()  # it does not start its process again
                if nanny.pid:
                    with suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)


@contextmanager
def _at_address(profile: AddressProfile) -> "Iterator[Client]":
    from distributed import Client

    try:
        client = Client(profile.address, timeout=profile.timeout_s)
    except (OSError, TimeoutError, ValueError) as error:
        raise AvscError(
            f"no Dask scheduler answers at {profile.address}: {error}",
            "a running scheduler",
            "start it (`dask scheduler`) and its workers, or correct the address",
        ) from None
    with client:
        _require_our_version(client, profile.address)
        yield client


def _require_our_version(client: "Client", address: str) -> None:
    """Refuses a scheduler or workers of another Dask, whose messages ours does not understand."""
    from distributed import versions as version_info

    ours = _version(version_info.get_versions())
    try:
        found = client.get_versions()
    except (OSError, TimeoutError, ValueError, TypeError, KeyError) as error:
        theirs = {f"the scheduler says {type(error).__name__}: {error}"}
    else:
        everyone = {"the scheduler": found["scheduler"]}
        everyone |= {f"the worker {name}": said for name, said in found["workers"].items()}
        theirs = {f"{w} has {_version(x)}" for w, x in everyone.items() if _version(x) != ours}
    if theirs:
        raise AvscError(
            f"the Dask cluster at {address} is of another version: {', '.join(sorted(theirs))}",
            f"{ours}, as here",
            f"install {ours.replace(' ', '==')} where the scheduler and the workers run, or their"
            " version here",
        )


def _version(said: dict[str, Any] | None) -> str:
    packages = (said or {}).get("packages", {})
    return f"distributed {packages.get('distributed', 'of unknown version')}"


async def _close_http_server(cluster: "SpecCluster") -> None:
    """Closes the port that Dask opens even without a dashboard; nothing is asked there."""
    cluster.scheduler.http_server.stop()


@contextmanager
def slurm_cluster(profile: SlurmProfile) -> Iterator[Any]:
    """A scheduler in this process for SLURM jobs; none is submitted yet.

    Raises:
        AvscError: dask-jobqueue is not installed, or refuses the profile.
    """
    cluster_class = _slurm_cluster_class()
    optional = {
        "queue": profile.queue,
        "account": profile.account,
        "interface": profile.interface,
        "log_directory": profile.log_directory,
    }
    try:
        cluster = cluster_class(
            cores=profile.cores,
            processes=profile.cores,  # one decoder thread each
            memory=profile.memory,
            walltime=profile.walltime,
            job_extra_directives=list(profile.directives),
            job_script_prologue=list(profile.prologue),
            worker_extra_args=["--no-dashboard", "--preload", WORKER_PRELOAD],
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
            **{key: value for key, value in optional.items() if value is not None},
        )
    except (RuntimeError, ValueError) as error:
        raise AvscError(
            f"the SLURM cluster cannot be described: {error}",
            "a profile that fits this machine",
            "correct the cluster profile",
        ) from None
    try:
        cluster.sync(_close_http_server, cluster)
        yield cluster
    finally:
        with suppress(AssertionError):  # of a job that SLURM never took
            cluster.close()


def job_script(profile: SlurmProfile) -> str:
    """The script that SLURM would be given for each job; nothing is submitted."""
    with slurm_cluster(profile) as cluster:
        return str(cluster.job_script())


@contextmanager
def _refusals() -> Iterator[list[str]]:
    """Collects what ``sbatch`` says when it takes no job; Dask only logs it, with a traceback."""
    said: list[str] = []

    def keep(entry: logging.LogRecord) -> bool:
        error = entry.exc_info[1] if entry.exc_info else None
        if error is None or "sbatch" not in str(error):
            return True
        said.append(str(error).partition("stderr:")[2].strip() or str(error))
        return False

    log = logging.getLogger("tornado.application")
    log.addFilter(keep)
    try:
        yield said
    finally:
        log.removeFilter(keep)


def _job_states(cluster: "SLURMCluster", refused: Sequence[str]) -> str:
    """The states of our jobs in SLURM's words, such as ``2 PENDING (Resources)``."""
    ids = [job.job_id for job in cluster.workers.values() if job.job_id]
    if not ids:
        return refused[-1] if refused else "no SLURM jobs"
    words = ["squeue", "--noheader", "--format=%T (%r)", f"--jobs={','.join(ids)}"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{len(ids)} SLURM jobs ({error})"
    states = Counter(said.stdout.splitlines())
    return ", ".join(f"{count} {state}" for state, count in states.items()) or said.stderr.strip()


def _slurm_cluster_class() -> "type[SLURMCluster]":
    # dask-jobqueue takes SIGINT over when it is imported: Ctrl-C would then end us without a word.
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise AvscError(
            "dask-jobqueue is not installed",
            "it, for a SLURM profile",
            'pip install "avsc[cluster]"',
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)
    found: type[SLURMCluster] = SLURMCluster
    return found
