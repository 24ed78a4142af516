"""Runs with a pre-trained audio encoder beside somebody's own acoustic encoder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from avsc import recipe as recipes
from avsc.cli import app as cli
from avsc.data.batch import Inputs
from avsc.errors import AvscError
from avsc.evaluate.agree import agree
from avsc.evaluate.calibrate import calibrate
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.predictions import read_predictions
from avsc.evaluate.robustness import robustness
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import TowerFolder
from avsc.predict.predict import predict
from avsc.recipe import Recipe
from avsc.report.info import run_facts
from avsc.store.reader import Store
from avsc.train.load import Run
from avsc.train.run import train
from tests.audio_models import (
    AST_FEATURES,
    OWN_FEATURES,
    Small,
    make_encoded,
    save_ast,
    sound_of,
)
from tests.conftest import MakeRecipe

OWN = "tests.audio_models:Small"
HEARD = OWN_FEATURES + AST_FEATURES


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its store, an encoder and the embeddings of the store's sound by it."""
    return make_encoded(tmp_path_factory.mktemp("base"))


def _recipe(base: Path, quick: MakeRecipe, *settings: str) -> Recipe:
    return quick(*sound_of(base, OWN), "train.images_per_second=1", "epochs=1", *settings)


@pytest.fixture(scope="module")
def joint(base: Path, quick: MakeRecipe) -> Path:
    """A joint run, with stand-ins."""
    recipe = _recipe(base, quick, "drop_audio=0.3", "drop_image=0.3")
    train(base / "store", base / "joint", recipe, device="cpu")
    return base / "joint"


@pytest.fixture(scope="module")
def audio(base: Path, quick: MakeRecipe) -> Path:
    """A run on sound alone."""
    train(base / "store", base / "audio", _recipe(base, quick, "strategy=audio"), device="cpu")
    return base / "audio"


def test_both_hear_in_this_order(base: Path, joint: Path) -> None:
    opened = Run.open(joint, "cpu", trust_code=True)
    encoder, stand_ins = opened.model.acoustic_encoder, opened.model.stand_ins
    assert encoder is not None
    assert stand_ins is not None
    assert type(encoder.encoder) is Small
    assert encoder.mean.abs().max() > 1  # of the training frames
    assert stand_ins["audio"].shape == (HEARD,)
    evaluate(joint, device="cpu", with_report=False, trust_code=True)
    found = np.load(joint / "evaluation" / "embeddings.npz")
    assert int(found["acoustic_features"]) == opened.model.sound_features == HEARD
    store = Store.open(base / "store")
    rows = {clip.id: row for row, clip in enumerate(store.clips)}
    digest = TowerFolder.read(base / "ast").sha256
    towers = AudioBank(store, digest, base / "ast").read_whole(np.arange(len(rows)))
    for name, embedding in zip(found["names"].tolist(), found["joint"], strict=True):
        clip, _, second = name.rpartition("_")
        frames = torch.from_numpy(store.segments("fbank", [rows[clip]])[0, int(second)])
        with torch.no_grad():
            own = encoder(frames).mean(dim=0)  # of the frames of the second
        tower = towers[rows[clip], int(second)]
        np.testing.assert_allclose(embedding[:OWN_FEATURES], own, atol=1e-5)
        np.testing.assert_allclose(embedding[OWN_FEATURES:HEARD], tower, atol=1e-6)


def test_every_use_of_it_asks_for_consent_and_works_with_it(base: Path, joint: Path) -> None:
    video = next((base / "tau" / "video").iterdir())
    ways = (
        lambda **how: evaluate(joint, without="audio", with_report=False, **how),
        lambda **how: predict(joint, video, **how),
        lambda **how: calibrate(joint, **how),
        lambda **how: robustness([joint], shares=[1.0], **how),
        lambda **how: agree([joint], **how),
    )
    for way in ways:
        with pytest.raises(AvscError) as caught:
            way(device="cpu")
        assert OWN in caught.value.got
        way(device="cpu", trust_code=True)


