"""Scores without a modality, and with pictures of another second."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc import recipe
from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.condition import Condition, Modality
from avsc.evaluate.evaluation import evaluate, fold_segments
from avsc.store.reader import Store
from avsc.train.load import Run
from avsc.train.run import train

SETTINGS = (
    "visual.model=test_resnet.r160_in1k",
    "visual.weights=random",
    "visual.image_size=32",
    "train.batch_size=32",
    "train.val_fraction=0.3",
    "train.threads=1",
    "train.images_per_second=1",
)


@pytest.fixture(scope="module")
def robust(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint run whose training dropped modalities."""
    path = tmp_path_factory.mktemp("robust") / "run"
    own = ["train.epochs=12", "train.drop_audio=0.25", "train.drop_image=0.25", "train.shift_s=1"]
    train(small_store, path, recipe.load(None, [*SETTINGS, *own]), device="cpu")
    return path


@pytest.mark.parametrize("without", ["audio", "image"])
def test_the_missing_modality_has_no_influence_and_its_stand_in_has(
    robust: Path, without: Modality
) -> None:
    run = Run.open(robust, "cpu")
    store = Store.open(run.manifest.store)
    segments = fold_segments(run, store, "test")
    found = score.score(run, store, segments, "segment", Condition(without))
    assert run.model.stand_ins is not None
    assert run.model.acoustic_encoder is not None
    if without == "audio":  # another acoustic encoder changes nothing
        with torch.no_grad():
            for parameter in run.model.acoustic_encoder.parameters():
                parameter.mul_(-1)
        again = score.score(run, store, segments, "segment", Condition(without))
        assert np.array_equal(again, found)
    with torch.no_grad():
        run.model.stand_ins[without].mul_(-5)
    other = score.score(run, store, segments, "segment", Condition(without))
    assert not np.allclose(other, found)


def test_each_condition_has_its_own_scores_beside_the_runs_own(robust: Path) -> None:
    conditions: dict[str, tuple[Modality | None, int]] = {
        "without-audio": ("audio", 0),
        "without-image": ("image", 0),
        "offset+1s": (None, 1),
    }
    own = evaluate(robust, with_report=False, device="cpu").summary
    assert own is not None
    losses = {own.scores.log_loss}
    for name, (without, offset) in conditions.items():
        result = evaluate(robust, without=without, offset_s=offset, with_report=False, device="cpu")
        assert result.folder is not None
        assert result.summary is not None
        assert result.folder == robust / f"evaluation/test-segment-{name}"
        assert json.loads((result.folder / "metrics.json").read_text())["condition"] == name
        losses.add(result.summary.scores.log_loss)
    assert len(losses) == 4


def test_an_offset_gives_the_picture_of_that_second_of_the_clip() -> None:
    stored = np.arange(2 * 5, dtype=np.float32).reshape(2, 5, 1)
    found = Condition(offset_s=2).pictures(stored, np.array([5, 3]))[:, :, 0]
    assert found.tolist() == [[2, 3, 4, 4, 4], [7, 7, 7, 7, 7]]
    back = Condition(offset_s=-1).pictures(stored, np.array([5, 3]))[:, :, 0]
    assert back[0].tolist() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("strategy", ["joint", "audio"])
def test_a_run_that_was_not_made_for_it_is_refused(
    small_store: Path, make_run: Callable[..., Path], tmp_path: Path, strategy: str
) -> None:
    run = make_run(tmp_path / "run", small_store, strategy)
    with pytest.raises(AvscError) as caught:
        evaluate(run, without="image", device="cpu")
    assert str(run) in caught.value.got
    assert not (run / "evaluation").exists()
