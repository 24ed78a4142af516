"""SLURM on loopback, for tests: its controller and one node, with a configuration of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
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

needs_slurm = pytest.mark.skipif(
    os.getuid() != 0 or any(shutil.which(name) is None for name in DAEMONS),
    reason="needs root and munged, slurmctld and slurmd",
)


@contextmanager
def local_slurm(folder: Path) -> Iterator[None]:
    """SLURM with one node of two cores, whose files lie in a folder; its commands ask it."""
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key, configuration = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            controller=free_port(),
            node=free_port(),
            folder=folder,
            cores=CORES,
        )
    )
    files = ("socket", "pid", "log", "seed")
    munge = [f"--{name}-file={folder}/munge.{name}" for name in files[1:]]
    os.environ["SLURM_CONF"] = str(configuration)
    with ExitStack() as running:
        running.callback(os.environ.pop, "SLURM_CONF")
        words = [f"--socket={folder}/munge.socket", f"--key-file={key}"]
        running.enter_context(started("munged", "--force", "-F", *words, *munge))
        until((folder / "munge.socket").exists)
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


def until(is_so: Callable[[], bool], limit_s: float = 60) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.1)
