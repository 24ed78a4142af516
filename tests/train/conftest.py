"""Runs that several tests look at."""

from pathlib import Path

import pytest

from avsc.evaluate.evaluation import evaluate
from avsc.train.run import train
from tests.train.kept import DETERMINISTIC, MakeRecipe


@pytest.fixture(scope="session")
def audio_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    run = tmp_path_factory.mktemp("runs") / "audio"
    train(small_store, run, quick("train.strategy=audio", "train.epochs=3"), device="cpu")
    return run


@pytest.fixture(scope="session")
def whole_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A deterministic run that nothing interrupted."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(small_store, run, quick(*DETERMINISTIC), device="cpu")
    return run


@pytest.fixture(scope="session")
def teacher_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A joint teacher and its predictions of the training fold."""
    run = tmp_path_factory.mktemp("teacher") / "joint"
    train(small_store, run, quick("train.images=embedding"), device="cpu")
    evaluate(run, fold="train", device="cpu", with_report=False)
    return run
