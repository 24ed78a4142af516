"""A scheduler and workers that were started by somebody else, on loopback."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

from avsc.errors import AvscError
from avsc.prepare.clip import MachineError
from avsc.prepare.cluster import connect, slurm_cluster
from avsc.prepare.profile import AddressProfile, LocalProfile, SlurmProfile
from avsc.prepare.run import prepare
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from tests.prepare.conftest import HANG

FilesOf = Callable[[Path], dict[str, bytes]]
Sabotage = Callable[[dict[str, str]], None]

# A worker of another mount: the folder is there for us and not for it.
BLIND = """
import os, pathlib
honest = pathlib.Path.stat
def stat(self, **options):
    if str(self).startswith(os.environ["BLIND_TO"]):
        raise FileNotFoundError(2, "No such file or directory", str(self))
    return honest(self, **options)
pathlib.Path.stat = stat
"""


@contextmanager
def started(*words: str, **environment: str) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def scheduler(tmp_path: Path) -> "Iterator[tuple[AddressProfile, subprocess.Popen[bytes]]]":
    """A Dask scheduler that is asked to give up early, and how it is reached."""
    file = tmp_path / "scheduler.json"
    words = ("distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard")
    setting = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with started(*words, f"--scheduler-file={file}", **setting) as process:
        while not file.exists() or not (found := re.search(r"tcp://[0-9.:]+", file.read_text())):
            assert process.poll() is None
            time.sleep(0.05)
        yield AddressProfile(kind="address", address=found[0], idle_limit_s=2.0), process


@contextmanager
def worker(profile: AddressProfile, **environment: str) -> "Iterator[subprocess.Popen[bytes]]":
    words = ("--nthreads=1", "--no-dashboard", "--death-timeout=60")
    with started("distributed.cli.dask_worker", profile.address, *words, **environment) as process:
        yield process


def test_workers_of_a_running_scheduler_write_the_same_bytes(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    files_of: FilesOf,
) -> None:
    profile, _ = scheduler
    patient = profile.model_copy(update={"idle_limit_s": 120.0})
    with worker(profile):
        prepare(dataset, tmp_path / "store", settings, cluster=patient)
    assert files_of(tmp_path / "store") == files_of(prepared)


def test_a_lost_worker_costs_nothing_but_time(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    files_of: FilesOf,
    hangs_once: Path,
) -> None:
    profile, _ = scheduler
    patient = profile.model_copy(update={"idle_limit_s": 120.0})
    # The whole machine is lost at this clip, nanny and all, and another one comes.
    with worker(profile) as first:
        work = threading.Thread(
            target=prepare,
            args=(dataset, tmp_path / "store", settings),
            kwargs={"cluster": patient},
        )
        work.start()
        while not hangs_once.exists():
            assert work.is_alive()
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
        with worker(profile):
            work.join()
    assert files_of(tmp_path / "store") == files_of(prepared)


@pytest.mark.parametrize("hidden", ["dataset", "store"])
def test_a_worker_that_does_not_see_our_files_ends_the_work_and_is_named(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    hidden: str,
) -> None:
    profile, _ = scheduler
    store = tmp_path / "store"
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount/sitecustomize.py").write_text(BLIND)
    path = [str(tmp_path / "mount"), *filter(None, [os.environ.get("PYTHONPATH")])]
    blind_to = {"dataset": dataset / "video", "store": store}[hidden]
    with (
        worker(profile, PYTHONPATH=os.pathsep.join(path), BLIND_TO=str(blind_to)),
        pytest.raises(MachineError) as caught,
    ):
        prepare(dataset, store, settings, cluster=profile)
    assert os.uname().nodename in caught.value.got
    assert str(blind_to) in caught.value.got
    opened = Store.open(store, complete=False)
    assert not opened.reasons()
    assert not opened.status().any()


def test_without_workers_it_says_so_and_ends_after_the_limit(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
) -> None:
    profile, _ = scheduler
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=profile)
    assert profile.address in caught.value.got
    assert "0 workers" in caught.value.got


def test_a_scheduler_that_dies_ends_the_work_with_its_address(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
) -> None:
    profile, process = scheduler
    patient = profile.model_copy(update={"idle_limit_s": 600.0})
    reached = tmp_path / "reached"
    sabotage({ids[4]: f"pathlib.Path({str(reached)!r}).touch(); {HANG}"})

    def kill() -> None:
        while not reached.exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)

    with worker(profile):
        thread = threading.Thread(target=kill)
        thread.start()
        began_s = time.monotonic()
        with pytest.raises(AvscError) as caught:
            prepare(dataset, tmp_path / "store", settings, cluster=patient)
        thread.join()
    assert time.monotonic() - began_s < 120
    assert profile.address in caught.value.got


@pytest.mark.parametrize("place", ["scheduler", "worker"])
def test_another_version_of_dask_is_refused_with_both_versions(
    scheduler: tuple[AddressProfile, "subprocess.Popen[bytes]"],
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    profile, _ = scheduler
    honest = distributed.Client.get_versions

    def other(client: distributed.Client) -> dict[str, Any]:
        found: dict[str, Any] = dict(honest(client))
        old = {"packages": {"distributed": "2023.1.0"}}
        return found | ({"scheduler": old} if place == "scheduler" else {"workers": {"x:1": old}})

    monkeypatch.setattr(distributed.Client, "get_versions", other)
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=profile)
    assert profile.address in caught.value.got
    assert "2023.1.0" in caught.value.got
    assert distributed.__version__ in caught.value.expected


@pytest.mark.parametrize("kind", ["local", "slurm"])
def test_no_port_is_open_but_the_schedulers(kind: str) -> None:
    before = listening()
    if kind == "local":
        with connect(LocalProfile(kind="local", workers=1), 60.0) as watch:
            cluster = watch.client.cluster
            nannies = {nanny.port for nanny in cluster.workers.values()}
            assert listening() - before == {cluster.scheduler.port, *nannies}
    else:
        job = {"jobs": 1, "cores": 1, "memory": "1GB", "walltime": "00:10:00", "interface": "lo"}
        with slurm_cluster(SlurmProfile.model_validate({"kind": "slurm"} | job)) as cluster:
            assert listening() - before == {cluster.scheduler.port}


def listening() -> set[int]:
    """Ports on which this process listens."""
    return {c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"}


def test_no_scheduler_at_an_address_is_named(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    nobody = AddressProfile(kind="address", address="tcp://127.0.0.1:9", timeout_s=1.0)
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=nobody)
    assert "tcp://127.0.0.1:9" in caught.value.got
