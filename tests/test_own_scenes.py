"""The scenes are a property of the data set: a store's own, from training to report and export."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from avsc import recipe as recipes
from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.evaluation import evaluate, evaluate_file
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.report.info import clips_by_scene
from avsc.scenes import SCENES
from avsc.store import metadata
from avsc.store.create import create, open_for_writing
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.verify import verify
from avsc.train.load import Run
from avsc.train.run import train
from tests.conftest import MakeClips, MakeRecipe, MakeRun, MakeStore

OWN = ("Küche, groß", "a | b", "bus", "会議室")
MANY = tuple(f"room {number:03} on the long corridor of the third floor" for number in range(120))


@pytest.fixture(scope="module")
def own_store(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "store"
    settings = StoreSettings(features=("scalogram",), clip_seconds=2, partition_clips=16)
    return make_store(path, 36, settings=settings, scenes=OWN, learnable=True)


@pytest.fixture(scope="module")
def own_run(own_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "run"
    train(own_store, path, quick("train.strategy=audio"), device="cpu")
    return path


@pytest.fixture(scope="module")
def own_scored(own_run: Path) -> Path:
    evaluate(own_run, device="cpu")
    return own_run


def test_a_store_keeps_its_scenes(own_store: Path) -> None:
    store = Store.open(own_store)
    assert store.scenes == OWN
    assert not verify(own_store)
    _, rows = clips_by_scene(store.clips, store.status().tolist())
    assert [row[0] for row in rows] == [*OWN, "all"]


def test_a_store_of_tau_has_the_bytes_it_had(tmp_path: Path, make_clips: MakeClips) -> None:
    clips, settings = make_clips(3), StoreSettings()
    create(tmp_path / "store", clips, settings)
    attributes = json.loads((tmp_path / "store" / "zarr.json").read_text())["attributes"]
    names = ("schema_version", "clips", "clips_csv_sha256", "settings", "complete")
    assert list(attributes) == [*names, "content_sha256", "attributes_sha256"]
    assert Store.open(tmp_path / "store", complete=False).scenes == SCENES


def test_other_scenes_make_another_store(own_store: Path, tmp_path: Path) -> None:
    clips = Store.open(own_store).clips
    more = tuple(sorted((*OWN, "attic")))
    found = []
    for number, scenes in enumerate((OWN, more)):
        create(tmp_path / str(number), clips, StoreSettings(), scenes)
        found.append(Store.open(tmp_path / str(number), complete=False))
    assert found[1].scenes == more
    assert found[0].sha256 != found[1].sha256
    with pytest.raises(AvscError) as caught:
        open_for_writing(tmp_path / "0", clips, StoreSettings(), more)
    assert "attic" in caught.value.got


def test_a_clip_of_a_scene_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    clips = [StoredClip(str(k), scene, "", "", "train", "", "") for k, scene in enumerate(OWN)]
    with pytest.raises(AvscError) as caught:
        create(tmp_path / "store", clips, StoreSettings(), OWN[:3])
    assert OWN[3] in caught.value.got
    assert not (tmp_path / "store").exists()


def test_scenes_in_damaged_attributes_are_noticed(own_store: Path) -> None:
    data = (own_store / "zarr.json").read_bytes()
    with pytest.raises(AvscError):
        metadata.parse_store(data.replace(b'"bus"', b'"bux"'), "zarr.json")


def test_a_run_has_the_scenes_of_its_store(own_run: Path) -> None:
    run = Run.open(own_run, "cpu")
    assert run.scenes == OWN
    assert run.model.classifier[-1].out_features == len(OWN)
    assert recipes.load(own_run / "config.toml").train.strategy == "audio"


def test_an_evaluation_is_over_the_runs_scenes(own_scored: Path, own_store: Path) -> None:
    found = json.loads((own_scored / "evaluation" / "metrics.json").read_text())
    assert found["scenes"] == list(found["per_class"]) == list(OWN)
    assert np.shape(found["confusion"]) == (4, 4)
    table = pd.read_csv(own_scored / "evaluation" / "predictions.csv", sep="\t")
    assert list(table.columns) == ["filename", "scene_label", *OWN]
    np.testing.assert_allclose(table[list(OWN)].sum(axis=1), 1)
    scene = {clip.id: clip.scene for clip in Store.open(own_store).clips}
    truth = [scene[f"{int(name.split('_')[0]):06}"] for name in table["filename"]]
    right = pd.Series(table["scene_label"] == truth).groupby(truth).mean()
    assert found["accuracy"] == pytest.approx(right.mean())


def test_its_report_names_the_scenes_and_not_the_papers_numbers(own_scored: Path) -> None:
    page = (own_scored / "evaluation" / "report.html").read_text()
    assert all(scene in page for scene in OWN)
    assert "tram" not in page
    assert "the paper’s" not in page


def test_its_predictions_are_scored_and_compared_by_the_store(
    own_scored: Path, own_store: Path, tmp_path: Path
) -> None:
    file = own_scored / "evaluation" / "predictions.csv"
    evaluate_file(file, str(own_store), out=tmp_path, with_report=False)
    first, other = compare([own_scored, tmp_path]).systems
    found = json.loads((own_scored / "evaluation" / "metrics.json").read_text())
    assert first.scores.log_loss == pytest.approx(found["log_loss"])
    assert other.gap_log_loss == 0


def test_an_export_tells_the_runs_scenes_apart(own_scored: Path, tmp_path: Path) -> None:
    export(own_scored, "safetensors", out=tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["scenes"] == list(OWN)
    assert read_system(tmp_path).model.classifier[-1].out_features == 4
    card = (tmp_path / "README.md").read_text()
    assert r"| a \| b |" in card


def test_a_run_scores_a_store_whose_scenes_it_knows_and_no_other(
    own_run: Path, own_store: Path, make_store: MakeStore, tmp_path: Path
) -> None:
    settings = Store.open(own_store).settings
    fewer = make_store(tmp_path / "fewer", 16, settings=settings, scenes=OWN[1:3])
    result = evaluate(own_run, store=str(fewer), device="cpu", out=tmp_path, with_report=False)
    assert result.summary is not None
    assert [scene.n > 0 for scene in result.summary.by_scene()] == [False, True, True, False]
    other = make_store(tmp_path / "tau", 20, settings=settings)
    with pytest.raises(AvscError) as caught:
        evaluate(own_run, store=str(other), device="cpu", out=tmp_path)
    assert "airport" in caught.value.got


def test_predict_writes_a_column_for_each_scene(own_run: Path, tmp_path: Path) -> None:
    import wave

    sound = tmp_path / "hall.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        noise = np.random.default_rng(0).integers(-9000, 9000, (32000, 2), np.int16)
        file.writeframes(noise.astype("<i2").tobytes())
    words = ["predict", str(own_run), str(sound), "--format", "csv", "--device", "cpu"]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0])[4:] == list(OWN)
    assert sum(float(rows[1][scene]) for scene in OWN) == pytest.approx(1)


def test_a_report_of_very_many_scenes_stays_readable(
    make_store: MakeStore, make_run: MakeRun, tmp_path: Path
) -> None:
    settings = StoreSettings(features=("scalogram",), clip_seconds=1, partition_clips=64)
    store = make_store(tmp_path / "store", 360, settings=settings, size=(16, 16), scenes=MANY)
    run = make_run(tmp_path / "run", store, "audio")
    result = evaluate(run, device="cpu")
    assert result.summary is not None
    assert result.summary.confusion.shape == (120, 120)
    page = (run / "evaluation" / "report.html").read_text()
    assert page.count("<td") < 500  # no table of 14,400 numbers
    assert len(page) < 3_000_000
    assert all(scene in page for scene in MANY)
