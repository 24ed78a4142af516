"""What ``avsc info`` says of a run; of a store see tests/prepare/test_info.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.report.info import run_facts
from avsc.store.reader import Store

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_store: Make, make_run: Make) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "run", make_store(folder / "store.zarr", 12), "audio")


def test_a_run_says_what_it_is_and_how_far(run: Path) -> None:
    facts = dict(run_facts(run))
    assert facts["strategy"] == "audio"
    assert facts["sound"].startswith("scalogram")
    assert "picture" not in facts
    assert facts["epochs"] == "3 of at most 150, finished"
    assert "epoch 2: validation log-loss 1.5000, accuracy 60.00 %" in facts["best"]
    assert facts["time"] == "3 min 3 s"
    assert facts["checkpoints"] == "best, last"
    assert f"avsc evaluate {run}" in facts["evaluation"]


def test_the_command_prints_all_of_it(run: Path) -> None:
    printed = CliRunner().invoke(app, ["info", str(run)], catch_exceptions=False).stdout
    assert all(name in printed and value in printed for name, value in run_facts(run))
    assert str(run) in printed


def test_a_run_that_just_began_can_be_described(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[train]\nstrategy = "video"\n')
    facts = dict(run_facts(tmp_path))
    assert facts["epochs"] == "0 of at most 150"
    assert "best" not in facts


def test_a_folder_that_is_neither_store_nor_run_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(tmp_path)])
    assert isinstance(result.exception, AvscError)
    assert str(tmp_path) in result.exception.got


@pytest.mark.parametrize("words", [[], ["--plot"]])
def test_a_drawing_needs_no_name_and_replaces_only_what_it_is_told_to(
    make_store: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    store = make_store(tmp_path / "x.zarr")
    clip = Store.open(store).clips[0].id
    monkeypatch.chdir(tmp_path)
    drawing = tmp_path / f"{clip}.png"
    result = CliRunner().invoke(app, ["info", str(store), *words, clip])
    assert result.exit_code == 0
    assert drawing.read_bytes().startswith(b"\x89PNG")
    drawing.write_text("mine")
    result = CliRunner().invoke(app, ["info", str(store), *words, clip])
    assert isinstance(result.exception, AvscError)
    assert drawing.name in result.exception.got
    assert drawing.read_text() == "mine"
    result = CliRunner().invoke(app, ["info", str(store), *words, clip, "--out", drawing.name])
    assert result.exit_code == 0
    assert drawing.read_bytes().startswith(b"\x89PNG")


def test_settings_of_a_store_are_no_json(make_store: Callable[..., Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(make_store(tmp_path / "x.zarr"))])
    assert "q 41" in result.output
    assert "{" not in result.output
