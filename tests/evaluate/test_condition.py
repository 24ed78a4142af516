"""Scores without a modality, and with pictures of another second."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.condition import Condition, Modality, picture_numbers
from avsc.evaluate.embeddings import read_embeddings
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.scored_fold import fold_segments
from avsc.report.info import run_facts
from avsc.store.reader import Store
from avsc.train.load import Run


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
    seconds = np.array([5, 3])
    assert picture_numbers(seconds, 0).tolist() == list(range(8))
    assert picture_numbers(seconds, 2).tolist() == [2, 3, 4, 4, 4, 7, 7, 7]
    assert picture_numbers(seconds, -1).tolist() == [0, 0, 1, 2, 3, 5, 5, 6]


@pytest.mark.parametrize("strategy", ["joint", "audio"])
def test_a_run_that_was_not_made_for_it_is_refused(
    small_store: Path, make_run: Callable[..., Path], tmp_path: Path, strategy: str
) -> None:
    run = make_run(tmp_path / "run", small_store, strategy)
    with pytest.raises(AvscError) as caught:
        evaluate(run, without="image", device="cpu")
    assert str(run) in caught.value.got
    assert not (run / "evaluation").exists()


def test_a_run_that_never_lacked_the_modality_in_training_is_refused(
    small_store: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", small_store, "joint", settings=("train.drop_audio=0.3",))
    assert evaluate(run, without="audio", device="cpu", with_report=False).folder
    with pytest.raises(AvscError) as caught:
        evaluate(run, without="image", device="cpu")
    assert "train.drop_image" in caught.value.got


def test_the_maps_are_of_what_was_scored(robust: Path) -> None:
    for without, title in (("audio", "Visual embeddings"), ("image", "Acoustic embeddings")):
        result = evaluate(robust, without=without, device="cpu")  # type: ignore[arg-type]
        assert result.folder is not None
        parts = read_embeddings(result.folder).parts()
        assert list(parts) == [title]
        page = (result.folder / "report.html").read_text(encoding="utf-8")
        assert title in page
        assert "Audio-visual embeddings" not in page
        assert f"Condition: without-{without}" in page
    own = evaluate(robust, device="cpu", with_report=False).folder
    late = evaluate(robust, device="cpu", with_report=False, offset_s=1).folder
    assert own is not None
    assert late is not None
    whole, shifted = read_embeddings(own), read_embeddings(late)
    width = whole.acoustic_features
    assert np.array_equal(whole.joint[:, :width], shifted.joint[:, :width])
    assert np.array_equal(whole.joint[1::2, width:], shifted.joint[::2, width:])  # 2 s a clip


def test_calibrated_probabilities_keep_the_stand_ins(robust: Path) -> None:
    from avsc.evaluate.temperature import with_temperature

    run = Run.open(robust, "cpu")
    store = Store.open(run.manifest.store)
    segments = fold_segments(run, store, "test")
    scaled = with_temperature(run, 1.0)
    found, again = (
        score.score(one, store, segments, "segment", Condition("audio")) for one in (run, scaled)
    )
    assert np.array_equal(found, again)


def test_info_lists_every_condition(robust: Path) -> None:
    evaluate(robust, without="audio", device="cpu", with_report=False)
    evaluate(robust, offset_s=-1, device="cpu", with_report=False)
    listed = dict(run_facts(robust))
    assert "without-audio" in listed["evaluation/test-segment-without-audio"]
    assert "offset-1s" in listed["evaluation/test-segment-offset-1s"]
