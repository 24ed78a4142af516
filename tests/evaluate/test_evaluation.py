"""Evaluation from end to end, on runs with random weights and small stores."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, log_loss
from typer.testing import CliRunner

from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.embeddings import read_embeddings
from avsc.evaluate.evaluation import evaluate, evaluate_file
from avsc.evaluate.predictions import write_predictions
from avsc.report.info import run_facts
from avsc.scenes import SCENES
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.writer import write_partition

Make = Callable[..., Path]
OTHERS = ("embeddings.npz", "metrics.json", "predictions.csv", "report.html")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_store: Make) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "store.zarr"
    return make_store(path, 60, features=("scalogram",), clips_per_location=1, quarantined=[5])


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, store: Path, make_run: Make) -> Path:
    """A joint run, evaluated by the official protocol."""
    run = make_run(tmp_path_factory.mktemp("runs") / "joint", store)
    result = evaluate(run, device="cpu")
    assert result.folder == run / "evaluation"
    return run


def _metrics(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "metrics.json").read_text())
    assert isinstance(found, dict)
    return found


def _table(folder: Path) -> tuple[pd.DataFrame, Any]:
    """predictions.csv, and the true scenes by number as the clip ids say."""
    table = pd.read_csv(folder / "predictions.csv", sep="\t")
    return table, table["filename"].str.split("-").str[0].map(SCENES.index)


def test_scikit_learn_recomputes_every_score_from_the_predictions(scored: Path) -> None:
    found = _metrics(scored / "evaluation")
    table, truth = _table(scored / "evaluation")
    shares, numbers = table[list(SCENES)].to_numpy(), list(range(10))
    answers = table["scene_label"].map(SCENES.index)
    weight = (1 / truth.map(truth.value_counts())).to_numpy()
    macro = log_loss(truth, shares, labels=numbers, sample_weight=weight)
    assert found["log_loss"] == pytest.approx(macro, abs=1e-6)
    micro = log_loss(truth, shares, labels=numbers)
    assert found["log_loss_micro"] == pytest.approx(micro, abs=1e-6)
    assert found["accuracy"] == pytest.approx(balanced_accuracy_score(truth, answers), abs=1e-6)
    assert found["accuracy_micro"] == pytest.approx(accuracy_score(truth, answers), abs=1e-6)
    matrix = confusion_matrix(truth, answers, labels=numbers)
    np.testing.assert_array_equal(found["confusion"], matrix)
    for number, scene in enumerate(SCENES):
        mine = (truth == number).to_numpy()
        own = found["per_class"][scene]
        assert own["n"] == mine.sum()
        loss = log_loss(truth[mine], shares[mine], labels=numbers)
        assert own["log_loss"] == pytest.approx(loss, abs=1e-6)
        assert own["accuracy"] == pytest.approx((answers[mine] == number).mean(), abs=1e-6)


def test_metrics_say_what_was_scored_and_with_what(scored: Path, store: Path) -> None:
    found = _metrics(scored / "evaluation")
    opened = Store.open(store)
    good = [c for c, s in zip(opened.clips, opened.status(), strict=True) if s == 1]
    tested = [clip for clip in good if clip.fold == "test"]
    assert found["n_segments"] == 10 * len(tested) == 10 * found["n_clips"]
    assert (found["protocol"], found["fold"]) == ("segment", "test")
    assert found["store"] == {"path": str(opened.place), "sha256": opened.sha256}
    assert found["strategy"] == "joint"
    assert found["versions"]["avsc"]
    assert sum(city["n"] for city in found["per_city"].values()) == found["n_segments"]
    low, high = found["intervals"]["log_loss"]
    assert low < found["log_loss"] < high
    assert 0 <= found["ece"] <= 1


def test_metrics_are_json_without_nan(scored: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (scored / "evaluation" / "metrics.json").read_text()
    assert json.loads(text, parse_constant=refuse)["n_segments"] > 0


def test_scoring_again_gives_the_same_bytes(scored: Path) -> None:
    path = scored / "evaluation" / "predictions.csv"
    before = path.read_bytes()
    evaluate(scored, device="cpu", with_report=False)
    assert path.read_bytes() == before


def test_its_own_predictions_scored_as_a_file_give_the_same_metrics(
    scored: Path, store: Path, tmp_path: Path
) -> None:
    own = scored / "evaluation" / "predictions.csv"
    evaluate_file(own, str(store), out=tmp_path / "other", with_report=False)
    run, file = _metrics(scored / "evaluation"), _metrics(tmp_path / "other" / "evaluation")
    for key in ("log_loss", "accuracy", "per_class", "confusion", "intervals", "per_city", "ece"):
        assert run[key] == file[key]
    assert (tmp_path / "other" / "evaluation" / "predictions.csv").read_bytes() == own.read_bytes()
    _, other = compare([scored, tmp_path / "other"]).systems
    assert other.gap_log_loss == 0


def test_another_protocol_has_its_own_folder(scored: Path) -> None:
    before = (scored / "evaluation" / "metrics.json").read_bytes()
    result = evaluate(scored, protocol="context", device="cpu", with_report=False)
    assert result.folder == scored / "evaluation" / "test-context"
    assert _metrics(result.folder)["protocol"] == "context"
    assert (scored / "evaluation" / "metrics.json").read_bytes() == before
    facts = dict(run_facts(scored))
    assert str(_metrics(result.folder)["n_segments"]) in facts["evaluation/test-context"]


def test_another_store_does_not_replace_the_runs_own_evaluation(
    scored: Path, store: Path, make_store: Callable[..., Path], tmp_path: Path
) -> None:
    before = (scored / "evaluation" / "metrics.json").read_bytes()
    settings = Store.open(store).settings
    other = make_store(tmp_path / "other.zarr", 20, settings=settings, seed=1)
    result = evaluate(scored, store=str(other), device="cpu", with_report=False)
    sha256 = Store.open(other).sha256
    assert result.folder == scored / "evaluation" / f"other.zarr-{sha256[:8]}-test-segment"
    assert _metrics(result.folder)["store"]["sha256"] == sha256
    assert (scored / "evaluation" / "metrics.json").read_bytes() == before


def test_out_is_written_instead_of_the_run(scored: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (scored / "evaluation").iterdir())
    result = evaluate(scored, fold="train", device="cpu", out=tmp_path, with_report=False)
    assert result.folder == tmp_path / "evaluation" / "train-segment"
    assert sorted(path.name for path in (scored / "evaluation").iterdir()) == before


def test_embeddings_of_the_sample_are_kept(scored: Path) -> None:
    found = read_embeddings(scored / "evaluation")
    table, truth = _table(scored / "evaluation")
    assert list(found.names) == list(table["filename"])  # fewer than the most
    np.testing.assert_array_equal(found.labels, truth)
    assert list(found.parts()) == ["Audio-visual embeddings", "Acoustic embeddings"]


def _unlabelled(path: Path, make_clip_data: Callable[..., Any]) -> Path:
    """A store like the challenge's evaluation edition: one second, numbers for names."""
    settings = StoreSettings(features=("scalogram",), clip_seconds=1, partition_clips=4)
    clips = [
        StoredClip(str(k), "", "", "", "", f"audio/{k}.wav", f"video/{k}.mp4") for k in range(6)
    ]
    open_for_writing(path, clips, settings)
    for partition, rows in enumerate((range(4), range(4, 6))):
        with write_partition(path, len(clips), settings, partition) as writer:
            for row in rows:
                writer.add(row, make_clip_data(settings, (40, 40), (0, row)))
    mark_complete(path)
    return path


