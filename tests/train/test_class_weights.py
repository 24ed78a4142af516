"""``train.class_weights``: what a scene counts in the training loss."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from avsc.data.batch import Batch, Inputs
from avsc.recipe_sections import TrainRecipe
from avsc.train.distributed import Ranks
from avsc.train.epoch import balanced_weights
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.trainer import optimization
from tests.conftest import MakeRecipe, MakeStore

LABELS = np.repeat([0, 1, 3], [90, 9, 1])


def test_each_scene_that_occurs_has_the_same_weight_in_all() -> None:
    weights = balanced_weights(LABELS)
    sums = np.bincount(LABELS, weights=weights[LABELS])
    np.testing.assert_allclose(sums[[0, 1, 3]], 100 / 3, rtol=1e-6)
    assert weights[2] == 0


def test_the_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    wanted = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    np.testing.assert_allclose(balanced_weights(LABELS)[[0, 1, 3]], wanted, rtol=1e-6)


def test_a_step_descends_the_weighted_loss() -> None:
    torch.manual_seed(0)
    audio, labels = torch.randn(8, 5), torch.tensor([0, 0, 0, 0, 0, 1, 1, 3])
    weights = torch.from_numpy(balanced_weights(labels.numpy()))

    class Linear(nn.Linear):
        def forward(self, inputs: Inputs) -> torch.Tensor:  # type: ignore[override]
            assert inputs.audio is not None
            return super().forward(inputs.audio)

    model = Linear(5, 4)
    losses = cross_entropy(model(Inputs(audio)), labels, reduction="none") * weights[labels]
    (wanted,) = torch.autograd.grad(losses.mean(), [model.weight])
    batch = Batch(0, 8, np.arange(8), labels, audio, None, torch.arange(8))
    recipe = TrainRecipe(class_weights="balanced")
    taken = optimization(model, recipe, Ranks(0, 1, torch.device("cpu")), weights).step(batch)
    torch.testing.assert_close(model.weight.grad, wanted)
    assert taken[0] == pytest.approx(losses.sum().item())


def test_training_with_weights_has_another_loss(
    make_store: MakeStore, quick: MakeRecipe, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store", 33, clip_seconds=1, learnable=True)  # not 1 to 1
    losses = []
    for kind in ("none", "balanced"):
        recipe = quick("train.strategy=audio", "epochs=1", f"class_weights={kind}")
        train(store, tmp_path / kind, recipe, device="cpu")
        losses.append(read_log(tmp_path / kind)[0]["train_loss"])
    assert losses[0] != losses[1]
