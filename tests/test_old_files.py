"""A store and two runs of version 0.1 as it was first released still open, verify and go on.

``tests/data/before_rooms.tar.xz`` was made with the last commit before the rooms were built: 40
synthetic clips of two seconds, a joint run and an audio run that were stopped after two of three
epochs, most of their weights set to 0 so that the file stays small, and their evaluations.
"""

import csv
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from avsc import recipe as recipes
from avsc.evaluate.evaluation import evaluate
from avsc.models import visual_weights
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
from avsc.store.verify import verify
from avsc.train.log import read_log
from avsc.train.run import train

ARCHIVE = Path(__file__).parent / "data" / "before_rooms.tar.xz"


@pytest.fixture
def before(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "before"


def _probabilities(run: Path) -> np.ndarray:
    with (run / "evaluation" / "predictions.csv").open() as file:
        return np.array([row[2:] for row in csv.reader(file, delimiter="\t")][1:], float)


def test_an_old_store_opens_and_verifies(before: Path) -> None:
    store = Store.open(before / "store.zarr")
    assert len(store.clips) == 40
    assert len(store.reasons()) == 1
    assert not verify(before / "store.zarr")


# An image is brought to size by timm's own transform now, ours was up to two levels off.
@pytest.mark.parametrize(("run", "tolerance"), [("audio-run", 1e-6), ("joint-run", 2e-3)])
def test_an_old_run_scores_as_it_did(before: Path, run: str, tolerance: float) -> None:
    folder = before / run
    then = json.loads((folder / "evaluation" / "metrics.json").read_text())
    old = _probabilities(folder)
    evaluate(folder, store=str(before / "store.zarr"), device="cpu", with_report=False)
    now = json.loads((folder / "evaluation" / "metrics.json").read_text())
    assert now["n_segments"] == then["n_segments"] == len(old)
    assert now["log_loss"] == pytest.approx(then["log_loss"], abs=tolerance)
    np.testing.assert_allclose(_probabilities(folder), old, atol=tolerance)


@pytest.mark.parametrize("run", ["audio-run", "joint-run"])
def test_an_old_run_goes_on(before: Path, run: str) -> None:
    ended = train(before / "store.zarr", before / run, resume=True, device="cpu")
    assert ended.epochs == 3
    rows = read_log(before / run)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert recipes.load(before / run / "config.toml").train.epochs == 3


def test_an_old_folder_of_visual_weights_is_read(tmp_path: Path) -> None:
    recipe = VisualRecipe(model="test_resnet", weights="random", image_size=32)
    encoder = visual_weights.build(recipe)
    state = dict(encoder.backbone.state_dict())
    visual_weights.save_folder(tmp_path, "test_resnet", state, encoder.config)
    config = tmp_path / "config.json"
    content = json.loads(config.read_text())
    content["image"]["deviation"] = content["image"].pop("std")  # its name in version 0.1
    del content["image"]["crop_mode"]  # there was none
    config.write_text(json.dumps(content))
    again = visual_weights.build(recipe.model_copy(update={"weights": str(tmp_path)}))
    assert (again.sha256, again.config) == (encoder.sha256, encoder.config)
