"""The temperature of a run: fitted on its validation clips, applied where asked, never on those."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from typer.testing import CliRunner

from avsc import metrics
from avsc.cli import app as cli
from avsc.data.batch import Inputs
from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.evaluate.calibrate import calibrate
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.predictions import read_predictions
from avsc.evaluate.temperature import (
    fit_temperature,
    read_calibration,
    segment_shares,
    with_temperature,
)
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.models.protocol import segment_probabilities
from avsc.store.reader import Store
from avsc.train.load import Run

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_store: Make) -> Path:
    path = tmp_path_factory.mktemp("calibrate") / "store.zarr"
    return make_store(path, 120, features=("scalogram",), clip_seconds=2, partition_clips=64)


@pytest.fixture
def run(tmp_path: Path, store: Path, make_run: Make) -> Path:
    return make_run(tmp_path / "joint", store)


def test_the_temperature_that_made_the_labels_is_found_again() -> None:
    random = np.random.default_rng(0)
    logits = 2 * random.standard_normal((6000, 5))
    labels = np.array([random.choice(5, p=softmax(row / 2.5)) for row in logits])
    segment = np.arange(6000)
    found = fit_temperature(logits, segment, labels)
    assert found == pytest.approx(2.5, rel=0.1)

    def loss(temperature: float) -> float:
        return metrics.log_loss(segment_shares(logits, segment, 6000, temperature), labels)

    assert loss(found) <= min(loss(t) for t in np.geomspace(0.05, 20, 200)) + 1e-6


def test_it_is_fitted_on_the_validation_clips_and_kept_in_the_run(run: Path, store: Path) -> None:
    fitted = calibrate(run, device="cpu")
    assert fitted == read_calibration(run)
    opened = Store.open(store)
    held_out = training_fold(opened, Run.open(run, "cpu").recipe.train).validation.rows
    assert set(fitted.clips) == {opened.clips[row].id for row in held_out}
    assert fitted.log_loss[1] <= fitted.log_loss[0]
    result = evaluate(run, fold="validation", device="cpu", with_report=False)
    assert result.summary is not None
    assert result.summary.scores.log_loss == pytest.approx(fitted.log_loss[0], abs=1e-6)
    assert fitted.n_segments == result.summary.scores.n_segments


def test_evaluate_applies_it_beside_the_plain_evaluation(run: Path) -> None:
    plain = evaluate(run, device="cpu", with_report=False)
    fitted = calibrate(run, device="cpu")
    scaled = evaluate(run, device="cpu", calibrated=True)
    assert plain.folder is not None
    assert scaled.folder is not None
    assert plain.folder != scaled.folder
    loaded = with_temperature(Run.open(run, "cpu"), fitted.temperature)
    audio = torch.zeros(1, 2, 290)
    assert loaded.visual_encoder is not None
    embedding = torch.zeros(1, loaded.visual_encoder.features)
    logits = Run.open(run, "cpu").model(Inputs(audio, embedding=embedding))
    torch.testing.assert_close(
        loaded.model(Inputs(audio, embedding=embedding)), logits / fitted.temperature
    )
    before = read_predictions(plain.folder / "predictions.csv").probabilities
    after = read_predictions(scaled.folder / "predictions.csv").probabilities
    assert not np.allclose(before, after)
    found = json.loads((scaled.folder / "metrics.json").read_text())
    assert found["temperature"] == fitted.temperature
    page = (scaled.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("Reliability, expected calibration error") == 2
    evaluate(run, device="cpu")
    page = (plain.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("Reliability, expected calibration error") == 2
    after_all = read_predictions(plain.folder / "predictions.csv").probabilities
    np.testing.assert_array_equal(after_all, before)


@pytest.mark.parametrize("fold", ["validation", "train", "all"])
def test_it_is_never_applied_to_the_clips_it_was_fitted_on(run: Path, fold: str) -> None:
    fitted = calibrate(run, device="cpu")
    with pytest.raises(AvscError) as caught:
        evaluate(run, fold=fold, device="cpu", calibrated=True)
    assert f"{len(fitted.clips)} of the scored clips" in caught.value.got
    assert not list((run / "evaluation").rglob("*calibrated*"))
    result = evaluate(run, fold=fold, device="cpu")  # without it, and without the comparison
    assert result.folder is not None
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("Reliability, expected calibration error") == 1


def test_a_temperature_that_is_absent_damaged_or_of_other_weights_is_refused(run: Path) -> None:
    with pytest.raises(AvscError) as caught:
        evaluate(run, device="cpu", calibrated=True)
    assert f"avsc calibrate {run}" in caught.value.remedy
    calibrate(run, device="cpu")
    path = run / "calibration.json"
    good = json.loads(path.read_text())
    bads: list[object] = [good | {"weights_sha256": "0" * 64}, good | {"temperature": -1}, [], {}]
    for bad in bads:
        path.write_text(json.dumps(bad))
        with pytest.raises(AvscError) as caught:
            evaluate(run, device="cpu", calibrated=True)
        assert str(path) in caught.value.got
    path.write_text("{")
    evaluate(run, device="cpu", with_report=False)  # not asked for: not needed


def test_another_store_has_no_validation_clips_of_the_run(
    run: Path, tmp_path: Path, make_store: Make
) -> None:
    other = make_store(tmp_path / "other.zarr", 30, features=("scalogram",), clip_seconds=2, seed=9)
    for refused in (
        lambda: calibrate(run, store=str(other), device="cpu"),
        lambda: evaluate(run, store=str(other), fold="validation", device="cpu"),
    ):
        with pytest.raises(AvscError) as caught:
            refused()
        assert str(other) in caught.value.got


def test_an_export_has_it_inside(run: Path) -> None:
    fitted = calibrate(run, device="cpu")
    plain, scaled = export(run, "safetensors"), export(run, "safetensors", calibrated=True)
    assert plain != scaled
    config = json.loads((scaled / "config.json").read_text())
    assert config["temperature"] == fitted.temperature
    assert "temperature" not in json.loads((plain / "config.json").read_text())
    assert f"{fitted.temperature:.4f}" in (scaled / "README.md").read_text()
    systems = [read_system(folder) for folder in (plain, scaled)]
    inputs = systems[0].shapes().examples(3)
    before, after = (system(**inputs).detach().numpy() for system in systems)
    powered = before.astype(float) ** (1 / fitted.temperature)
    np.testing.assert_allclose(
        after, powered / powered.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-5
    )


def test_the_commands(run: Path) -> None:
    for words in (["calibrate", str(run)], ["evaluate", str(run), "--calibrated", "--no-report"]):
        done = CliRunner().invoke(cli.app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert (run / "evaluation" / "test-segment-calibrated" / "metrics.json").is_file()


def test_a_prediction_has_it_where_it_is_asked_for(run: Path) -> None:
    fitted = calibrate(run, device="cpu")
    loaded = Run.open(run, "cpu")
    random = np.random.default_rng(0)
    frames = random.standard_normal((3, 2, 290)).astype(np.float32) - 5
    assert loaded.visual_encoder is not None
    embedding = random.standard_normal((1, loaded.visual_encoder.features)).astype(np.float32)
    samples = loaded.samples(frames, embedding, np.zeros(3, np.int64), 1)
    scaled = with_temperature(loaded, fitted.temperature)
    logits = loaded.model(Inputs(samples.audio, embedding=samples.embedding[samples.segment]))  # type: ignore[index]
    wanted = softmax(logits.detach().double().numpy() / fitted.temperature, axis=1).mean(axis=0)
    found = segment_probabilities(scaled.model, samples)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
