"""Whole runs with augmented sound: every strategy, stopped and resumed."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from avsc import recipe as recipes
from avsc.data.batch import Batch
from avsc.evaluate.evaluation import evaluate
from avsc.train import checkpoint
from avsc.train.epoch import Optimization
from avsc.train.log import read_log
from avsc.train.run import train
from tests.conftest import MakeRecipe

EVERYTHING = ("mixup=1", "mask=0.2", "gain_db=6", "swap=0.5", "mixstyle=0.5")


@pytest.mark.parametrize(
    "settings",
    [
        ("strategy=audio",),
        ("strategy=joint", "drop_audio=0.2", "drop_image=0.2", "shift_s=1"),
        ("strategy=joint", "images_per_second=1", "class_weights=balanced"),
        ("strategy=joint", "train.views=2"),
        ("strategy=pipeline", "acoustic=trainable", "audio.feature=fbank"),
    ],
    ids=["audio", "raw-dropped", "raw-shared", "views", "stored"],
)
def test_every_strategy_with_sound_trains_and_is_scored(
    settings: tuple[str, ...], small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = train(small_store, run, quick(*EVERYTHING, *settings), device="cpu")
    assert ended.epochs == 2
    assert recipes.load(run / "config.toml").augment_audio.mixup == 1
    evaluate(run, device="cpu", with_report=False)


def test_a_run_that_was_stopped_within_an_epoch_ends_with_the_same_bits(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("train.deterministic=true", "train.batch_size=16", "train.images_per_second=1")
    asked = quick(*EVERYTHING, *settings)
    train(small_store, tmp_path / "whole", asked, device="cpu")
    step = Optimization.step

    def asking(self: Optimization, batch: Batch) -> torch.Tensor:
        if batch.number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", asking)
    with pytest.raises(KeyboardInterrupt):
        train(small_store, tmp_path / "stopped", asked, device="cpu")
    monkeypatch.undo()
    train(small_store, tmp_path / "stopped", resume=True, device="cpu")
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "last" / checkpoint.WEIGHTS)
        for name in ("whole", "stopped")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert _losses(tmp_path / "whole") == _losses(tmp_path / "stopped")


def _losses(run: Path) -> list[Any]:
    return [(row["train_loss"], row["val_loss"]) for row in read_log(run)]
