"""SLURM itself: its controller and one node, on loopback, with a configuration of their own."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.prepare.profile import SlurmProfile
from avsc.prepare.run import prepare
from avsc.store.schema import StoreSettings

FilesOf = Callable[[Path], dict[str, bytes]]
Sabotage = Callable[[dict[str, str]], None]

DAEMONS = ("munged", "slurmctld", "slurmd")
HANG = "time.sleep(3600)"
CORES = 2
CONFIGURATION = """
ClusterName=avsc
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/node.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000
PartitionName=all Nodes={host} Default=YES State=UP
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.getuid() != 0 or any(shutil.which(name) is None for name in DAEMONS),
        reason="needs root and munged, slurmctld and slurmd",
    ),
]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SLURM with one node of two cores; its commands ask it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "spool").mkdir()
    key, configuration = tmp_path / "munge.key", tmp_path / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            controller=free_port(),
            node=free_port(),
            folder=tmp_path,
            cores=CORES,
        )
    )
    files = ("socket", "pid", "log", "seed")
    munge = [f"--{name}-file={tmp_path}/munge.{name}" for name in files[1:]]
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    with ExitStack() as running:
        words = [f"--socket={tmp_path}/munge.socket", f"--key-file={key}"]
        running.enter_context(started("munged", "--force", "-F", *words, *munge))
        until((tmp_path / "munge.socket").exists)
        for name in DAEMONS[1:]:
            running.enter_context(started(name, "-D", "-f", str(configuration)))
        until(lambda: asked("sinfo", "--noheader", "--format=%T") == "idle")
        yield
        asked("scancel", "--user=root", "--signal=KILL")
        asked("scancel", "--user=root")
        until(lambda: not asked("squeue", "--noheader"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def started(*words: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            yield
        finally:
            process.terminate()


def asked(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def profile(tmp_path: Path, cores: int, idle_limit_s: float) -> SlurmProfile:
    return SlurmProfile(
        kind="slurm",
        jobs=1,
        cores=cores,
        memory="1GB",
        walltime="00:10:00",
        interface="lo",
        log_directory=str(tmp_path / "logs"),
        idle_limit_s=idle_limit_s,
    )


@pytest.mark.usefixtures("slurm")
def test_a_job_that_is_cancelled_is_replaced(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    files_of: FilesOf,
    sabotage: Sabotage,
) -> None:
    reached = tmp_path / "reached"
    sabotage(
        {ids[4]: f"p = pathlib.Path({str(reached)!r})\nif not p.exists():\n p.touch()\n {HANG}"}
    )
    cancelled: list[str] = []

    def cancel() -> None:
        while not reached.exists():
            time.sleep(0.05)
        cancelled.append(asked("squeue", "--noheader", "--format=%i"))
        asked("scancel", *cancelled)

    thread = threading.Thread(target=cancel)
    thread.start()
    prepare(dataset, tmp_path / "store", settings, cluster=profile(tmp_path, 1, 300.0))
    thread.join()
    assert cancelled[0].isdecimal()
    assert files_of(tmp_path / "store") == files_of(prepared)


@pytest.mark.usefixtures("slurm")
def test_more_cores_than_the_node_has_are_told_and_end_the_work(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=profile(tmp_path, 64, 15.0))
    assert "0 workers" in caught.value.got
    assert "PENDING (" in caught.value.got
    assert not asked("squeue", "--noheader", "--states=PENDING,RUNNING")


@pytest.mark.usefixtures("slurm")
def test_a_partition_that_slurm_does_not_have_is_told_in_its_words(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    nowhere = profile(tmp_path, 1, 15.0).model_copy(update={"queue": "nowhere"})
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=nowhere)
    assert "invalid partition" in caught.value.got
