import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from avsc import recipe
from avsc.errors import AvscError
from avsc.models import visual_weights
from avsc.recipe import Recipe
from avsc.train import checkpoint, pretrain
from avsc.train.log import RunLog, read_log

MODEL = "test_resnet.r160_in1k"
COLOURS = {"beach": (200, 180, 60), "forest": (30, 120, 40), "night": (20, 20, 60)}


def make_images(root: Path, per_scene: int = 24) -> Path:
    """Noisy pictures whose colour gives the scene away, a third of them for validation."""
    random = np.random.default_rng(0)
    for scene, colour in COLOURS.items():
        for number in range(per_scene):
            folder = root / ("val" if number % 3 == 0 else "train") / scene
            folder.mkdir(parents=True, exist_ok=True)
            noisy = np.array(colour) + random.normal(0, 60, (48, 64, 3))
            kind = "png" if number == 1 else "jpg"
            cv2.imwrite(str(folder / f"{number}.{kind}"), noisy.clip(0, 255)[:, :, ::-1])
    return root


def small(**train: object) -> Recipe:
    tree = {
        "visual": {"model": MODEL, "weights": "random", "image_size": 32},
        "train": {"epochs": 3, "batch_size": 16, "lr_max": 0.05, "threads": 2} | train,
    }
    return recipe.parse(tree, "test")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def tuned(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "ve"
    pretrain.pretrain(images, out, small(epochs=4), device="cpu")
    return out


def test_fine_tuning_learns_and_logs_top_1_and_top_5(tuned: Path) -> None:
    rows = read_log(tuned)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert max(row["val_accuracy"] for row in rows) > 0.6
    assert all(row["val_top5"] == 1 for row in rows)  # three scenes only


def test_its_output_is_what_ve_weights_takes(tuned: Path) -> None:
    encoder = visual_weights.build(small().visual.model_copy(update={"weights": str(tuned)}))
    best = checkpoint.load(tuned / "checkpoints" / "best", training=False)
    state = encoder.backbone.state_dict()
    assert all(torch.equal(state[name], best.weights[f"backbone.{name}"]) for name in state)
    assert encoder.config.size == 32
    start = visual_weights.build(small().visual)
    assert encoder.sha256 != start.sha256


def test_a_fine_tuning_that_was_stopped_ends_as_one_that_was_not(
    images: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain.pretrain(images, whole, small(deterministic=True), device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        rows = []

        def stop_in_the_second_epoch(_log: RunLog, row: object) -> None:
            rows.append(row)
            if len(rows) == 2:
                raise KeyboardInterrupt

        patch.setattr(RunLog, "write", stop_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(images, parts, small(deterministic=True), device="cpu")
    pretrain.pretrain(images, parts, resume=True, device="cpu")
    digests = [
        hashlib.sha256((out / visual_weights.FOLDER_WEIGHTS).read_bytes()).hexdigest()
        for out in (whole, parts)
    ]
    assert digests[0] == digests[1]


def test_other_images_are_refused_on_resume(images: Path, tuned: Path, tmp_path: Path) -> None:
    other = make_images(tmp_path / "other", per_scene=9)
    with pytest.raises(AvscError, match="images"):
        pretrain.pretrain(other, tuned, resume=True, device="cpu")


def test_another_recipe_is_refused_on_resume(images: Path, tuned: Path) -> None:
    with pytest.raises(AvscError, match=r"train\.lr_max"):
        pretrain.pretrain(images, tuned, small(epochs=4, lr_max=0.01), resume=True, device="cpu")


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    root = make_images(tmp_path / "images", per_scene=6)
    path = root / "train" / "beach" / "2.jpg"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(AvscError, match=r"beach/2\.jpg") as caught:
        pretrain.pretrain(root, tmp_path / "ve", small(), device="cpu")
    assert "avsc verify" not in caught.value.remedy


def test_the_recorded_configuration_is_what_the_weights_expect(tuned: Path) -> None:
    content = json.loads((tuned / visual_weights.FOLDER_CONFIG).read_text())
    assert content["model"] == MODEL
    assert content["image"]["size"] == 32
