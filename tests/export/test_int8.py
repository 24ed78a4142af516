"""Exports in 8-bit integers: what they give, what they save, and that they say so."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.data.eval_images import eval_image
from avsc.errors import AvscError
from avsc.evaluate.calibrate import calibrate
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.scored_fold import fold_segments
from avsc.export import int8, onnx_file
from avsc.export.description import read_description
from avsc.export.export import export
from avsc.media import jpeg
from avsc.scenes import SCENES
from avsc.store.reader import Store
from avsc.train.load import Run
from tests.export.conftest import STRATEGIES


@pytest.fixture(scope="module")
def exports(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("int8")
    return {
        name: export(run, "onnx", out=base / name, quantize="int8") for name, run in runs.items()
    }


def _inputs(run: Run, store: Store, row: int, second: int) -> dict[str, np.ndarray]:
    """A second's three frames, each beside its picture."""
    inputs = {}
    if run.uses_audio:
        inputs["audio"] = store.segments(run.recipe.audio.feature, [row])[0, second]
    if run.visual_encoder is not None:
        square = eval_image(jpeg.decode(store.jpeg(row, second)), run.visual_encoder.config)
        inputs["image"] = np.stack([square] * (3 if run.uses_audio else 1))
    return inputs


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_loss_that_is_written_is_that_of_the_file_on_the_test_fold(
    runs: dict[str, Path], exports: dict[str, Path], strategy: str
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exports[strategy] / "model.onnx")
    run = Run.open(runs[strategy], "cpu")
    store = Store.open(run.manifest.store)
    rows = [k for k, clip in enumerate(store.clips) if clip.fold == "test"]
    shares, labels = [], []
    for row in rows:
        for second in range(2):
            (one,) = session.run(["probabilities"], _inputs(run, store, row, second))
            shares.append(one.astype(float).mean(axis=0))
            labels.append(SCENES.index(store.clips[row].scene))
    found = json.loads((exports[strategy] / "quantization.json").read_text())
    assert (found["fold"], found["n_segments"]) == ("test", len(labels))
    # As many clips of each scene, so that the mean over scenes is that over segments.
    mean = np.stack(shares)
    wanted = log_loss(labels, mean / mean.sum(axis=1, keepdims=True), labels=range(10))
    assert found["int8"]["log_loss"] == pytest.approx(wanted, rel=1e-6)
    evaluate(runs[strategy], device="cpu", with_report=False)
    before = json.loads((runs[strategy] / "evaluation" / "metrics.json").read_text())
    for name in ("log_loss", "accuracy"):
        assert found["float32"][name] == pytest.approx(before[name], rel=1e-6)
    assert found["largest_difference"] < 0.2
    assert found["float32"]["log_loss"] == pytest.approx(wanted, abs=0.2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_int8_is_a_fraction_of_the_bytes_and_takes_batches_of_any_size(
    runs: dict[str, Path], exports: dict[str, Path], strategy: str
) -> None:
    import onnx
    import onnxruntime

    path = exports[strategy] / "model.onnx"
    found = json.loads((exports[strategy] / "quantization.json").read_text())
    assert found["int8"]["n_bytes"] == path.stat().st_size < found["float32"]["n_bytes"] / 2.5
    # Convolutions and linear layers alike.
    weights = [one for one in onnx.load(path).graph.initializer if len(one.dims) > 1]
    small = [one for one in weights if one.data_type == onnx.TensorProto.UINT8]
    assert {len(one.dims) for one in small} >= ({2, 4} if strategy == "video" else {2, 3})
    session = onnxruntime.InferenceSession(path)
    run = Run.open(runs[strategy], "cpu")
    one = _inputs(run, Store.open(run.manifest.store), 5, 1)
    for count in (1, 7):
        many = {k: np.repeat(v[:1], count, axis=0) for k, v in one.items()}
        (shares,) = session.run(["probabilities"], many)
        assert shares.shape == (count, 10)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["scenes"]) == list(SCENES)
    assert read_description(exports[strategy]).quantization == "int8"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_processor_is_given_signed_weights_whose_sums_overflow(
    exports: dict[str, Path], strategy: str
) -> None:
    """AVX2 adds products of unsigned and signed bytes in 16 bits; zero points must be equal."""
    import onnx

    graph = onnx.load(exports[strategy] / "model.onnx").graph
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    scaled = {node.output[0]: node.input for node in graph.node if "Dequantize" in node.op_type}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    weights = [scaled[node.input[1]] for node in layers if node.input[1] in scaled]
    assert len(weights) >= len(layers) - 1  # the last one is in float32
    for name, _scale, zero_point in weights:
        assert stored[name].dtype == np.uint8
        assert set(np.unique(stored[zero_point])) == {128}


