import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest
import typer.rich_utils
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from avsc import console
from avsc.cli import main
from avsc.cli.app import app

COMMANDS = [(), *((name,) for name in get_command(app).commands)]  # type: ignore[attr-defined]
CLIP = "street_pedestrian-barcelona-1234-45678"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed on a terminal of 80 columns."""
    text = io.StringIO()
    for name in ("out", "err"):
        screen = Console(
            file=text, force_terminal=True, color_system=None, width=80, soft_wrap=True
        )
        monkeypatch.setattr(console, name, screen)
    return text


def words_of_help(command: Sequence[str], width: int, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr(typer.rich_utils, "MAX_WIDTH", width)
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    return {word for word in done.output.split() if not set(word) <= set("─╭╮╰╯")}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_word_of_help_is_broken_at_80_columns(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(main)
    wide = words_of_help(command, 400, monkeypatch)
    assert not words_of_help(command, 80, monkeypatch) - wide


def test_a_table_that_is_too_wide_is_spread_over_blocks(terminal: io.StringIO) -> None:
    header = ["scene", *(f"location {k}" for k in range(12))]
    rows = [["street_pedestrian", *(f"{k}0/{k}1" for k in range(12))]]
    console.table("folds", header, rows)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(f"{k}0/{k}1" in terminal.getvalue() for k in range(12))
    assert sum("street_pedestrian" in line for line in lines) >= 2


def test_a_long_name_in_a_table_is_broken_at_its_marks_and_nothing_is_left_out(
    terminal: io.StringIO,
) -> None:
    path = "runs/joint-scalogram-effnetv2s/evaluation-validation/predictions.csv"
    console.table("scores", ["system", "log-loss", "95 %"], [[path, "0.15", "[-0.034, +0.003] *"]])
    printed = terminal.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    assert path in re.sub(
        r"[\s│]", "", printed.replace("0.15", "").replace("[-0.034, +0.003] *", "")
    )
    assert "[-0.034, +0.003] *" in printed


def test_messages_and_facts_are_broken_at_spaces_alone(terminal: io.StringIO) -> None:
    words = [f"{CLIP}:", *(f"word{k}" for k in range(40)), "/a/very/long/path" * 8]
    console.say(" ".join(words))
    console.complain(" ".join(words))
    console.facts("store", [("clips", " ".join(words))])
    lines = terminal.getvalue().splitlines()
    assert [word for line in lines for word in line.split() if word in words] == 3 * words
    assert all(len(line) <= 80 or line.split() == [words[-1]] for line in lines)


def test_a_command_to_copy_stays_in_one_line(terminal: io.StringIO) -> None:
    command = "next: avsc evaluate " + "a/" * 60
    console.say(command)
    assert terminal.getvalue() == f"{command}\n"


def test_times_of_a_bar_have_names(terminal: io.StringIO) -> None:
    for clips in (2, 3):
        with console.progress("prepare", 3, "clips") as line:
            line.advance(clips, note="1 quarantined")
    assert "left" in terminal.getvalue()
    assert "in all" in terminal.getvalue()
    assert terminal.getvalue().count("1 quarantined") == 2
    assert not re.search(r"\d:\d\d:\d\d", terminal.getvalue())


def test_work_that_was_done_before_does_not_raise_the_rate() -> None:
    line = console.ProgressLine("prepare", 100, "clips", done=90)
    assert line.rate() == 0
    line.advance(1)
    assert "91/100 clips" in line.plain()
    assert "left" in line.plain()


def test_without_a_terminal_progress_is_plain_lines_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.0)
    with console.progress("prepare", 2, "clips") as line:
        line.advance()
        line.advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
    assert "\x1b" not in captured.err


def test_in_a_pipe_no_cell_of_a_table_is_cut_or_folded() -> None:
    name = "an-archive-with-a-very-long-name-" + "x" * 100 + ".zip"
    program = f"from avsc.console import table; table('t', ['archive', 'size'], [['{name}', '1']])"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    assert name in done.stdout
