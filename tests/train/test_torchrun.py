"""``torchrun -m avsc train`` as a user meets it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from avsc.recipe import Recipe, load
from avsc.recipe_keys import to_toml
from avsc.train.log import read_log
from avsc.train.run import train

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., Path]
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


def test_two_ranks_make_one_bank_and_train_from_it_as_one_process_does(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"  # beside which there is no bank yet
    shutil.copytree(small_store, store)
    asked = quick("train.views=2", "train.epochs=2")
    (tmp_path / "asked.toml").write_text(to_toml(asked))
    with torchrun(
        "train",
        store,
        "--recipe",
        tmp_path / "asked.toml",
        "--out",
        tmp_path / "two",
        "--device",
        "cpu",
    ) as running:
        _, said = running.communicate(timeout=240)
    assert running.returncode == 0, said
    (bank,) = (path for path in Path(f"{store}.embeddings").glob("*.zarr") if _views(path) == 2)
    made = {path: path.stat().st_mtime_ns for path in (bank / "c").rglob("*") if path.is_file()}
    train(store, tmp_path / "one", asked, device="cpu")
    assert all(path.stat().st_mtime_ns == at for path, at in made.items())
    for one, two in zip(read_log(tmp_path / "one"), read_log(tmp_path / "two"), strict=True):
        assert two["samples"] == one["samples"]
        assert two["val_loss"] == pytest.approx(one["val_loss"], rel=0.1)  # other dropout


def test_two_ranks_ask_one_teacher_and_learn_from_it_as_one_process_does(
    small_store: Path, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    shutil.copytree(small_store, store)
    teacher = make_run(tmp_path / "teacher", store, "audio")
    asked = quick("train.strategy=audio", "train.epochs=1", "distill.weight=1.0")
    (tmp_path / "asked.toml").write_text(to_toml(asked))
    words = ["--recipe", tmp_path / "asked.toml", "--teacher", teacher, "--device", "cpu"]
    with torchrun("train", store, "--out", tmp_path / "two", *words) as running:
        _, said = running.communicate(timeout=240)
    assert running.returncode == 0, said
    asked = load(tmp_path / "two" / "config.toml")
    train(store, tmp_path / "one", asked, device="cpu")
    (one,), (two,) = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert two["samples"] == one["samples"]
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.1)  # other dropout


def _views(array: Path) -> int:
    return int(json.loads((array / "zarr.json").read_text())["shape"][0])
