"""SLURM jobs that are lost or never work; the test's ``sbatch`` runs them on this machine."""

import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.prepare.profile import SlurmProfile
from avsc.prepare.run import prepare
from avsc.store.schema import StoreSettings

FilesOf = Callable[[Path], dict[str, bytes]]

SBATCH = """#!/bin/bash
export PATH=$PATH_OF_TESTS
cp "${@: -1}" "$JOBS-script"
setsid bash "$JOBS-script" >/dev/null 2>&1 &
echo $! >> "$JOBS"
echo "Submitted batch job $!"
"""
REFUSES = """#!/bin/bash
echo 'sbatch: error: invalid partition specified: nowhere' >&2
exit 1
"""
SQUEUE = """#!/bin/bash
echo "PENDING (Resources)"
"""
SCANCEL = """#!/bin/bash
kill -9 -- "-$1" 2>/dev/null
exit 0
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """``slurm(sbatch)``: puts SLURM's commands in the path; the file lists the jobs' groups."""

    def install(sbatch: str) -> Path:
        folder, jobs = tmp_path / "bin", tmp_path / "jobs"
        folder.mkdir()
        for name, script in (("sbatch", sbatch), ("squeue", SQUEUE), ("scancel", SCANCEL)):
            (folder / name).write_text(script)
            (folder / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("JOBS", str(jobs))
        monkeypatch.setenv("PATH_OF_TESTS", os.environ["PATH"])
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        return jobs

    return install


def profile(idle_limit_s: float) -> SlurmProfile:
    return SlurmProfile(
        kind="slurm",
        jobs=1,
        cores=1,
        memory="1GB",
        walltime="00:10:00",
        interface="lo",
        idle_limit_s=idle_limit_s,
    )


def test_a_job_that_is_lost_is_replaced(
    slurm: Callable[[str], Path],
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    files_of: FilesOf,
    hangs_once: Path,
) -> None:
    jobs = slurm(SBATCH)

    def lose() -> None:
        while not hangs_once.exists():
            time.sleep(0.05)
        os.killpg(int(jobs.read_text().split()[0]), signal.SIGKILL)

    thread = threading.Thread(target=lose)
    thread.start()
    prepare(dataset, tmp_path / "store", settings, cluster=profile(300.0))
    thread.join()
    assert len(jobs.read_text().split()) >= 2
    assert files_of(tmp_path / "store") == files_of(prepared)


def test_jobs_that_never_start_end_the_work_after_the_limit(
    slurm: Callable[[str], Path], dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    slurm(SBATCH.replace("setsid bash", "setsid true"))
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=profile(15.0))
    assert "0 workers" in caught.value.got
    assert "PENDING (Resources)" in caught.value.got


def test_what_sbatch_says_against_a_job_is_told(
    slurm: Callable[[str], Path], dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    slurm(REFUSES)
    with pytest.raises(AvscError) as caught:
        prepare(dataset, tmp_path / "store", settings, cluster=profile(15.0))
    assert "invalid partition specified: nowhere" in caught.value.got
