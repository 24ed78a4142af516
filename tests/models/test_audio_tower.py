"""Pre-trained audio encoders from local folders: values, digests, and what is refused."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from avsc.errors import AvscError
from avsc.models.audio_tower import AudioTower, TowerFolder
from tests.audio_models import AST_FEATURES, CLAP_FEATURES, ast_by_hand, save_ast, save_clap

CPU = torch.device("cpu")


def _open(folder: Path) -> AudioTower:
    return AudioTower(TowerFolder.read(folder), CPU)


def _noise(seconds: int, rate_hz: int) -> np.ndarray:
    draw = np.random.default_rng(seconds)
    return np.asarray(draw.normal(0, 0.1, (seconds, 2, rate_hz)), np.float32)


def test_ast_gives_what_transformers_gives_of_the_average_of_the_channels(tmp_path: Path) -> None:
    folder = save_ast(tmp_path / "ast")
    tower = _open(folder)
    sound = _noise(3, 16_000)
    found = tower.encode(sound)
    assert (tower.sample_rate_hz, found.shape) == (16_000, (3, AST_FEATURES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ast_by_hand(folder, sound.mean(axis=1)), atol=1e-5)
    assert found.std(axis=0).max() > 1e-3  # it listens


def test_of_an_ast_classifier_the_encoder_is_taken(tmp_path: Path) -> None:
    from transformers import ASTForAudioClassification, ASTModel

    plain = save_ast(tmp_path / "ast")
    classifier = ASTForAudioClassification(ASTModel.from_pretrained(plain).config)
    classifier.audio_spectrogram_transformer.load_state_dict(
        ASTModel.from_pretrained(plain).state_dict()
    )
    folder = Path(shutil.copytree(plain, tmp_path / "classifier"))
    classifier.save_pretrained(folder)
    sound = _noise(2, 16_000)
    np.testing.assert_array_equal(_open(folder).encode(sound), _open(plain).encode(sound))


@pytest.mark.parametrize("fusion", [False, True])
def test_clap_gives_what_transformers_gives_of_a_short_sound(tmp_path: Path, fusion: bool) -> None:
    from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

    folder = save_clap(tmp_path / "clap", fusion=fusion)
    tower = _open(folder)
    sound = _noise(3, 48_000)
    found = tower.encode(sound)
    model = ClapAudioModelWithProjection.from_pretrained(folder).eval()
    inputs = ClapFeatureExtractor.from_pretrained(folder)(
        list(sound.mean(axis=1)), sampling_rate=48_000, return_tensors="pt"
    )
    features, no = inputs["input_features"].float(), torch.zeros(3, 1, dtype=torch.bool)
    with torch.no_grad():
        expected = model(features, is_longer=no).audio_embeds.numpy()
    assert (tower.sample_rate_hz, tower.features) == (48_000, CLAP_FEATURES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found, tower.encode(sound))  # nothing in it is drawn


def test_of_a_clap_model_with_a_text_encoder_the_half_for_sound_is_taken(tmp_path: Path) -> None:
    from transformers import ClapFeatureExtractor, ClapModel

    folder = save_clap(tmp_path / "clap", text=True)
    sound = _noise(2, 48_000)
    found = _open(folder).encode(sound)
    whole = ClapModel.from_pretrained(folder).eval()
    assert any(name.startswith("text_model") for name in whole.state_dict())
    inputs = ClapFeatureExtractor.from_pretrained(folder)(
        list(sound.mean(axis=1)), sampling_rate=48_000, return_tensors="pt"
    )
    with torch.no_grad():
        pooled = whole.audio_model(inputs["input_features"].float()).pooler_output
        expected = whole.audio_projection(pooled).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_value_does_not_depend_on_the_seconds_beside_it(tmp_path: Path) -> None:
    tower = _open(save_ast(tmp_path / "ast"))
    sound = _noise(tower.batch + 3, 16_000)
    apart = np.concatenate([tower.encode(second[None]) for second in sound])
    np.testing.assert_array_equal(tower.encode(sound), apart)


def test_the_digest_is_of_the_files_and_not_of_the_place(tmp_path: Path) -> None:
    folder = save_ast(tmp_path / "ast")
    before = TowerFolder.read(folder)
    moved = TowerFolder.read(folder.rename(tmp_path / "moved"))
    assert (moved.sha256, moved.kind) == (before.sha256, "AST")
    for name in ("preprocessor_config.json", "config.json"):
        file = tmp_path / "moved" / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"note": name}))
        changed = TowerFolder.read(tmp_path / "moved")
        assert changed.sha256 != moved.sha256
        moved = changed
    assert TowerFolder.read(save_ast(tmp_path / "other", seed=1)).sha256 != before.sha256


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def _lacking(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state[sorted(state)[0]]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _bert(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))


def _list(folder: Path) -> None:
    (folder / "config.json").write_text("[1, 2]")


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("<html>")


def _no_extractor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _other_window(folder: Path) -> None:
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"max_length": 256}))


BREAKS = (_without_weights, _cut, _lacking, _bert, _list, _no_json, _no_extractor, _other_window)


@pytest.mark.parametrize("damage", BREAKS)
def test_what_is_no_whole_encoder_is_refused_by_its_path(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = save_ast(tmp_path / "ast")
    damage(folder)
    with pytest.raises(AvscError) as caught:
        _open(folder)
    assert str(folder) in caught.value.got
    assert caught.value.remedy


def test_a_window_below_a_second_and_an_absent_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        _open(save_ast(tmp_path / "short", window=64))
    assert "0.64 s" in caught.value.got
    with pytest.raises(AvscError) as caught:
        _open(tmp_path / "absent")
    assert str(tmp_path / "absent") in caught.value.got


def test_without_the_package_the_extra_is_named(tmp_path: Path) -> None:
    folder = TowerFolder.read(save_ast(tmp_path / "ast"))  # that needs no package
    absent = mock.patch("avsc.models.audio_tower.find_spec", return_value=None)
    with absent, pytest.raises(AvscError) as caught:
        AudioTower(folder, CPU)
    assert "avsc[audio-models]" in caught.value.remedy


def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    folder = save_ast(tmp_path / "ast")
    (folder / "evil.py").write_text("raise SystemExit('run')")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    assert _open(folder).features == AST_FEATURES
    assert "evil" not in sys.modules