def test_integers_are_summed_as_the_file_has_them(
    runs: dict[str, Path], exports: dict[str, Path]
) -> None:
    """The optimised session beside the file's nodes one by one, which compute in float32."""
    import onnxruntime

    path = exports["joint"] / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    fused, plain = onnxruntime.InferenceSession(path), onnxruntime.InferenceSession(path, options)
    run = Run.open(runs["joint"], "cpu")
    store = Store.open(run.manifest.store)
    apart = []
    for row in range(10):
        inputs = _inputs(run, store, row, 0)
        (one,), (other,) = fused.run(None, inputs), plain.run(None, inputs)
        apart.append(np.abs(one - other).max())
    assert max(apart) < 1e-3  # signed weights: 2.5e-3 on AVX2


def test_the_cards_code_runs_as_it_stands_and_names_the_loss(
    exports: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exports["joint"], folder)
    monkeypatch.chdir(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    load, sound, picture = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save("picture.jpg")
    names: dict[str, Any] = {"stereo": random.normal(0, 0.1, (2, 16_000)).astype(np.float32)}
    for block in (sound, picture):
        exec(block, names)
    names["image"] = np.repeat(names["image"], 3, axis=0)
    exec(load, names)
    assert names["probabilities"].shape == (3, 10)
    found = json.loads((folder / "quantization.json").read_text())
    rows = [line for line in text.splitlines() if line.startswith(("| float32 |", "| int8 |"))]
    for row, name in zip(rows, ("float32", "int8"), strict=True):
        assert f"{found[name]['n_bytes']:,}" in row
        assert f"{found[name]['log_loss']:.4f}" in row
    assert len(rows) == 2


def test_a_calibrated_run_is_quantized_with_its_temperature(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "audio"
    shutil.copytree(runs["audio"], run)
    calibrate(run, device="cpu")
    folder = export(run, "onnx", quantize="int8", calibrated=True)
    assert folder == run / "export" / "onnx-int8-calibrated"
    evaluate(run, device="cpu", with_report=False, calibrated=True)
    scored = json.loads((run / "evaluation/test-segment-calibrated/metrics.json").read_text())
    found = json.loads((folder / "quantization.json").read_text())
    assert found["float32"]["log_loss"] == pytest.approx(scored["log_loss"], rel=1e-6)


def test_without_a_test_fold_the_validation_clips_are_scored(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def none_for_testing(run: Run, store: Store, fold: str) -> Any:
        if fold == "test":
            raise AvscError("no usable clip", "one", "none")
        return fold_segments(run, store, fold)

    monkeypatch.setattr(int8, "fold_segments", none_for_testing)
    folder = export(runs["audio"], "onnx", out=tmp_path, quantize="int8")
    assert json.loads((folder / "quantization.json").read_text())["fold"] == "validation"


def test_the_store_must_be_there_and_may_have_moved(
    runs: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    moved = store.with_name("moved")
    store.rename(moved)
    try:
        with pytest.raises(AvscError) as caught:
            export(runs["audio"], "onnx", out=tmp_path / "a", quantize="int8")
        assert str(store) in caught.value.got
        assert not (tmp_path / "a").exists()
        export(runs["audio"], "onnx", out=tmp_path / "b", quantize="int8", store=str(moved))
    finally:
        moved.rename(store)
    assert (tmp_path / "b" / "quantization.json").is_file()


def test_another_store_does_not_calibrate(
    runs: dict[str, Path], small_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(AvscError) as caught:
        export(runs["audio"], "onnx", out=tmp_path, quantize="int8", store=str(small_store))
    assert str(small_store) in caught.value.got
    assert list(tmp_path.iterdir()) == []


def test_quantization_is_for_onnx_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        export(runs["audio"], "safetensors", out=tmp_path, quantize="int8")
    assert "safetensors" in caught.value.got
    words = ["export", str(runs["audio"]), "--format"]
    for wrong in (
        [*words, "safetensors", "--quantize", "int8"],
        [*words, "onnx", "--quantize", "int4"],
        [*words, "onnx", "--store", "store"],
    ):
        assert CliRunner().invoke(app, wrong).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_without_onnxruntime_the_message_says_what_to_install(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: name != "onnxruntime" or None)
    with pytest.raises(AvscError) as caught:
        export(runs["audio"], "onnx", out=tmp_path, quantize="int8")
    assert "onnxruntime" in caught.value.got
    assert "avsc[export]" in caught.value.remedy


def test_the_command_shows_both_files(runs: dict[str, Path], tmp_path: Path) -> None:
    words = ["export", str(runs["audio"]), "--format", "onnx", "--quantize", "int8"]
    shown = CliRunner().invoke(app, [*words, "--out", str(tmp_path)], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "float32" in shown.output
    assert "int8" in shown.output
