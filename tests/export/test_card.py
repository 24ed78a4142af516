"""The model card: its code runs as it stands, and it claims no more than is known."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from avsc.data.eval_images import eval_image
from avsc.dataset import manifests
from avsc.evaluate.evaluation import evaluate
from avsc.export import card
from avsc.export.description import read_description
from avsc.export.export import export
from avsc.models.visual import ImageConfig
from avsc.scenes import SCENES
from avsc.train.load import Run


def _section(text: str, title: str) -> str:
    """A section of a card, without its title."""
    return re.split(r"^## ", text, flags=re.MULTILINE)[_titles(text).index(title) + 1]


def _titles(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def _table_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _code(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def _card(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_cards_code_runs_as_it_stands(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    folder = export(runs["joint"], "safetensors", out=tmp_path)
    monkeypatch.chdir(folder)
    random = np.random.default_rng(0)
    smooth = random.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(15, 0).repeat(15, 1)
    Image.fromarray(smooth).save("picture.jpg", quality=95)
    load, sound, picture = _code(_card(folder))
    names: dict[str, Any] = {"stereo": random.normal(0, 0.1, (2, 16_000)).astype(np.float32)}
    for block in (sound, picture):
        exec(block, names)
    assert names["audio"].shape == (3, 2, 32)
    config = ImageConfig(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 0.95)
    with Image.open("picture.jpg") as opened:
        wanted = eval_image(np.array(opened), config)
    assert names["image"].shape == (1, 32, 32, 3)
    assert np.abs(names["image"][0].astype(int) - wanted).max() <= 2
    names["audio"] = torch.from_numpy(names["audio"][:1])
    names["image"] = torch.from_numpy(names["image"].copy())
    exec(load, names)
    assert names["probabilities"].shape == (1, 10)


def test_the_onnx_cards_code_runs_as_it_stands(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export(runs["audio"], "onnx", out=tmp_path)
    monkeypatch.chdir(folder)
    load, _ = _code(_card(folder))
    names: dict[str, Any] = {"audio": np.zeros((2, 2, 24), np.float32), "json": json}
    exec(load, names)
    assert names["probabilities"].shape == (2, 10)
    (expression,) = re.findall(r"`(json\.loads.*?)`", _card(folder))
    assert eval(expression, names) == list(SCENES)
    assert "Tensors" not in _titles(_card(folder))


def test_the_card_names_the_inputs_the_normalisation_and_the_tensors(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = export(runs["joint"], "safetensors", out=tmp_path)
    text = _card(folder)
    visual = read_description(folder).visual
    assert visual is not None
    rows = {row[0]: row[1] for row in _table_rows(_section(text, "Use"))}
    assert rows["`audio`"] == "float32 [n, 2, 32]"
    assert rows["`image`"] == "uint8 [n, 32, 32, 3]"
    (found,) = re.findall(r"image / 255 - (\(.*?\))\) / (\(.*?\))", text)
    assert found == (str(visual.image.mean), str(visual.image.std))
    tensors = _section(text, "Tensors")
    module, _, name = re.findall(r"`(avsc\.\S+)`", tensors)[0].rpartition(".")
    assert hasattr(importlib.import_module(module), name)
    listed = {row[0].strip("`"): row[1] for row in _table_rows(tensors)[2:]}
    assert "[1024, 2048]" in listed.values()
    assert not any(key.startswith("visual_encoder.") for key in listed)


def test_the_hubs_metadata_can_be_read_back(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", None)  # nothing is asked of the network
    folder = export(runs["audio"], "safetensors", out=tmp_path)
    found = ModelCard(_card(folder))
    assert found.data.get("library_name") == "avsc"
    assert found.text.strip().startswith("# audio")


def test_scores_are_those_of_these_weights_or_none(runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["audio"]
    before = _section(_card(export(run, "safetensors", out=tmp_path)), "Scores")
    assert not _table_rows(before)
    result = evaluate(run, device="cpu", with_report=False)
    assert result.summary is not None
    rows = _table_rows(_section(_card(export(run, "safetensors", out=tmp_path)), "Scores"))
    loss = next(row for row in rows if row[0] == "log-loss")
    assert loss[1] == f"{result.summary.scores.log_loss:.4f}"
    assert re.fullmatch(r"\d\.\d+–\d\.\d+", loss[2])
    per_scene = {row[0]: row[3] for row in rows if row[0] in SCENES}
    assert per_scene == dict.fromkeys(SCENES, "2")
    metrics = run / "evaluation" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"weights_sha256": "', '"weights_sha256": "0'))
    assert _section(_card(export(run, "safetensors", out=tmp_path)), "Scores") == before


def test_only_the_official_training_fold_is_called_so(
    runs: dict[str, Path], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Run.open(runs["joint"], "cpu")
    data = card.training_data(loaded)
    assert (data.official, data.clips, data.store) == (False, 30, "store")
    other = _section(_card(export(runs["joint"], "safetensors", out=tmp_path)), "Data")
    assert "30 clips of at most 2 s" in other
    monkeypatch.setattr(manifests, "is_official", lambda *_: True)
    official = _section(_card(export(runs["joint"], "safetensors", out=tmp_path)), "Data")
    assert ("**not**" in other.lower(), "**not**" in official.lower()) == (True, False)


def test_a_store_that_is_gone_leaves_open_what_the_run_was_trained_on(
    runs: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    moved = store.with_name("moved")
    store.rename(moved)
    try:
        data = card.training_data(Run.open(runs["joint"], "cpu"))
        text = _card(export(runs["joint"], "safetensors", out=tmp_path))
    finally:
        moved.rename(store)
    assert (data.official, data.clips) == (None, None)
    assert data.sha256 in _section(text, "Data")
    assert "non-commercial" in _section(text, "Licences")


def test_every_part_of_a_card_is_there(runs: dict[str, Path], tmp_path: Path) -> None:
    text = _card(export(runs["video"], "safetensors", out=tmp_path))
    assert _titles(text) == [
        "Use",
        "Size",
        "Data",
        "Scores",
        "Limits",
        "Licences",
        "Recipe",
        "Tensors",
    ]
    assert "stereo" not in text
