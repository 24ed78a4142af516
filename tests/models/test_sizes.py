"""Parameters and multiply-adds against counts by hand, and the width that scales them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.models import visual_weights
from avsc.models.scene_model import build_model
from avsc.models.sizes import PartSize, part_sizes
from avsc.recipe import load
from avsc.recipe_sections import VisualRecipe
from avsc.train.load import Run
from avsc.train.run import train
from tests.conftest import MakeRecipe, MakeRun


def _by_name(bands: int | None, model: str | None, width: float = 1.0) -> dict[str, PartSize]:
    encoder = None
    if model is not None:
        encoder = visual_weights.build(VisualRecipe(model=model, weights="random", image_size=32))
    built = build_model(bands, encoder, 10, width=width).eval()
    return {part.name: part for part in part_sizes(built)}


def _convolutions(bands: int) -> int:
    """Multiply-adds of the four blocks for a frame: a convolution of 3 and a shortcut of 2."""
    total, length = 0, bands
    for wide_in, wide_out in ((2, 4), (4, 8), (8, 16), (16, 32)):
        total += wide_in * wide_out * (3 * (length - 2) + 2 * (length // 2))
        length //= 2
    return total


@pytest.mark.parametrize("width", [1.0, 0.25, 2.0])
def test_sound_alone_costs_what_its_layers_do_for_three_frames(width: float) -> None:
    parts = _by_name(290, None, width)
    hidden, features, classifier = round(2048 * width), round(1024 * width), round(1024 * width)
    linear = 2888 * hidden + hidden * features
    assert parts["AE"].multiply_adds == 3 * (_convolutions(290) + linear)
    assert parts["SC"].multiply_adds == 3 * (features * classifier + classifier * 10)
    normalisation = 2 * (hidden + features)
    assert parts["AE"].parameters == 3_640 + linear + hidden + features + normalisation
    assert parts["SC"].parameters == (features + 3) * classifier + (classifier + 1) * 10
    # Float32, and BN's means, variances and an int64 counter.
    assert parts["SC"].size == 4 * (parts["SC"].parameters + 2 * classifier) + 8


def test_a_picture_is_counted_once_whatever_the_width() -> None:
    narrow, wide = (_by_name(64, "test_resnet", width) for width in (0.25, 1.0))
    assert list(wide) == ["AE", "VE", "SC"]
    assert narrow["VE"] == wide["VE"]
    assert narrow["AE"].parameters < wide["AE"].parameters / 4
    video = _by_name(None, "test_resnet")
    assert list(video) == ["VE", "SC"]
    assert video["VE"] == wide["VE"]


def test_transformers_are_counted_with_their_attention() -> None:
    recipe = VisualRecipe(model="test_vit", weights="random", image_size=160)
    encoder = visual_weights.build(recipe)
    (part,) = (p for p in part_sizes(build_model(None, encoder, 10).eval()) if p.name == "VE")
    backbone: Any = encoder.backbone
    tokens = backbone.forward_features(torch.zeros(1, 3, 160, 160)).shape[1]
    layers = [m for m in backbone.modules() if isinstance(m, torch.nn.Linear)]
    linear = sum(tokens * m.in_features * m.out_features for m in layers)
    attention = 2 * tokens**2 * backbone.embed_dim * len(backbone.blocks)
    assert part.multiply_adds >= linear + attention


def test_a_narrow_run_trains_opens_and_is_told_by_info(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(small_store, run, quick("model.width=0.1", "train.epochs=1"), device="cpu")
    model = Run.open(run, "cpu").model
    assert model.acoustic_encoder is not None
    assert model.acoustic_encoder.features == 102
    assert model.classifier[0].out_features == 102
    told = CliRunner().invoke(app, ["info", str(run)], catch_exceptions=False).output
    assert all(f"{part.parameters:,} parameters" in told for part in part_sizes(model))


def test_an_acoustic_encoder_of_another_width_is_not_taken_over(
    small_store: Path, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    audio = make_run(tmp_path / "audio", small_store, "audio")
    asked = quick("train.strategy=pipeline", f"train.audio_run={audio}", "model.width=0.5")
    with pytest.raises(AvscError) as caught:
        train(small_store, tmp_path / "run", asked, device="cpu")
    assert str(audio) in caught.value.got
    assert "model.width=1" in caught.value.remedy


@pytest.mark.parametrize("value", ["0", "-1", "0.001", "100", "narrow"])
def test_widths_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(AvscError) as caught:
        load(None, [f"model.width={value}"])
    assert "model.width" in caught.value.got
