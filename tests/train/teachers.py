"""What teachers say of a store's training clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from avsc.data.split import training_fold
from avsc.evaluate.predictions import read_predictions, write_predictions
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train import teacher as teaching
from avsc.train.distributed import Ranks

STUDENT = ("train.strategy=audio", "train.epochs=1")
TRAIN_FILE = "evaluation/train-segment/predictions.csv"


def targets(store: Path, recipe: Recipe, elsewhere: Path) -> np.ndarray:
    opened = Store.open(store)
    fold = training_fold(opened, recipe.train)
    teachers = teaching.teachers_of(recipe, opened)
    return teaching.soft_targets(opened, fold, recipe, teachers, Ranks(), elsewhere=elsewhere)


def changed_file(
    run: Path, path: Path, change: Callable[[list[str], np.ndarray, list[str]], Any]
) -> Path:
    """Writes a run's predictions of the training fold with other names, shares or scenes."""
    read = read_predictions(run / TRAIN_FILE)
    names, shares, scenes = change(list(read.names), read.probabilities, list(read.scenes))
    write_predictions(path, names, shares, scenes)
    return path
