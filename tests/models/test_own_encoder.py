"""Somebody's own acoustic encoder: trained, scored, exported, and imported only with consent."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import avsc
from avsc import paper
from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.evaluate.evaluation import evaluate
from avsc.export.export import export
from avsc.export.weights import read_system
from avsc.models.own_encoder import build_own
from avsc.predict.predict import predict
from avsc.recipe import Recipe, load
from avsc.train.load import Run
from avsc.train.run import train
from tests.conftest import MakeRecipe

MODULE = """
from pathlib import Path
import torch
from torch import nn

Path("IMPORTED").touch()

class Small(nn.Module):
    def __init__(self, bands):
        super().__init__()
        layers = [nn.Flatten(), nn.Linear(2 * bands, 12), nn.BatchNorm1d(12), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
    def forward(self, frames):
        return self.layers(frames)

class Lazy(nn.Module):
    def __init__(self, bands=0):
        super().__init__()
        self.layer = nn.LazyLinear(7)
    def forward(self, frames):
        return self.layer(frames.flatten(1))

class NoBands(nn.Module):
    pass

class Deep(nn.Module):
    def __init__(self, bands):
        super().__init__()
    def forward(self, frames):
        return frames

class Wrong(Deep):
    def __init__(self, bands):
        super().__init__(bands)
        self.layer = nn.Linear(3, 3)
    def forward(self, frames):
        return self.layer(frames)

def function(bands):
    return nn.Identity()
"""
NAME = "mine_for_tests:Small"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module that leaves a mark when it is imported."""
    (tmp_path / "mine_for_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine_for_tests", raising=False)
    return tmp_path


@pytest.fixture
def run(here: Path, small_store: Path, quick: MakeRecipe) -> Path:
    """A run with that encoder, as if another had made it: the module is not imported any more."""
    recipe = quick(f"audio.encoder={NAME}", "train.strategy=joint", "epochs=1")
    train(small_store, here / "run", recipe, device="cpu")
    (here / "IMPORTED").unlink()
    del sys.modules["mine_for_tests"]
    return here / "run"


def test_it_is_trained_and_scored(run: Path) -> None:
    opened = Run.open(run, "cpu", trust_code=True)
    encoder = opened.model.acoustic_encoder
    assert encoder is not None
    assert encoder.features == 12
    assert type(encoder.encoder).__name__ == "Small"
    assert encoder.mean.abs().max() > 1  # of the training frames
    names = [name for name, _ in opened.model.named_parameters()]
    assert "acoustic_encoder.encoder.layers.1.weight" in names
    result = evaluate(run, device="cpu", trust_code=True)
    assert result.summary is not None
    found = np.load(run / "evaluation" / "embeddings.npz")
    assert int(found["acoustic_features"]) == 12
    assert "mine_for_tests:Small" in (run / "config.toml").read_text()


def test_nothing_is_imported_unless_it_is_said(run: Path, small_store: Path) -> None:
    ways = (
        lambda: Run.open(str(run), "cpu"),
        lambda: evaluate(run, device="cpu"),
        lambda: predict(run, "walk.mp4", device="cpu"),
        lambda: export(run, "safetensors"),
        lambda: train(small_store, run, resume=True, device="cpu"),
    )
    for way in ways:
        with pytest.raises(AvscError) as caught:
            way()
        assert NAME in caught.value.got
        assert "--trust-code" in caught.value.remedy
    assert not Path("IMPORTED").exists()
    assert "mine_for_tests" not in sys.modules


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "run"],
        ["predict", "run", "walk.mp4"],
        ["export", "run", "--format", "safetensors"],
        ["train", "STORE", "--out", "run", "--resume"],
        ["train", "STORE", "--out", "run", "--resume", "--set", "epochs=1"],
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_the_commands_ask_for_consent(run: Path, small_store: Path, words: list[str]) -> None:
    asked = [str(small_store) if word == "STORE" else word for word in words]
    done = CliRunner().invoke(cli.app, [*asked])
    assert isinstance(done.exception, AvscError)
    assert "--trust-code" in done.exception.remedy
    assert not Path("IMPORTED").exists()
    done = CliRunner().invoke(cli.app, ["info", "run"])
    assert done.exit_code == 0
    assert not Path("IMPORTED").exists()


def test_with_consent_they_do_it(run: Path, small_store: Path) -> None:
    for words in (
        ["evaluate", "run", "--device", "cpu", "--trust-code"],
        ["export", "run", "--format", "safetensors", "--trust-code"],
        ["train", str(small_store), "--out", "run", "--resume", "--trust-code"],
    ):
        done = CliRunner().invoke(cli.app, words)
        assert done.exit_code == 0, done.output
    folder = run / "export" / "safetensors"
    assert "trust_code=True" in (folder / "README.md").read_text()
    with pytest.raises(AvscError) as caught:
        read_system(folder)
    assert NAME in caught.value.got
    system = read_system(folder, trust_code=True)
    opened = Run.open(run, "cpu", trust_code=True)
    frames = torch.randn(3, 2, 32)
    encoders = (system.model.acoustic_encoder, opened.model.acoustic_encoder)
    first, second = (encoder.eval()(frames) for encoder in encoders if encoder is not None)
    assert torch.equal(first, second)


def test_the_command_that_names_the_class_trains_it(here: Path, small_store: Path) -> None:
    (here / "mine.toml").write_text(
        f'[audio]\nencoder = "{NAME}"\n[train]\nstrategy = "audio"\nepochs = 1\n'
        "batch_size = 32\nval_fraction = 0.3\n"
    )
    words = ["train", str(small_store), "--out", "made", "--recipe", "mine.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "avsc", *words, "--device", "cpu"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (here / "IMPORTED").is_file()


def test_an_ordinary_export_does_not_name_an_encoder(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    train(small_store, tmp_path / "run", quick("train.strategy=audio", "epochs=1"), device="cpu")
    folder = export(tmp_path / "run", "safetensors")
    assert "encoder" not in json.loads((folder / "config.json").read_text())["audio"]


def test_a_module_that_finds_its_sizes_itself_is_taken(here: Path) -> None:
    assert build_own("mine_for_tests:Lazy", 5).features == 7


@pytest.mark.parametrize(
    "name",
    ["absent_module:Small", "mine_for_tests:Absent", "mine_for_tests:function"]
    + [f"mine_for_tests:{name}" for name in ("NoBands", "Deep", "Wrong")]
    + ["os:system"],
)
def test_what_is_no_encoder_is_named(here: Path, name: str) -> None:
    with pytest.raises(AvscError) as caught:
        build_own(name, 24)
    assert name in caught.value.got


@pytest.mark.parametrize("name", ["Small", "mine:", ":Small", "a/b:C", "a:b:C", ""])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(AvscError) as caught:
        Recipe(audio={"encoder": name})
    assert "audio.encoder" in caught.value.got


def test_it_is_no_row_of_the_paper() -> None:
    published = load("joint-scalogram-effnetv2s")
    assert paper.row_of(published) is not None
    own = load("joint-scalogram-effnetv2s", [f"audio.encoder={NAME}"])
    assert paper.row_of(own) is None
    assert avsc.Recipe() != own
