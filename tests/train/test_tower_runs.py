"""Runs with a pre-trained audio encoder in place of the paper's or beside it, on small clips."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from avsc import recipe as recipes
from avsc.data.batch import Inputs, Mix
from avsc.errors import AvscError
from avsc.evaluate.calibrate import calibrate
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.predictions import read_predictions
from avsc.evaluate.robustness import robustness
from avsc.evaluate.scored_fold import fold_segments
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import TowerFolder
from avsc.models.scene_model import MODALITIES, build_model
from avsc.predict.predict import predict
from avsc.recipe import Recipe
from avsc.report.bank_info import banks
from avsc.report.info import run_facts
from avsc.store.reader import Store
from avsc.train.embed import embed_sound
from avsc.train.load import Run
from avsc.train.run import train
from tests.audio_models import AST_FEATURES, make_encoded, save_ast, sound_of
from tests.conftest import MakeRecipe

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its store, an encoder and the embeddings of the store's sound by it."""
    return make_encoded(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(base: Path, quick: MakeRecipe) -> Train:
    """``trained(encoder, *settings)``: the folder of a run, trained once."""
    made: dict[tuple[str, ...], Path] = {}

    def run(encoder: str, *settings: str) -> Path:
        key = (encoder, *settings)
        if key not in made:
            made[key] = base / f"run-{len(made)}"
            train(base / "store", made[key], _recipe(base, quick, *key), device="cpu")
        return made[key]

    return run


def _recipe(base: Path, quick: MakeRecipe, encoder: str, *settings: str) -> Recipe:
    return quick(*sound_of(base, encoder), "train.images_per_second=1", "epochs=1", *settings)


def _stored(base: Path) -> np.ndarray:
    """Embeddings of all clips, [N, S, P]."""
    store = Store.open(base / "store")
    bank = AudioBank(store, TowerFolder.read(base / "ast").sha256, base / "ast")
    return bank.read_whole(np.arange(len(store.clips)))


@pytest.mark.parametrize("encoder", ["pretrained", "both"])
@pytest.mark.parametrize("strategy", ["joint", "audio"])
def test_it_is_trained_and_scored_on_the_sounds_embeddings(
    base: Path, trained: Train, encoder: str, strategy: str
) -> None:
    run = trained(encoder, f"strategy={strategy}")
    result = evaluate(run, device="cpu", with_report=encoder == "pretrained")
    assert result.summary is not None
    opened = Run.open(run, "cpu")
    own = 1024 if encoder == "both" else 0
    assert opened.model.sound_features == own + AST_FEATURES
    assert (opened.uses_audio, opened.uses_frames) == (True, encoder == "both")
    found = np.load(run / "evaluation" / "embeddings.npz")
    assert int(found["acoustic_features"]) == own + AST_FEATURES
    ids = {clip.id: row for row, clip in enumerate(Store.open(base / "store").clips)}
    stored = _stored(base)
    for name, joint in zip(found["names"].tolist(), found["joint"], strict=True):
        clip, _, second = name.rpartition("_")
        expected = stored[ids[clip], int(second)]
        np.testing.assert_allclose(joint[own : own + AST_FEATURES], expected, atol=1e-6)


def test_a_step_sees_the_embedding_of_the_second_of_its_frame(
    base: Path, quick: MakeRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from avsc.data.batch import Batch
    from avsc.train.epoch import Optimization

    seen: list[Batch] = []
    step = Optimization.step

    def kept(self: Optimization, batch: Batch) -> torch.Tensor:
        seen.append(batch)
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", kept)
    train(base / "store", tmp_path / "run", _recipe(base, quick, "both"), device="cpu")
    store = Store.open(base / "store")
    rows = np.flatnonzero([clip.fold == "train" for clip in store.clips])
    frames = store.audio("fbank", rows)  # [n, F, 2, B]
    from avsc import timebase

    second = timebase.second_of_frames(frames.shape[1])
    for batch in seen[:2]:
        assert batch.audio is not None
        assert batch.tower is not None
        for frame, heard in zip(batch.audio.numpy(), batch.tower.numpy(), strict=True):
            ((clip, number),) = np.argwhere((frames == frame).all(axis=(2, 3)))
            np.testing.assert_array_equal(heard, _stored(base)[rows[clip], second[number]])


@pytest.mark.parametrize("encoder", ["pretrained", "both"])
def test_a_file_is_named_as_its_clip_is(
    base: Path, trained: Train, encoder: str, tmp_path: Path
) -> None:
    run = trained(encoder, "strategy=audio")
    evaluate(run, device="cpu", with_report=False)
    scored = read_predictions(run / "evaluation" / "predictions.csv", Run.open(run, "cpu").scenes)
    clip = scored.clips[0]
    (found,) = predict(run, base / "tau" / "audio" / f"{clip}.wav", device="cpu")
    rows = [row for row, name in enumerate(scored.clips) if name == clip]
    np.testing.assert_allclose(found.probabilities, scored.probabilities[rows], atol=1e-3)
    assert found.sound_columns is not None
    moved = Path(shutil.move(base / "ast", tmp_path / "moved"))
    try:
        with pytest.raises(AvscError) as caught:
            predict(run, base / "tau" / "audio" / f"{clip}.wav", device="cpu")
        assert str(base / "ast") in caught.value.got
        assert "--audio-model" in caught.value.remedy
        evaluate(run, device="cpu", with_report=False)  # which needs the embeddings alone
        (again,) = predict(
            run, base / "tau" / "audio" / f"{clip}.wav", device="cpu", audio_model=moved
        )
        np.testing.assert_array_equal(again.probabilities, found.probabilities)
        other = save_ast(tmp_path / "other", seed=1)
        with pytest.raises(AvscError) as caught:
            predict(run, base / "tau" / "audio" / f"{clip}.wav", device="cpu", audio_model=other)
        assert str(other) in caught.value.got
    finally:
        shutil.move(moved, base / "ast")


def test_a_stand_in_covers_all_that_is_heard(base: Path, trained: Train, tmp_path: Path) -> None:
    run = trained("both", "drop_audio=0.3", "drop_image=0.3")
    stand_ins = Run.open(run, "cpu").model.stand_ins
    assert stand_ins is not None
    assert stand_ins["audio"].shape == (1024 + AST_FEATURES,)
    video = next((base / "tau" / "video").iterdir())
    (seen,) = predict(run, video, device="cpu")
    wav = tmp_path / "loud.wav"
    soundfile.write(wav, np.random.default_rng(0).normal(0, 0.3, (480_000, 2)), 48_000)
    (both,) = predict(run, video, audio=wav, device="cpu")
    assert not np.allclose(both.probabilities, seen.probabilities)
    lacking = evaluate(run, device="cpu", without="audio", with_report=False)
    assert lacking.folder is not None
    assert "without-audio" in lacking.folder.name
    assert lacking.summary is not None
    (system,) = robustness([run], shares=[1.0], device="cpu").systems
    assert system.scores[1].log_loss == pytest.approx(lacking.summary.scores.log_loss, abs=1e-9)


def test_without_sound_neither_encoder_counts() -> None:
    torch.manual_seed(0)
    model = build_model(24, _Eye(), 3, stand_ins=True, tower_features=5).eval()  # type: ignore[arg-type]
    present = torch.tensor([[name != "audio" for name in MODALITIES]]).expand(4, 2)
    image = torch.randn(1, 7).expand(4, 7)
    logits = model(
        Inputs(torch.randn(4, 2, 24), embedding=image, present=present, tower=torch.randn(4, 5))
    )
    assert torch.equal(logits, logits[:1].expand(4, 3))


def test_mixup_mixes_what_a_pretrained_encoder_gives_as_all_else() -> None:
    torch.manual_seed(0)
    model = build_model(None, _Eye(), 3, tower_features=5).eval()  # type: ignore[arg-type]
    heard, seen = torch.randn(4, 5), torch.randn(4, 7)
    mix = Mix(torch.tensor([1, 0, 3, 2]), torch.tensor([0.9, 0.6, 0.5, 1.0]))
    found = model.embed(Inputs(embedding=seen, mix=mix, tower=heard))
    share = mix.share[:, None]
    for part, columns in ((heard, found[:, :5]), (seen, found[:, 5:])):
        expected = share * part + (1 - share) * part[mix.partner]
        assert torch.allclose(columns, expected)


def test_it_learns_with_augmented_sound_and_teaches_a_run_that_hears_less(
    base: Path, quick: MakeRecipe, trained: Train, tmp_path: Path
) -> None:
    teacher = trained(
        "both", "strategy=audio", "augment_audio.mixup=0.5", "augment_audio.gain_db=3.0"
    )
    student = quick("audio.feature=fbank", "strategy=audio", "epochs=1")
    distill = student.distill.model_copy(update={"teacher": (str(teacher),)})
    recipe = student.model_copy(update={"distill": distill})
    train(base / "store", tmp_path / "student", recipe, device="cpu")
    assert Run.open(tmp_path / "student", "cpu").manifest.audio_tower is None
    made = [row[3] for row in banks(base / "store")]
    assert "answers of a teacher" in made
    assert "sound" in made


class _Eye:
    """A visual encoder of seven features that encodes nothing."""

    features = 7


def test_pipeline_takes_the_acoustic_encoder_of_an_audio_run_without_a_tower(
    base: Path, quick: MakeRecipe, trained: Train, tmp_path: Path
) -> None:
    plain = quick("audio.feature=fbank", "strategy=audio", "epochs=1")
    train(base / "store", tmp_path / "audio", plain, device="cpu")
    run = tmp_path / "pipeline"
    recipe = _recipe(base, quick, "both", "strategy=pipeline", f"audio_run={tmp_path / 'audio'}")
    train(base / "store", run, recipe, device="cpu")
    ears = [Run.open(one, "cpu").model.acoustic_encoder for one in (tmp_path / "audio", run)]
    old, new = (dict(one.state_dict()) for one in ears if one is not None)
    assert all(torch.equal(old[name], new[name]) for name in old)
    without = tmp_path / "without"  # nothing to take over where there is no such encoder
    train(base / "store", without, _recipe(base, quick, "pretrained", "strategy=pipeline"))
    deaf = _recipe(
        base,
        quick,
        "both",
        "strategy=pipeline",
        f"audio_run={trained('pretrained', 'strategy=audio')}",
    )
    with pytest.raises(AvscError) as caught:
        train(base / "store", tmp_path / "deaf", deaf, device="cpu")
    assert "no acoustic encoder" in caught.value.got


def _require_scores_as_the_run(onnx: bytes, run: Path, store: Path) -> None:
    from avsc.evaluate import score
    from avsc.export.int8 import onnx_scores

    opened, there = Run.open(run, "cpu"), Store.open(store)
    segments = fold_segments(opened, there, "test")
    found = onnx_scores(onnx, opened, there, segments)
    np.testing.assert_allclose(found, score.score(opened, there, segments, "segment"), atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "form"), [("both", "onnx"), ("both", "safetensors"), ("pretrained", "safetensors")]
)
def test_an_export_takes_the_embedding_of_sound_as_an_input(
    base: Path, trained: Train, encoder: str, form: str, tmp_path: Path
) -> None:
    run = trained(encoder, "strategy=audio")
    folder = export(run, form, out=tmp_path / "out")  # type: ignore[arg-type]
    inputs = {"audio_embedding": torch.randn(3, AST_FEATURES)}
    if encoder == "both":
        inputs["audio"] = torch.randn(3, 2, 24)
    model = Run.open(run, "cpu").model
    with torch.no_grad():
        expected = model(Inputs(inputs.get("audio"), tower=inputs["audio_embedding"])).softmax(
            dim=1
        )
        if form == "onnx":
            import onnxruntime

            session = onnxruntime.InferenceSession(folder / "model.onnx")
            (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
            _require_scores_as_the_run((folder / "model.onnx").read_bytes(), run, base / "store")
        else:
            found = read_system(folder)(**inputs).numpy()
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    described = json.loads((folder / "config.json").read_text())
    digest = TowerFolder.read(base / "ast").sha256
    assert described["audio_embedding"]["sha256"] == digest
    assert (described["audio"] is None) == (encoder == "pretrained")
    card = (folder / "README.md").read_text()
    assert digest in card
    assert "`audio_embedding`" in card


def test_info_and_the_manifest_name_the_encoder(base: Path, trained: Train) -> None:
    run = trained("both", "strategy=joint")
    recorded = Run.open(run, "cpu").manifest.audio_tower
    assert recorded is not None
    assert recorded.model == "AST"
    assert recorded.features == AST_FEATURES
    assert recorded.sha256 == TowerFolder.read(base / "ast").sha256
    sounds = [value for name, value in run_facts(run) if name == "sound"]
    assert any(str(base / "ast") in value for value in sounds)
    assert recipes.load(run / "config.toml").audio.model == str(base / "ast")


def test_a_run_that_is_calibrated_keeps_its_stand_ins(base: Path, trained: Train) -> None:
    run = trained("pretrained", "drop_audio=0.3", "drop_image=0.3")
    temperature = calibrate(run, device="cpu").temperature
    logits = []
    for calibrated in (False, True):
        found = evaluate(
            run, device="cpu", without="audio", with_report=False, calibrated=calibrated
        )
        assert found.folder is not None
        read = read_predictions(found.folder / "predictions.csv", Run.open(run, "cpu").scenes)
        shares = np.log(read.probabilities)
        logits.append(shares - shares[:, :1])
    assert temperature != 1
    np.testing.assert_allclose(logits[0] / temperature, logits[1], atol=1e-4)


def test_what_is_not_encoded_is_said_with_the_command(
    base: Path, quick: MakeRecipe, trained: Train, tmp_path: Path
) -> None:
    elsewhere = shutil.copytree(base / "store", tmp_path / "store")  # without its neighbour
    with pytest.raises(AvscError) as caught:
        evaluate(trained("both", "strategy=audio"), store=elsewhere, device="cpu")
    assert f"avsc embed {elsewhere} DATASET" in caught.value.remedy
    other = save_ast(tmp_path / "other", seed=2)
    recipe = quick("audio.feature=fbank", "audio.encoder=both", f"audio.model={other}")
    with pytest.raises(AvscError) as caught:
        train(base / "store", tmp_path / "run", recipe, device="cpu")
    assert f"avsc embed {base / 'store'} DATASET --audio-model {other}" in caught.value.remedy


def test_a_run_does_not_go_on_with_a_changed_encoder_and_does_from_another_place(
    base: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    run, moved = tmp_path / "run", Path(shutil.copytree(base / "ast", tmp_path / "moved"))
    train(base / "store", run, _recipe(base, quick, "pretrained"), device="cpu")
    settings = ("audio.feature=fbank", "audio.encoder=pretrained", "train.images_per_second=1")
    again = quick(*settings, "epochs=1", f"audio.model={moved}")
    assert train(base / "store", run, again, device="cpu").epochs == 1
    (moved / "preprocessor_config.json").write_text(
        (moved / "preprocessor_config.json").read_text() + "\n"
    )
    changed = Path(shutil.move(moved, tmp_path / "changed"))
    embed_sound(base / "store", base / "tau", changed, device="cpu")
    wrong = quick(*settings, "epochs=1", f"audio.model={changed}")
    with pytest.raises(AvscError) as caught:
        train(base / "store", run, wrong, device="cpu")
    assert TowerFolder.read(changed).sha256[:12] in caught.value.got
    shutil.copytree(base / "ast", moved)
    train(base / "store", run, resume=True, device="cpu")  # it still knows where its own lay