def test_the_evaluation_edition_gives_predictions_only(
    scored: Path, tmp_path: Path, make_clip_data: Callable[..., Any]
) -> None:
    place = _unlabelled(tmp_path / "evaluation.zarr", make_clip_data)
    result = evaluate(scored, store=str(place), device="cpu")
    assert result.summary is None
    assert result.folder is not None
    assert [path.name for path in result.folder.iterdir()] == ["predictions.csv"]
    table = pd.read_csv(result.folder / "predictions.csv", sep="\t")
    assert list(table["filename"]) == [f"{k}.wav" for k in range(6)]
    with pytest.raises(AvscError, match="has no labels"):
        evaluate_file(result.folder / "predictions.csv", str(place))


def test_a_class_that_the_fold_lacks_is_null(tmp_path: Path, make_store: Make) -> None:
    place = make_store(tmp_path / "store.zarr", 13, features=("scalogram",))  # 3 test clips
    opened = Store.open(place)
    names = [f"{c.id}_{s}" for c in opened.clips if c.fold == "test" for s in range(10)]
    file = tmp_path / "predictions.csv"
    write_predictions(file, names, np.full((len(names), 10), 0.1), SCENES)
    result = evaluate_file(file, str(place), out=tmp_path)
    assert result.summary is not None
    found = _metrics(tmp_path / "evaluation")
    assert found["log_loss"] == pytest.approx(math.log(10))
    assert found["per_class"]["tram"] == {"log_loss": None, "accuracy": None, "n": 0}
    assert found["intervals"]["per_class"]["tram"]["log_loss"] is None


def test_a_store_that_is_gone_is_named(scored: Path, tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="absent"):
        evaluate(scored, store=str(tmp_path / "absent"), device="cpu")


def _avsc(*words: str) -> Any:
    return CliRunner().invoke(cli.app, list(words))


def test_the_command_prints_the_table_and_where_the_files_are(scored: Path, store: Path) -> None:
    file = str(scored / "evaluation" / "predictions.csv")
    done = _avsc("evaluate", "--predictions", file, "--store", str(store))
    assert done.exit_code == 0
    assert "mean of scenes" in done.output
    assert "street_pedestrian" in done.output
    assert max(len(line) for line in done.output.splitlines() if "│" in line) <= 80
    shown = f"{_metrics(scored / 'evaluation')['log_loss']:.4f}"
    assert shown in done.output


def test_wrong_usage_is_told(scored: Path) -> None:
    assert _avsc("evaluate").exit_code == 2
    assert _avsc("evaluate", str(scored), "--predictions", "x.csv").exit_code == 2
    assert _avsc("evaluate", "--predictions", "x.csv").exit_code == 2
    assert _avsc("compare", str(scored)).exit_code == 2


def test_compare_prints_both_systems_and_their_differences(scored: Path) -> None:
    done = _avsc("compare", str(scored), str(scored / "evaluation" / "predictions.csv"))
    assert done.exit_code == 0
    assert "differences to joint" in done.output
    assert "0.0000" in done.output
