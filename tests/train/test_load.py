import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc import metrics
from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.models import visual_weights
from avsc.recipe import Recipe
from avsc.recipe_sections import VisualRecipe
from avsc.scenes import SCENES
from avsc.store.reader import Store
from avsc.train import checkpoint
from avsc.train.load import Run
from avsc.train.run import train
from tests.train.by_hand import joint_embedding, sample_probabilities

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="module")
def joint_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("load")
    encoder = visual_weights.build(
        VisualRecipe(model="test_resnet", weights="random", image_size=32)
    )
    state = dict(encoder.backbone.state_dict())
    visual_weights.save_folder(folder / "ve", "test_resnet", state, encoder.config)
    asked = quick(f"visual.weights={folder / 've'}")
    train(small_store, folder / "run", asked, device="cpu")
    return folder / "run"


@pytest.fixture
def copied(joint_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(joint_run, tmp_path / "run")
    return tmp_path / "run"


def test_a_loaded_run_scores_validation_as_training_did(joint_run: Path, small_store: Path) -> None:
    loaded = Run.open(joint_run, "cpu")
    store = Store.open(small_store)
    held = training_fold(store, loaded.recipe.train).validation
    frames = store.segments("scalogram", held.rows)  # [n, S, f, 2, B]
    n, seconds, f = frames.shape[:3]
    decode = [[_pixels(store, int(row), second) for second in range(seconds)] for row in held.rows]
    embedding = loaded.encode([image for clip in decode for image in clip])
    repeated = np.repeat(embedding, f, axis=0)
    scored = sample_probabilities(loaded, frames.reshape(n * seconds * f, 2, -1), repeated)
    of_segments = scored.reshape(n * seconds, f, -1).mean(axis=1)
    loss = metrics.log_loss(of_segments, np.repeat(held.labels, seconds))
    assert loaded.manifest.best_loss == pytest.approx(loss, rel=1e-5)


def _pixels(store: Store, row: int, second: int) -> np.ndarray:
    from avsc.media import jpeg

    return jpeg.decode(store.jpeg(row, second))


def test_probabilities_sum_to_one_over_the_ten_scenes(joint_run: Path) -> None:
    loaded = Run.open(joint_run, "cpu")
    assert loaded.visual_encoder is not None
    audio = np.random.default_rng(0).standard_normal((4, 2, 32)).astype(np.float32)
    embedding = np.zeros((4, loaded.visual_encoder.features), np.float32)
    scored = sample_probabilities(loaded, audio, embedding)
    assert scored.shape == (4, 10)
    np.testing.assert_allclose(scored.sum(axis=1), 1, atol=1e-12)
    assert joint_embedding(loaded, audio, embedding).shape == (
        4,
        1024 + loaded.visual_encoder.features,
    )
    assert loaded.scenes == SCENES
    assert not loaded.model.training


def test_the_identity_of_the_store_is_kept(joint_run: Path, small_store: Path) -> None:
    store = Store.open(small_store)
    loaded = Run.open(joint_run, "cpu", which="last")
    assert loaded.manifest.store_sha256 == store.sha256
    assert loaded.manifest.settings == store.settings


def test_weights_that_moved_are_found_by_path_and_others_are_refused(
    joint_run: Path, copied: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(joint_run.parent / "ve", moved)
    assert Run.open(copied, "cpu", ve_weights=str(moved)).uses_images
    other = visual_weights.build(VisualRecipe(model="test_resnet", weights="random", image_size=32))
    with torch.no_grad():
        next(other.backbone.parameters()).add_(1e-3)
    state = dict(other.backbone.state_dict())
    visual_weights.save_folder(tmp_path / "other", "test_resnet", state, other.config)
    with pytest.raises(AvscError, match="are not those the run was trained with"):
        Run.open(copied, "cpu", ve_weights=str(tmp_path / "other"))


def test_an_altered_checkpoint_is_never_loaded(copied: Path) -> None:
    path = copied / "checkpoints" / "best" / checkpoint.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(AvscError, match="damaged"):
        Run.open(copied, "cpu")


def test_what_is_no_run_is_refused(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(AvscError, match="is no run"):
        Run.open(tmp_path, "cpu")
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(AvscError, match="no checkpoint"):
        Run.open(copied, "cpu")
