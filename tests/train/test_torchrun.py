"""``torchrun -m avsc train`` as a user meets it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

MakeStore = Callable[..., Path]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "avsc"]


def torchrun(*words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *TORCHRUN, *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_users_error_is_told_once_and_last(small_store: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/holiday.jpg").touch()
    with torchrun("train", small_store, "--out", tmp_path / "taken") as running:
        _, said = running.communicate(timeout=120)
    assert running.returncode == 1
    message = f"avsc: {tmp_path}/taken holds files"
    assert said.count(message) == 1
    rest = [line for line in said[said.index(message) :].splitlines() if line.strip(" =")]
    assert len(rest) == 3  # got, expected, what to do
    assert "[rank" not in said  # no traceback of ours


def test_nothing_goes_on_when_torchrun_is_killed(small_store: Path, tmp_path: Path) -> None:
    words = (
        "--strategy",
        "audio",
        "--set",
        "train.epochs=100000",
        "--set",
        "train.patience=100000",
    )
    with torchrun("train", small_store, "--out", tmp_path / "run", *words) as running:
        assert running.stderr
        while "epoch 1/" not in running.stderr.readline():
            assert running.poll() is None
        ranks = psutil.Process(running.pid).children(recursive=True)
        assert len(ranks) >= 2
        running.send_signal(signal.SIGKILL)
        end_s = time.monotonic() + 30
        while any(rank.is_running() for rank in ranks) and time.monotonic() < end_s:
            time.sleep(0.1)
        left = [rank for rank in ranks if rank.is_running()]
        for rank in left:
            rank.kill()
        running.stderr.close()
    assert not left
