"""The files of ``pipelines/slurm``, under SLURM itself."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from avsc.store.reader import Store
from avsc.train.log import read_log
from tests.local_slurm import asked, local_slurm, needs_slurm, until

FOLDER = Path(__file__).parents[2] / "pipelines" / "slurm"
HERE = "--export=ALL,ACTIVATE={activate}"
SMALL = ("--cpus-per-task=1", "--mem=2G")
ENDLESS = ("train.epochs=100000", "train.patience=100000", "train.batch_size=32")

pytestmark = [pytest.mark.slow, needs_slurm]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[None]:
    with local_slurm(tmp_path):
        yield


@pytest.fixture
def activate(tmp_path: Path) -> Path:
    """The file that a user names to activate an environment."""
    file = tmp_path / "activate"
    file.write_text(
        f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={FOLDER.parents[1]}\n"
        "export OMP_NUM_THREADS=1 SLURM_GPUS_ON_NODE=1\n"
    )
    return file


def without_gpus(name: str, folder: Path) -> Path:
    """A file of ours without the line that the file says to remove where there are no GPUs."""
    text = (FOLDER / name).read_text()
    changed = re.sub(r"^#SBATCH --gpus-per-node=.*\n", "", text, flags=re.MULTILINE)
    assert changed != text
    (folder / name).write_text(changed)
    return folder / name


def submitted(folder: Path, *words: object) -> str:
    """Submits a job from a folder; its number."""
    done = subprocess.run(
        ["sbatch", "--parsable", *map(str, words)],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def at_once(job: str) -> None:
    """SLURM lets a requeued job wait for two minutes; this does away with them."""
    until(lambda: asked("squeue", "--noheader", f"--job={job}", "--format=%T") == "PENDING")
    asked("scontrol", "update", f"job={job}", "StartTime=now")


@pytest.mark.usefixtures("slurm")
def test_a_training_goes_on_in_each_life_and_keeps_its_log(
    small_store: Path, tmp_path: Path, activate: Path
) -> None:
    run = tmp_path / "run"
    sets = [word for setting in ENDLESS for word in ("--set", setting)]
    job = submitted(
        tmp_path,
        HERE.format(activate=activate),
        *SMALL,
        "--time=00:02:00",
        "--signal=B:USR1@90",
        without_gpus("train.sbatch", tmp_path),
        small_store,
        "--out",
        run,
        "--strategy",
        "audio",
        *sets,
    )
    log = tmp_path / f"avsc-train-{job}.log"
    until(lambda: log.exists() and "queued again" in log.read_text(), limit_s=150)
    at_once(job)
    until(lambda: "going on after epoch" in log.read_text(), limit_s=60)
    text = log.read_text()
    (gone_on,) = re.findall(r"going on after epoch (\d+)", text)
    assert int(gone_on) >= 1
    assert text.count("queued again") == 1  # of the first life, which is still there
    asked("scancel", job)
    numbers = [row["epoch"] for row in read_log(run)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.usefixtures("slurm")
def test_an_array_prepares_one_store(
    dataset: Path, tmp_path: Path, activate: Path, prepared: Path
) -> None:
    store = tmp_path / "store.zarr"
    job = submitted(
        tmp_path,
        HERE.format(activate=activate),
        "--array=1-2",
        *SMALL,
        FOLDER / "prepare_array.sbatch",
        dataset,
        store,
    )
    until(lambda: not asked("squeue", "--noheader", f"--job={job}"), limit_s=200)
    for part in (1, 2):
        assert "Traceback" not in (tmp_path / f"avsc-prepare-{job}-{part}.log").read_text()
    assert len(Store.open(store).clips) == len(Store.open(prepared).clips)
