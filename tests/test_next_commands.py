"""A finished command names one that can be run: it parses, whatever the folder is called."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from avsc.cli import main
from avsc.cli.app import app
from avsc.dataset import download
from avsc.prepare.run import Summary
from avsc.synth import make
from avsc.train import embed, pretrain, seeds

Make = Callable[..., Path]
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def next_commands(text: str) -> list[list[str]]:
    """The words of each command that a text names."""
    lines = [line for line in text.splitlines() if line.startswith("next: ")]
    found = [shlex.split(line.removeprefix("next: ")) for line in lines]
    assert found
    for avsc, name, *words in found:
        assert avsc == "avsc"
        COMMANDS[name].make_context(name, list(words))  # raises where it does not parse
    return found


def finished(*words: object) -> list[list[str]]:
    """The commands that a command names when it has come to its end."""
    assert callable(main)
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return next_commands(done.output)


@pytest.mark.parametrize(
    ("words", "work", "following"),
    [
        (["synth", "my data"], (make, "make_dataset"), "prepare"),
        (["download", "my data"], (download, "download"), "prepare"),
        (["pretrain", "pictures", "--out", "my data"], (pretrain, "pretrain"), "train"),
        (["embed", "my data", "--views", "2"], (embed, "embed"), "train"),
        (["train", "s", "--out", "my data", "--seeds", "2"], (seeds, "train_seeds"), "evaluate"),
    ],
)
def test_the_next_command_parses_and_names_the_folder(
    words: list[str],
    work: tuple[object, str],
    following: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(*work, lambda *_, **__: 0)
    (found,) = finished(*words)
    assert found[1] == following
    assert "my data" in found


def test_the_command_after_prepare_parses(tmp_path: Path) -> None:
    done = Summary(clips=3, prepared=3, quarantined={}, missing=0)
    (found,) = next_commands(done.text(tmp_path / "my store"))
    assert found[1:3] == ["train", f"{tmp_path}/my store"]


def test_the_commands_after_train_and_evaluate_can_be_run(make_store: Make, tmp_path: Path) -> None:
    store, run = make_store(tmp_path / "my store", 40), tmp_path / "my run"
    small = ["--strategy", "audio", "--set", "epochs=1", "--set", "patience=1"]
    (evaluate,) = finished("train", store, "--out", run, *small)
    assert evaluate == ["avsc", "evaluate", str(run)]
    (compare,) = finished(*evaluate[1:])
    assert compare[1] == "compare"
    assert CliRunner().invoke(app, [*compare[1:3], str(run)]).exit_code == 0


def test_the_commands_after_robustness_and_agree_can_be_run(
    small_store: Path, make_run: Make, tmp_path: Path
) -> None:
    drops = ("train.drop_audio=0.2", "train.drop_image=0.2")
    run = make_run(tmp_path / "my run", small_store, settings=drops)
    (agree,) = finished("robustness", run, "--missing", "1")
    assert agree == ["avsc", "agree", str(run)]
    (again,) = finished(*agree[1:])
    assert again == ["avsc", "robustness", str(run)]
    plain = make_run(tmp_path / "plain", small_store, "video")
    (written,) = finished("robustness", plain, "--missing", "1")
    assert written[:3] == ["avsc", "robustness", str(plain)]


@pytest.mark.parametrize(
    "words",
    [
        ["agree", "a", "b"],
        ["agree", "a", "b", "c", "--out", "d"],
        ["agree", "a", "--share", "1"],
        ["agree", "a", "--sounds", "list.txt"],
        ["robustness", "a", "--missing", "2"],
        ["robustness", "a", "--missing", "nan"],
        ["robustness", "a", "--offsets", "1,soon"],
    ],
)
def test_wrong_usage_of_robustness_and_agree_is_told(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "Invalid value" in done.output
