"""Runs that stop, are killed, go on, or are not allowed to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from avsc.data.batch import Batch
from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.recipe_keys import to_toml
from avsc.train import checkpoint, run_dir
from avsc.train.epoch import Optimization
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.stopping import StopRequest
from tests.train.kept import DETERMINISTIC, MakeRecipe, same, weights_of, without_times


class _StoppedError(Exception):
    pass


def _stop_after_saving(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int) -> None:
    """Stops the run when it has saved this place in the middle of an epoch."""
    save = checkpoint.save

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        manifest = arguments[-1]
        if (manifest["epoch"], manifest["batch"]) == (epoch, batch):
            raise _StoppedError

    monkeypatch.setattr(checkpoint, "save", save_and_stop)


@pytest.mark.parametrize("where", [(0, 8), (1, 16)])
def test_two_runs_are_bit_equal_and_so_is_one_resumed_within_an_epoch(
    where: tuple[int, int],
    whole_run: Path,
    small_store: Path,
    quick: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = quick(*DETERMINISTIC, "train.checkpoint_minutes=1e-9")
    _stop_after_saving(monkeypatch, *where)
    with pytest.raises(_StoppedError):
        train(small_store, tmp_path / "stopped", asked, device="cpu")
    monkeypatch.undo()
    torch.rand(3)  # another state of the generator than the stopped run had
    train(small_store, tmp_path / "stopped", asked, resume=True, device="cpu")
    for name in ("best", "last"):
        assert same(weights_of(whole_run, name), weights_of(tmp_path / "stopped", name))
    assert without_times(whole_run) == without_times(tmp_path / "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_run_that_is_asked_to_stop_saves_its_place_and_the_same_command_goes_on(
    number: signal.Signals,
    whole_run: Path,
    small_store: Path,
    quick: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Optimization.step

    def asking(self: Optimization, batch: Batch) -> torch.Tensor:
        if batch.number == 2:
            os.kill(os.getpid(), number)
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", asking)
    run, asked = tmp_path / "run", quick(*DETERMINISTIC)
    with pytest.raises(KeyboardInterrupt):
        train(small_store, run, asked, device="cpu")
    manifest = checkpoint.read_manifest(run / "checkpoints" / "last")
    assert (manifest["epoch"], manifest["batch"]) == (0, 3)
    monkeypatch.undo()
    train(small_store, run, asked, device="cpu")
    assert same(weights_of(whole_run), weights_of(run))
    assert without_times(whole_run) == without_times(run)


def test_a_second_interrupt_ends_at_once() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert not stop.agreed


def test_a_run_killed_with_9_and_resumed_is_bit_equal_and_logs_each_epoch_once(
    whole_run: Path, small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick(*DETERMINISTIC, "train.checkpoint_minutes=1e-9")
    run = tmp_path / "killed"
    process = _start(small_store, run, asked, tmp_path)
    _wait_for(run, process, lambda facts: facts["epoch"] == 1 and facts["batch"] > 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(small_store, run, asked, resume=True, device="cpu")
    assert same(weights_of(whole_run), weights_of(run))
    assert [row["epoch"] for row in read_log(run)] == [1, 2]
    assert without_times(whole_run) == without_times(run)


def _start(store: Path, run: Path, asked: Recipe, folder: Path) -> "subprocess.Popen[bytes]":
    path = folder / "asked.toml"
    path.write_text(to_toml(asked))
    command = [sys.executable, "-m", "avsc", "train", str(store), "--out", str(run), "--resume"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--recipe", str(path), "--device", "cpu"], env=environment)


def _wait_for(
    run: Path,
    process: "subprocess.Popen[bytes]",
    condition: Callable[[dict[str, Any]], bool],
) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the run ended before it was killed"
        try:
            if condition(checkpoint.read_manifest(run / "checkpoints" / "last")):
                return
        except AvscError:
            time.sleep(0.001)  # not there yet, or just being moved
    pytest.fail("no checkpoint within an epoch")


def test_a_damaged_last_checkpoint_costs_an_epoch_and_not_the_run(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, asked = tmp_path / "run", quick("train.epochs=3")
    train(small_store, run, asked, device="cpu")
    last = run / "checkpoints" / "last" / checkpoint.WEIGHTS
    last.write_bytes(last.read_bytes()[:-1])
    ended = train(small_store, run, resume=True, device="cpu")
    spoken = capsys.readouterr().err
    assert "WARNING" in spoken
    assert "last.previous" in spoken
    assert "going on after epoch 2" in spoken
    assert ended.epochs == 3
    assert [row["epoch"] for row in read_log(run)] == [1, 2, 3]


def test_a_finished_run_says_so_and_stays_as_it_is(
    audio_run: Path, small_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights_of(audio_run)
    ended = train(small_store, audio_run, resume=True, device="cpu")
    assert "is finished: all 3 epochs are done" in capsys.readouterr().err
    assert ended.epochs == 3
    assert same(before, weights_of(audio_run))


def test_a_run_is_not_overwritten_and_not_resumed_with_another_recipe(
    audio_run: Path, small_store: Path, quick: MakeRecipe
) -> None:
    before = weights_of(audio_run)
    other = quick("train.strategy=audio", "train.epochs=3", "train.lr_max=0.5")
    for resume in (False, True):
        with pytest.raises(AvscError) as caught:
            train(small_store, audio_run, other, resume=resume, device="cpu")
        assert str(audio_run) in caught.value.got
        assert "train.lr_max: 0.01, asked for 0.5" in caught.value.got
        assert "--out" in caught.value.remedy
    assert same(before, weights_of(audio_run))
    free = quick("train.strategy=audio", "train.epochs=3", "train.threads=2")
    assert train(small_store, audio_run, free, resume=True, device="cpu").epochs == 3


def test_weights_that_are_not_the_runs_leave_its_recipe_as_it_was(
    whole_run: Path, small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    before = (whole_run / run_dir.CONFIG).read_bytes()
    wrong = quick(*DETERMINISTIC, f"visual.weights={tmp_path / 'absent.safetensors'}")
    with pytest.raises(AvscError) as caught:
        train(small_store, whole_run, wrong, device="cpu")
    assert "absent.safetensors" in caught.value.got
    assert (whole_run / run_dir.CONFIG).read_bytes() == before
    assert train(small_store, whole_run, resume=True, device="cpu").epochs == 2


def test_a_run_is_not_resumed_on_another_store(
    audio_run: Path, make_store: Callable[..., Path], store_settings: object, tmp_path: Path
) -> None:
    other = make_store(tmp_path / "other", 40, settings=store_settings, seed=1)
    with pytest.raises(AvscError, match=r"store: trained on .*small") as caught:
        train(other, audio_run, resume=True, device="cpu")
    assert str(other) in caught.value.got


def test_resume_where_there_is_no_run_begins_one(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick("train.strategy=audio", "train.epochs=1")
    assert train(small_store, tmp_path / "new", asked, resume=True, device="cpu").epochs == 1


def test_a_folder_with_other_files_is_left_alone(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(AvscError, match="no run of ours"):
        train(small_store, tmp_path, quick(), device="cpu")


def test_two_trainings_do_not_share_a_folder(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    with run_dir.locked(tmp_path), pytest.raises(AvscError, match="by another process"):
        train(small_store, tmp_path, quick(), device="cpu")


def test_a_recipe_that_failed_before_its_first_epoch_can_be_corrected(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(AvscError, match="no model"):
        train(small_store, run, quick("visual.model=nothing_like_it"), device="cpu")
    assert train(small_store, run, quick("train.epochs=1"), device="cpu").epochs == 1
