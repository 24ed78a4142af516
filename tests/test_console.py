import os
import subprocess
import sys

import pytest

from avsc import console


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
