from pathlib import Path

import pytest

from avsc.part import Part
from avsc.reproduce import plan
from avsc.reproduce.dry_run import dry_run
from avsc.reproduce.plan import Request
from avsc.reproduce.status import run_folder
from tests.reproduce.conftest import SMOKE


def _rows(printed: str) -> dict[str, list[str]]:
    """The rows of the printed table, by run."""
    rows = [line.split("│")[1:-1] for line in printed.splitlines() if line.startswith("│")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_a_dry_run_lists_what_there_is_to_do_and_makes_nothing(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    dry_run(Request(("table4",), options=SMOKE), small_store, out)
    printed = capsys.readouterr().out
    rows = _rows(printed)
    assert rows.keys() == {*plan.recipes_of("table4"), "audio-scalogram"}
    assert {tuple(row) for row in rows.values()} == {("to do", "0 of at most 1", "")}
    (needs,) = [line for line in printed.splitlines() if line.startswith("audio-scalogram")]
    assert "pipeline-scalogram-effnetv2s" in needs
    assert "raw-pretrained-scalogram-effnetv2s" in needs
    assert "test_efficientnet.r160_in1k: random" in printed
    assert not out.exists()


def test_a_dry_run_of_complete_runs_gives_the_time_of_their_epochs(
    smoke: Path, small_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(Request(("table2",), options=SMOKE), small_store, smoke)
    rows = _rows(capsys.readouterr().out)
    assert len(rows) == 4
    for state, epochs, seconds in rows.values():
        assert (state, epochs) == ("complete", "1 of at most 1")
        assert seconds.endswith(" s")


def test_a_dry_run_of_a_share_lists_that_share(
    smoke: Path, small_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(("table2",), options=SMOKE)
    listed: list[str] = []
    for index in (1, 2):
        dry_run(request, small_store, smoke, Part(index, 2))
        listed += _rows(capsys.readouterr().out)
    assert sorted(listed) == sorted(run.name for run in request.runs())


def test_an_audio_run_that_is_complete_is_no_longer_missing(
    smoke: Path, small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    run_folder(tmp_path, "audio-scalogram").symlink_to(run_folder(smoke, "audio-scalogram"))
    dry_run(Request(("table4",), options=SMOKE), small_store, tmp_path)
    printed = capsys.readouterr().out
    assert _rows(printed)["audio-scalogram"][0] == "complete"
    assert not [line for line in printed.splitlines() if line.startswith("audio-scalogram")]
