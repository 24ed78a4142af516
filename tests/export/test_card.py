"""The model card: its code runs as it stands, and it claims no more than is known."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avsc.data.eval_images import eval_image
from avsc.evaluate.evaluation import evaluate
from avsc.export.card import describe_data
from avsc.export.export import export
from avsc.train.load import load_run


def _code(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_cards_code_runs_as_it_stands(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    folder = export(runs["joint"], "safetensors", out=tmp_path)
    monkeypatch.chdir(folder)
    random = np.random.default_rng(0)
    smooth = random.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(15, 0).repeat(15, 1)
    Image.fromarray(smooth).save("picture.jpg", quality=95)
    load, sound, picture = _code((folder / "README.md").read_text())
    names: dict[str, Any] = {"stereo": random.normal(0, 0.1, (2, 16_000)).astype(np.float32)}
    for block in (sound, picture):
        exec(block, names)
    assert names["audio"].shape == (3, 2, 32)
    encoder = load_run(runs["joint"], "cpu").visual
    assert encoder is not None
    with Image.open("picture.jpg") as opened:
        wanted = eval_image(np.array(opened), encoder.config)
    assert names["image"].shape == (1, 32, 32, 3)
    assert np.abs(names["image"][0].astype(int) - wanted).max() <= 2
    names["audio"] = torch.from_numpy(names["audio"][:1])
    names["image"] = torch.from_numpy(names["image"].copy())
    exec(load, names)
    assert names["probabilities"].shape == (1, 10)


def test_scores_are_those_of_these_weights_or_none(runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["audio"]
    assert "None are known" in (export(run, "safetensors", out=tmp_path) / "README.md").read_text()
    result = evaluate(run, device="cpu", with_report=False)
    assert result.summary is not None
    card = (export(run, "safetensors", out=tmp_path) / "README.md").read_text()
    assert f"{result.summary.scores.log_loss:.4f}" in card
    assert "95 % interval" in card
    metrics = run / "evaluation" / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"weights_sha256": "', '"weights_sha256": "0'))
    card = (export(run, "safetensors", out=tmp_path) / "README.md").read_text()
    assert "None are known" in card


def test_data_that_are_not_the_official_fold_are_called_so(
    runs: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    loaded = load_run(runs["joint"], "cpu")
    assert describe_data(loaded).official is False
    moved = store.with_name("moved")
    store.rename(moved)
    try:
        assert describe_data(loaded).official is None
        card = (export(runs["joint"], "safetensors", out=tmp_path) / "README.md").read_text()
    finally:
        moved.rename(store)
    assert "not there any more" in card
    assert "non-commercial" in card
    assert "random numbers, free to use" in card


def test_every_part_of_a_card_is_there(runs: dict[str, Path], tmp_path: Path) -> None:
    card = (export(runs["video"], "safetensors", out=tmp_path) / "README.md").read_text()
    titles = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert titles == ["Use", "Data", "Scores", "Limits", "Licences", "Recipe", "Tensors"]
    assert "stereo" not in card
