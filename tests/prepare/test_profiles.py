import stat
import subprocess
import sys
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.prepare.cluster import job_script
from avsc.prepare.dry_run import describe
from avsc.prepare.profile import AddressProfile, LocalProfile, SlurmProfile, read_profile
from avsc.resources import resource
from avsc.store.schema import StoreSettings

CLUSTERS = resource("pipelines") / "clusters"


def test_every_profile_that_we_ship_is_valid() -> None:
    kinds = {path.stem: type(read_profile(path)) for path in CLUSTERS.glob("*.toml")}
    assert kinds == {"local": LocalProfile, "address": AddressProfile, "slurm": SlurmProfile}


def test_every_key_that_a_profile_suggests_is_one(tmp_path: Path) -> None:
    suggested = tmp_path / "slurm.toml"
    lines = (CLUSTERS / "slurm.toml").read_text(encoding="utf-8").splitlines()
    keys = [line.removeprefix("# ") for line in lines if line.startswith("# ") and " = " in line]
    assert len(keys) == 7
    rest = [line for line in lines if not line.startswith("#")]
    suggested.write_text("\n".join([*rest, *keys]).replace("ib0", "lo"), encoding="utf-8")
    profile = read_profile(suggested)
    assert isinstance(profile, SlurmProfile)
    script = job_script(profile)
    for wanted in ("-p cpu", "-A my-project", "--constraint=cpu", "source /path/to/venv"):
        assert wanted in script


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('kind = "pbs"', "kind"),
        ("workers = 2", "kind"),
        ('kind = "local"\nworkers = "2"', "workers"),
        ('kind = "local"\nworkers = 0', "workers"),
        ('kind = "slurm"\njobs = 1\ncores = 1\nmemory = "1GB"', "walltime"),
        ('kind = "local"\nworkers = 1\nwalltime = "1:00"', "walltime"),
        ("kind =", "not TOML"),
    ],
)
def test_a_profile_with_a_fault_is_refused_and_the_fault_named(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AvscError) as caught:
        read_profile(path)
    assert str(path) in caught.value.got
    assert fault in caught.value.got


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        read_profile(tmp_path / "nothing.toml")
    assert str(tmp_path / "nothing.toml") in caught.value.got


def test_a_dry_run_tells_partitions_bytes_files_and_time_and_makes_nothing(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    said = describe(dataset, store, settings, workers=2)
    assert "4 of 4 partitions: 10 of 10 clips, 3 a partition" in said
    assert "2 processes on this machine" in said
    assert "44 files" in said
    assert "(new)" in said
    assert not store.exists()


def test_a_dry_run_counts_only_what_is_missing(
    dataset: Path, settings: StoreSettings, prepared: Path
) -> None:
    assert "0 of 4 partitions: 0 of 10 clips" in describe(dataset, prepared, settings)
    with pytest.raises(AvscError) as caught:
        describe(dataset, prepared, StoreSettings())
    assert "partition_clips" in caught.value.got


def test_a_dry_run_with_slurm_shows_the_job_script(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    said = describe(
        dataset, tmp_path / "store", settings, cluster=read_profile(CLUSTERS / "slurm.toml")
    )
    assert "8 SLURM jobs of 8 cores" in said
    assert "#SBATCH -t 00:30:00" in said
    assert "--nthreads 1" in said
    assert "--nworkers 8" in said


def test_the_array_script_is_sound_shell_and_names_its_share(tmp_path: Path) -> None:
    script = resource("pipelines") / "slurm/prepare_array.sbatch"
    fake = tmp_path / "avsc"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "SLURM_ARRAY_TASK_ID": "5",
        "SLURM_ARRAY_TASK_COUNT": "16",
        "SLURM_CPUS_PER_TASK": "4",
    }
    bash = ["bash", str(script), "DATA", "STORE"]
    said = subprocess.run(bash, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["prepare", "DATA", "STORE", "--part", "5/16", "--workers", "4"]


def test_ctrl_c_stays_ours_when_a_slurm_cluster_is_made() -> None:
    program = """
import signal
from avsc.prepare.cluster import job_script
from avsc.prepare.profile import SlurmProfile
before = signal.getsignal(signal.SIGINT)
job = dict(jobs=1, cores=1, memory="1GB", walltime="1:00", interface="lo")
job_script(SlurmProfile(kind="slurm", **job))
assert signal.getsignal(signal.SIGINT) is before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
