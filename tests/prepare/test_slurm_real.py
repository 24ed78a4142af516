"""SLURM itself: its controller and one node, on loopback, with a configuration of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.prepare.profile import SlurmProfile
from avsc.prepare.run import prepare
from avsc.store.schema import StoreSettings
from tests.local_slurm import asked, local_slurm, needs_slurm

FilesOf = Callable[[Path], dict[str, bytes]]

pytestmark = [pytest.mark.slow, needs_slurm]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[None]:
    with local_slurm(tmp_path):
        yield


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
    files_of: FilesOf,
    hangs_once: Path,
) -> None:
    cancelled: list[str] = []

    def cancel() -> None:
        while not hangs_once.exists():
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
