"""The shipped recipes of newer visual encoders: each trains, is scored and exported.

With random weights and small images: the real weights cannot be had where the tests run.
"""

from pathlib import Path

import numpy as np
import pytest
import timm

from avsc import recipe, recipe_files
from avsc.data.batch import Inputs
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.results import EVALUATION, read_metrics
from avsc.export.export import export
from avsc.models import visual_weights
from avsc.train.load import Run
from avsc.train.run import train
from tests.conftest import MakeStore

NAMES = [name for name, what in recipe_files.shipped().items() if what.startswith("Beyond")]
SIDE = 64
SMALL = (f"image_size={SIDE}", "visual.weights=random", "views=1", "epochs=1", "batch_size=16",
         "val_fraction=0.3", "train.threads=1")  # fmt: skip


def test_there_are_four() -> None:
    assert len(NAMES) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_names_weights_that_timm_has_and_their_own_image_size(name: str) -> None:
    asked = recipe.load(name).visual
    assert asked.weights == "pretrained"
    known = timm.get_pretrained_cfg(asked.model)
    assert known is not None
    assert known.has_weights
    config = visual_weights.expected_image(asked)
    assert asked.image_size == config.size == known.input_size[-1]
    assert (config.mean, config.std) == (known.mean, known.std)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_is_scored_and_exported(
    name: str, make_store: MakeStore, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store", 33, clip_seconds=1, features=("scalogram",))
    run = tmp_path / "run"
    train(store, run, recipe.load(name, SMALL), device="cpu")
    evaluate(run, device="cpu", with_report=False)
    assert read_metrics(run / EVALUATION)["n_segments"] > 0
    folder = export(run, "onnx", out=tmp_path / "onnx")
    _same_probabilities(run, folder / "model.onnx")


def _same_probabilities(run: Path, model: Path) -> None:
    import onnxruntime
    import torch

    opened = Run.open(run, "cpu")
    assert opened.visual_encoder is not None
    random = np.random.default_rng(0)
    audio = random.normal(-5, 2, (3, 2, 290)).astype(np.float32)
    image = random.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.inference_mode():
        embedding = opened.visual_encoder(torch.from_numpy(image))
        logits = opened.model(Inputs(torch.from_numpy(audio), embedding=embedding))
    (found,) = onnxruntime.InferenceSession(model).run(
        ["probabilities"], {"audio": audio, "image": image}
    )
    np.testing.assert_allclose(found, torch.softmax(logits, dim=1).numpy(), atol=1e-3)
