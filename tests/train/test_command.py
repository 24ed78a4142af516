from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from avsc import recipe
from avsc.cli.app import app
from avsc.recipe import Recipe
from avsc.train import run


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    calls: dict[str, Any] = {}

    def note(store: Path, out: Path, asked: Recipe, **options: object) -> None:
        calls.update(store=store, out=out, recipe=asked, **options)

    monkeypatch.setattr(run, "train", note)
    return calls


def _avsc(*words: str) -> Any:
    return CliRunner().invoke(app, ["train", *words])


def test_options_are_shortcuts_of_the_recipe(called: dict[str, Any]) -> None:
    options = ["--strategy", "pipeline", "--ve-weights", "1e3", "--audio-run", "runs/audio"]
    more = ["--threads", "3", "--set", "train.epochs=4", "--device", "cpu"]
    assert _avsc("store", "--out", "run", *options, *more).exit_code == 0
    expected = recipe.load(None, ["train.strategy=pipeline", "train.epochs=4", "train.threads=3"])
    visual = expected.visual.model_copy(update={"weights": "1e3"})
    train = expected.train.model_copy(update={"audio_run": "runs/audio"})
    assert called["recipe"] == expected.model_copy(update={"visual": visual, "train": train})
    assert (called["store"], called["out"]) == ("store", Path("run"))
    assert (called["resume"], called["device"]) == (False, "cpu")


def test_options_win_over_the_recipe_file(called: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[train]\nstrategy = "audio"\nepochs = 9\n')
    assert _avsc("s", "--out", "r", "--recipe", str(path), "--strategy", "video").exit_code == 0
    assert called["recipe"].train.strategy == "video"
    assert called["recipe"].train.epochs == 9


def test_a_resumed_run_keeps_what_it_was_begun_with(called: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[train]\nepochs = 9\n")
    assert _avsc("s", "--out", str(tmp_path), "--resume", "--threads", "2").exit_code == 0
    assert called["recipe"] == recipe.load(None, ["train.epochs=9", "train.threads=2"])
    assert called["resume"]


@pytest.mark.parametrize("words", [["store"], ["store", "--out", "r", "--strategy", "telepathy"]])
def test_wrong_usage_exits_with_2(words: list[str], called: dict[str, Any]) -> None:
    assert _avsc(*words).exit_code == 2
    assert not called


def test_help_names_the_sections_of_a_recipe() -> None:
    text = _avsc("--help").output
    assert all(word in text for word in ("audio", "visual", "train", "augment", "torchrun"))
