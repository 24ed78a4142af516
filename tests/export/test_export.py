"""Exports in both forms give what the run gives, and say what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc.errors import AvscError
from avsc.export import onnx_file
from avsc.export.description import read_description
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.scenes import SCENES
from avsc.train.load import Run
from tests.export.conftest import STRATEGIES
from tests.train.by_hand import sample_probabilities

Floats = np.ndarray


def _inputs(run: Path, count: int) -> tuple[dict[str, Floats], Floats]:
    """Random inputs, and what the run itself makes of them."""
    loaded = Run.open(run, "cpu")
    random = np.random.default_rng(count)
    inputs: dict[str, Floats] = {}
    embedding = None
    if loaded.uses_audio:
        assert loaded.manifest.bands is not None
        shape = (count, 2, loaded.manifest.bands)
        inputs["audio"] = random.normal(-4, 2, shape).astype(np.float32)
    if loaded.visual_encoder is not None:
        side = loaded.visual_encoder.config.size
        inputs["image"] = random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        embedding = loaded.visual_encoder(torch.from_numpy(inputs["image"])).numpy()
    return inputs, sample_probabilities(loaded, inputs.get("audio"), embedding)


@pytest.fixture(scope="module")
def onnx_exports(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("onnx")
    for strategy, run in runs.items():
        export(run, "onnx", out=base / strategy)
    return base


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_onnx_gives_the_runs_probabilities_for_batches_of_any_size(
    runs: dict[str, Path], onnx_exports: Path, strategy: str
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_exports / strategy / "model.onnx")
    for count in (1, 2, 3, 17):
        inputs, wanted = _inputs(runs[strategy], count)
        assert {one.name for one in session.get_inputs()} == inputs.keys()
        (found,) = session.run(["probabilities"], inputs)
        assert found.shape == (count, len(SCENES))
        assert np.abs(found - wanted).max() < 1e-4
        assert np.abs(found - wanted).max() < np.ptp(wanted) / 100
    assert json.loads(session.get_modelmeta().custom_metadata_map["scenes"]) == list(SCENES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_safetensors_read_back_to_the_same_system(
    runs: dict[str, Path], tmp_path: Path, strategy: str
) -> None:
    folder = export(runs[strategy], "safetensors", out=tmp_path)
    inputs, wanted = _inputs(runs[strategy], 5)
    found = read_system(folder)(**{k: torch.from_numpy(v) for k, v in inputs.items()})
    assert np.abs(found.numpy() - wanted).max() < 1e-6


def test_an_export_without_its_encoder_wants_the_right_one(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = export(runs["joint"], "safetensors", out=tmp_path / "bare", with_encoder=False)
    whole = export(runs["joint"], "safetensors", out=tmp_path / "whole")
    weights = "model.safetensors"
    assert (folder / weights).stat().st_size < (whole / weights).stat().st_size
    with pytest.raises(AvscError) as caught:
        read_system(folder)
    assert str(folder) in caught.value.got
    assert "test_resnet.r160_in1k" in caught.value.got
    inputs, wanted = _inputs(runs["joint"], 2)
    system = read_system(folder, ve_weights="random")
    found = system(**{name: torch.from_numpy(values) for name, values in inputs.items()})
    assert np.abs(found.numpy() - wanted).max() < 1e-6
    other = _other_weights(runs["joint"], tmp_path / "other.safetensors")
    with pytest.raises(AvscError) as caught:
        read_system(folder, ve_weights=str(other))
    assert str(other) in caught.value.got


def _other_weights(run: Path, path: Path) -> Path:
    from safetensors.torch import save_file

    visual = Run.open(run, "cpu").visual_encoder
    assert visual is not None
    state = {
        k: v + 1 if v.is_floating_point() else v for k, v in visual.backbone.state_dict().items()
    }
    save_file(state, path)
    return path


def test_a_damaged_export_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = export(runs["audio"], "safetensors", out=tmp_path)
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        read_system(folder)
    assert str(path) in caught.value.got
    (folder / "config.json").write_text("{}")
    with pytest.raises(AvscError) as caught:
        read_system(folder)
    assert str(folder / "config.json") in caught.value.got


def test_the_description_says_what_goes_in(runs: dict[str, Path], onnx_exports: Path) -> None:
    joint, audio, video = (read_description(onnx_exports / name) for name in STRATEGIES)
    assert joint.audio is not None
    assert (joint.audio.feature, joint.audio.bands) == ("scalogram", 32)
    assert audio.audio is not None
    assert audio.audio.settings.model_dump()["f_min_hz"] == 50.0
    assert (audio.visual, video.audio) == (None, None)
    assert joint.visual is not None
    assert joint.visual.image.size == 32
    loaded = Run.open(runs["joint"], "cpu")
    assert loaded.uses_images
    assert loaded.visual_encoder is not None
    assert joint.visual.sha256 == loaded.visual_encoder.sha256


def test_the_exports_default_folder_is_in_the_run(runs: dict[str, Path]) -> None:
    folder = export(runs["audio"], "safetensors")
    assert folder == runs["audio"] / "export" / "safetensors"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_without_the_extra_the_message_says_what_to_install(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> object:
        return None if name.startswith("onnx") else object()

    monkeypatch.setattr(onnx_file, "find_spec", find)
    with pytest.raises(AvscError) as caught:
        export(runs["audio"], "onnx", out=tmp_path)
    assert "onnxruntime" in caught.value.got
    assert "avsc[export]" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_that_gives_something_else_is_not_written(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "_serialise", lambda *_: b"")
    monkeypatch.setattr(onnx_file, "difference", lambda *_: 0.01)
    with pytest.raises(AvscError) as caught:
        export(runs["audio"], "onnx", out=tmp_path)
    assert "0.01" in caught.value.got
    assert list(tmp_path.iterdir()) == []
