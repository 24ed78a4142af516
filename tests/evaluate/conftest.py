"""Runs that were never trained: a recipe, a checkpoint with random weights, a log."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avsc import recipe as recipes
from avsc.store.read import Store
from avsc.train import checkpoint, facts, visual
from avsc.train.load import new_scorer

MakeRun = Callable[..., Path]

TINY = ("visual.model=test_resnet.r160_in1k", "visual.weights=random", "visual.image_size=64")


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """``make_run(path, store, strategy="joint", seed=0, settings=())``: the run's folder."""
    return _make_run


def _make_run(
    path: Path,
    store: Path,
    strategy: str = "joint",
    seed: int = 0,
    settings: tuple[str, ...] = (),
) -> Path:
    opened = Store.open(store)
    recipe = recipes.load(None, [*TINY, f"train.strategy={strategy}", *settings])
    encoder = None if strategy == "audio" else visual.build(recipe.visual)
    recorded = facts.begin(opened, recipe, encoder, world=1).model_copy(
        update={"epoch": 3, "best_epoch": 2, "best_loss": 1.5, "finished": True}
    )
    torch.manual_seed(seed)
    scorer = new_scorer(recorded)
    for module in scorer.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            # Fresh statistics would let everything through alike.
            module.running_mean = torch.randn(module.num_features) * 0.1
    path.mkdir(parents=True)
    (path / "config.toml").write_text(recipes.to_toml(recipe))
    rows = [
        {
            "epoch": epoch,
            "train_loss": 2.5 / epoch,
            "train_accuracy": 0.2 * epoch,
            "val_loss": abs(epoch - 2) + 1.5,
            "val_accuracy": 0.3 * epoch,
            "seconds": 61.0,
        }
        for epoch in (1, 2, 3)
    ]
    (path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("best", "last"):
        manifest = json.loads(recorded.model_dump_json())
        checkpoint.save(path / "checkpoints", name, scorer.state_dict(), {}, manifest)
    return path
