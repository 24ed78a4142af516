"""What runs leave behind, and settings with which it is bit-equal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from avsc.recipe import Recipe
from avsc.train import checkpoint
from avsc.train.log import read_log

MakeRecipe = Callable[..., Recipe]
CHANCE = float(np.log(10))
DETERMINISTIC = ("train.deterministic=true", "train.batch_size=8", "train.epochs=2")


def weights_of(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / name / checkpoint.WEIGHTS)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def without_times(run: Path) -> list[dict[str, float]]:
    timed = ("seconds", "images_per_second", "samples_per_second", "waiting")
    return [{k: v for k, v in row.items() if k not in timed} for row in read_log(run)]
