"""The whole command, stopped in every way: nothing is lost and nothing is silently wrong."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.prepare.run import prepare
from avsc.store.finalize import unfinished
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, StoreSettings

FilesOf = Callable[[Path], dict[str, bytes]]
MakeDataset = Callable[..., Path]
Sabotage = Callable[[dict[str, str]], None]

CLIPS = 24
SETTINGS = StoreSettings(partition_clips=2, image=ImageSettings(short_side=32))


@pytest.fixture(scope="module")
def larger(make_dataset: MakeDataset) -> Path:
    return make_dataset(CLIPS)


@pytest.fixture(scope="module")
def uninterrupted(larger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("uninterrupted") / "store"
    prepare(larger, store, SETTINGS)
    return store


def command(dataset: Path, store: Path, *more: str) -> list[str]:
    words = [sys.executable, "-m", "avsc", "prepare", str(dataset), str(store)]
    return [*words, "--partition-clips=2", "--short-side=32", *more]


def start(dataset: Path, store: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(dataset, store, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_the_store_is_the_same_in_the_end(
    larger: Path, uninterrupted: Path, tmp_path: Path, files_of: FilesOf, kills: int
) -> None:
    store = tmp_path / "store"
    draw = random.Random(kills)
    killed = 0
    while killed < kills:
        run = start(larger, store, "--workers=2")
        try:
            # From before there is a store until the last partitions are being moved.
            run.communicate(timeout=draw.uniform(0.3, 8.0))
        except subprocess.TimeoutExpired:
            # By turns the command alone (its workers must notice) and everything at once.
            kill = os.killpg if killed % 2 else os.kill
            kill(run.pid, signal.SIGKILL)
            run.communicate()
            killed += 1
            continue
        assert run.returncode == 0
        # It came through before its time: from the start, so that all kills hit work.
        assert files_of(store) == files_of(uninterrupted)
        subprocess.run(["rm", "-rf", store], check=True)
    last = subprocess.run(command(larger, store), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert files_of(store) == files_of(uninterrupted)
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_politely_it_says_so_cleans_up_and_goes_on(
    larger: Path, uninterrupted: Path, tmp_path: Path, files_of: FilesOf, stop: signal.Signals
) -> None:
    store = tmp_path / "store"
    run = start(larger, store, "--workers=1")
    while not list(store.glob("clip/status/c.*")):
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, stop)  # as a terminal and a batch system do
    _, said = run.communicate()
    assert run.returncode not in (0, 1, 2)
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert not list(store.rglob(".p*")), "a lock or a partial file is left"
    assert 0 < len(unfinished(store)) < CLIPS // 2
    again = subprocess.run(command(larger, store), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert files_of(store) == files_of(uninterrupted)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_full_disk_is_a_clear_error_and_leaves_no_partial_shard(
    larger: Path, uninterrupted: Path, tmp_path: Path, files_of: FilesOf, workers: str
) -> None:
    store = tmp_path / "store"
    limit = 300_000  # bytes a file: less than two clips' scalograms
    run = subprocess.run(
        command(larger, store, f"--workers={workers}"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert run.returncode == 1
    assert str(store) in run.stderr
    assert os.strerror(errno.EFBIG) in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(store.rglob(".p*"))
    assert not list(store.rglob("c.*"))
    again = subprocess.run(command(larger, store), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert files_of(store) == files_of(uninterrupted)


def test_the_second_command_stops_at_once_and_says_who_holds_the_store(
    larger: Path, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    store, go = tmp_path / "store", tmp_path / "go"
    sabotage({ids[0]: f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"})
    first = start(larger, store, "--workers=1")
    while not list(store.glob(".prepare-*.txt")):
        assert first.poll() is None
        time.sleep(0.01)
    second = subprocess.run(command(larger, store), capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert str(store) in second.stderr
    assert f"process {first.pid} on " in second.stderr
    go.touch()
    _, said = first.communicate()
    assert first.returncode == 0, said
    assert Store.open(store).is_complete
