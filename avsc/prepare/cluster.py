"""Partitions on a Dask cluster: one on this machine, a running scheduler, or SLURM.

Dask only hands out partitions and moves their names; each Dask worker prepares its partition in
a watched process of its own and writes it to the store by itself. So a decoder that crashes never
takes a Dask worker with it, and a Dask worker that goes (walltime, pre-emption, a dead node) costs
the partition it had, which is handed out again. Dask's own counting of failures is not used: it
suspects every task that a lost worker had, while the note in the store names the clip.
"""

import signal
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from avsc.errors import AvscError
from avsc.prepare.events import Event, Events, Executor, Job
from avsc.prepare.ledger import LOSSES, Ledger, Note
from avsc.prepare.supervise import supervise

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client, Future


LOSSES_OF_A_PARTITION = 20  # lost workers at changing clips: the cluster is at fault, not a clip


class _Profile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LocalProfile(_Profile):
    """A cluster on this machine."""

    kind: Literal["local"]
    workers: int = Field(ge=1)


class AddressProfile(_Profile):
    """A scheduler that runs already; its workers see the data set and the store."""

    kind: Literal["address"]
    address: str
    timeout_s: float = Field(default=30.0, gt=0)


class SlurmProfile(_Profile):
    """Jobs that dask-jobqueue submits; each runs a worker a core."""

    kind: Literal["slurm"]
    jobs: int = Field(ge=1)
    cores: int = Field(ge=1)  # a job
    memory: str  # a job
    walltime: str
    queue: str | None = None
    account: str | None = None
    interface: str | None = None  # network interface, where the default is not the fast one
    log_directory: str | None = None
    directives: tuple[str, ...] = ()  # further #SBATCH lines, without the #SBATCH
    prologue: tuple[str, ...] = ()  # shell lines before the worker starts


Profile = Annotated[LocalProfile | AddressProfile | SlurmProfile, Field(discriminator="kind")]


def read_profile(path: Path) -> LocalProfile | AddressProfile | SlurmProfile:
    """Reads a cluster profile.

    Raises:
        AvscError: It cannot be read, is not TOML, or a key or value is not a profile's.
    """
    examples = "compare with pipelines/clusters/*.toml"
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        adapter: TypeAdapter[LocalProfile | AddressProfile | SlurmProfile] = TypeAdapter(Profile)
        # Through JSON's rules, in which a list may stand for a tuple and no text for a number.
        return adapter.validate_python(_with_tuples(tree))
    except OSError as error:
        raise AvscError(f"cannot read {path}: {error.strerror}", "a TOML file", examples) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AvscError(f"{path} is not TOML: {error}", "key = value", examples) from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise AvscError(
            f"{path} is no cluster profile: {'; '.join(faults)}",
            'kind = "local", "address" or "slurm" with its keys',
            examples,
        ) from None


def dask_cluster(profile: LocalProfile | AddressProfile | SlurmProfile) -> Executor:
    """Prepares on the cluster of a profile; it is started and stopped with the work."""

    def execute(job: Job, partitions: Sequence[int]) -> Events:
        absolute = Job(job.dataset.resolve(), job.store.resolve(), job.clip_timeout_s)
        with _client(profile) as client, closing(prepare_with(client, absolute, partitions)) as run:
            yield from run

    return execute


def prepare_with(client: "Client", job: Job, partitions: Sequence[int]) -> Events:
    """Prepares partitions on whatever cluster a client is connected to.

    Raises:
        AvscError: A partition cannot be written, its workers are lost again and again, or the
            scheduler is gone.
    """
    from distributed import KilledWorker, as_completed

    ledger = Ledger(LOSSES)
    losses: dict[int, int] = {}
    at_work: dict[Future, int] = {}

    def submit(partition: int) -> "Future":
        future = client.submit(
            _prepare_one, job, partition, dict(ledger.banned(partition)), pure=False, retries=0
        )
        at_work[future] = partition
        return future

    waiting = as_completed([submit(partition) for partition in partitions])
    for future in waiting:
        partition = at_work.pop(future)
        error = future.exception() if future.status == "error" else None
        if future.status == "finished":
            yield from future.result()
        elif isinstance(error, KilledWorker):
            losses[partition] = losses.get(partition, 0) + 1
            _blame(ledger, job, partition, losses[partition])
            waiting.add(submit(partition))
        elif isinstance(error, AvscError):
            raise error
        else:
            raise _broken(partition, error or future.status)


def job_script(profile: SlurmProfile) -> str:
    """The script that SLURM would be given for each job; nothing is submitted."""
    with _slurm_cluster(profile) as cluster:
        return str(cluster.job_script())


def _prepare_one(job: Job, partition: int, banned: dict[str, str]) -> list[Event]:
    """Runs on a Dask worker."""
    return list(supervise(job, [partition], workers=1, banned=banned, noted=True))


def _blame(ledger: Ledger, job: Job, partition: int, losses: int) -> None:
    clip = Note(job.store, partition).take()
    if clip:
        ledger.blame(partition, clip, "its machine or Dask worker was lost while preparing it")
    if losses >= LOSSES_OF_A_PARTITION:
        raise AvscError(
            f"partition {partition} lost its Dask worker {losses} times",
            "workers that live long enough for a partition",
            "look into the workers' logs (memory, walltime); what is complete is kept",
        )


def _broken(partition: int, why: object) -> AvscError:
    return AvscError(
        f"partition {partition} failed on the cluster: {type(why).__name__}: {why}",
        "a scheduler that answers, and workers on which avsc is installed",
        "look into the scheduler's and the workers' logs, then run the same command again;"
        " what is complete is kept",
    )


@contextmanager
def _client(profile: LocalProfile | AddressProfile | SlurmProfile) -> Iterator["Client"]:
    from distributed import Client

    if isinstance(profile, AddressProfile):
        try:
            client = Client(profile.address, timeout=profile.timeout_s)
        except (OSError, TimeoutError, ValueError) as error:
            raise AvscError(
                f"no Dask scheduler answers at {profile.address}: {error}",
                "a running scheduler",
                "start it (`dask scheduler`) and its workers, or correct the address",
            ) from None
        with client:
            yield client
        return
    with _own_cluster(profile) as cluster, Client(cluster) as client:
        yield client


@contextmanager
def _own_cluster(profile: LocalProfile | SlurmProfile) -> Iterator[Any]:
    import dask
    from distributed import LocalCluster

    # A lost worker's tasks come back at once: whom to blame is decided here.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        if isinstance(profile, SlurmProfile):
            with _slurm_cluster(profile) as cluster:
                cluster.scale(jobs=profile.jobs)
                yield cluster
            return
        with LocalCluster(
            n_workers=profile.workers, threads_per_worker=1, dashboard_address=None
        ) as cluster:
            yield cluster


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


@contextmanager
def _slurm_cluster(profile: SlurmProfile) -> Iterator[Any]:
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
            scheduler_options={"dashboard_address": None},
            **{key: value for key, value in optional.items() if value is not None},
        )
    except (RuntimeError, ValueError) as error:
        raise AvscError(
            f"the SLURM cluster cannot be described: {error}",
            "a profile that fits this machine",
            "correct the cluster profile",
        ) from None
    with cluster:
        yield cluster


def _with_tuples(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in tree.items()}