def test_a_file_is_named_as_its_clip_is(base: Path, audio: Path, tmp_path: Path) -> None:
    evaluate(audio, device="cpu", with_report=False, trust_code=True)
    scenes = Run.open(audio, "cpu", trust_code=True).scenes
    scored = read_predictions(audio / "evaluation" / "predictions.csv", scenes)
    clip = scored.clips[0]
    sound = base / "tau" / "audio" / f"{clip}.wav"
    (found,) = predict(audio, sound, device="cpu", trust_code=True)
    rows = [row for row, name in enumerate(scored.clips) if name == clip]
    np.testing.assert_allclose(found.probabilities, scored.probabilities[rows], atol=1e-3)
    other = save_ast(tmp_path / "other", seed=1)
    with pytest.raises(AvscError) as caught:
        predict(audio, sound, device="cpu", trust_code=True, audio_model=other)
    assert str(other) in caught.value.got


@pytest.mark.parametrize("form", ["onnx", "safetensors"])
def test_an_export_has_the_class_inside_and_the_embedding_as_an_input(
    audio: Path, base: Path, form: str, tmp_path: Path
) -> None:
    folder = export(audio, form, out=tmp_path / "out", trust_code=True)  # type: ignore[arg-type]
    frames, embedding = torch.randn(3, 2, 24), torch.randn(3, AST_FEATURES)
    with torch.no_grad():
        logits = Run.open(audio, "cpu", trust_code=True).model(Inputs(frames, tower=embedding))
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx")
        inputs = {"audio": frames.numpy(), "audio_embedding": embedding.numpy()}
        (found,) = session.run(None, inputs)
    else:
        with pytest.raises(AvscError) as caught:
            read_system(folder)
        assert OWN in caught.value.got
        found = read_system(folder, trust_code=True)(audio=frames, audio_embedding=embedding)
    np.testing.assert_allclose(found, logits.softmax(dim=1), atol=1e-4)
    described = json.loads((folder / "config.json").read_text())
    digest = TowerFolder.read(base / "ast").sha256
    assert described["audio"]["encoder"] == OWN
    assert described["audio_embedding"]["sha256"] == digest
    card = (folder / "README.md").read_text()
    assert all(fact in card for fact in (f"`{OWN}`", "`audio_embedding`", digest))


def test_info_names_both_and_imports_neither(base: Path, joint: Path) -> None:
    sounds = [value for name, value in run_facts(joint) if name == "sound"]
    assert any(OWN in value for value in sounds)
    assert any(str(base / "ast") in value for value in sounds)
    done = CliRunner().invoke(cli.app, ["info", str(joint)])
    assert done.exit_code == 0


def test_pipeline_takes_the_class_of_an_audio_run(
    base: Path, quick: MakeRecipe, audio: Path, tmp_path: Path
) -> None:
    run = tmp_path / "pipeline"
    recipe = _recipe(base, quick, "strategy=pipeline", f"audio_run={audio}")
    train(base / "store", run, recipe, device="cpu")
    models = [Run.open(one, "cpu", trust_code=True).model for one in (audio, run)]
    old, new = (model.acoustic_encoder for model in models)
    assert old is not None
    assert new is not None
    there = new.state_dict()
    assert all(torch.equal(value, there[name]) for name, value in old.state_dict().items())
    papers = quick(*sound_of(base, "both"), "strategy=pipeline", f"audio_run={audio}", "epochs=1")
    with pytest.raises(AvscError) as caught:
        train(base / "store", tmp_path / "papers", papers, device="cpu")
    assert OWN in caught.value.got


@pytest.mark.parametrize("begun_with_it", [True, False])
def test_a_run_does_not_gain_or_lose_the_pretrained_encoder(
    base: Path, quick: MakeRecipe, tmp_path: Path, begun_with_it: bool
) -> None:
    run = tmp_path / "run"
    settings = ("audio.feature=fbank", f"audio.encoder={OWN}", "strategy=audio", "epochs=1")
    recipes_of = {False: quick(*settings), True: quick(*settings, f"audio.model={base / 'ast'}")}
    train(base / "store", run, recipes_of[begun_with_it], device="cpu")
    with pytest.raises(AvscError) as caught:
        train(base / "store", run, recipes_of[not begun_with_it], device="cpu")
    assert "audio.model" in caught.value.got
    assert recipes.load(run / "config.toml") == recipes_of[begun_with_it]
    train(base / "store", run, resume=True, device="cpu", trust_code=True)
