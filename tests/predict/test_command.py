"""``avsc predict`` and ``avsc export`` as they are typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsc.cli import main
from avsc.cli.app import app
from avsc.scenes import SCENES
from tests.predict.conftest import CLIPS, SECONDS

Runs = Callable[[str], Path]
run_cli = CliRunner()


def test_the_table_names_each_second(dataset: Path, runs: Runs) -> None:
    done = run_cli.invoke(app, ["predict", str(runs("audio")), str(dataset / f"{CLIPS[0]}.wav")])
    assert done.exit_code == 0
    assert all(f"0:0{second}" in done.stdout for second in range(SECONDS))
    assert "probability" in done.stdout


def test_csv_of_several_files_has_one_header(dataset: Path, runs: Runs) -> None:
    files = [str(dataset / f"{name}.wav") for name in CLIPS]
    done = run_cli.invoke(app, ["predict", str(runs("audio")), *files, "--format", "csv"])
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["file"] for row in rows] == [file for file in files for _ in range(SECONDS)]
    assert sum(float(rows[0][scene]) for scene in SCENES) == pytest.approx(1)


def test_json_has_a_line_a_file(dataset: Path, runs: Runs) -> None:
    files = [str(dataset / f"{name}.wav") for name in CLIPS]
    done = run_cli.invoke(app, ["predict", str(runs("audio")), *files, "--format", "json"])
    contents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [content["file"] for content in contents] == files


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "RUN", "one.mp4", "two.mp4", "--audio", "one.wav"],
        ["predict", "RUN"],
        ["export", "RUN"],
        ["export", "RUN", "--format", "onnx", "--no-encoder"],
        ["export", "RUN", "--format", "pickle"],
    ],
)
def test_wrong_usage_exits_2(words: list[str]) -> None:
    assert run_cli.invoke(app, words).exit_code == 2


def test_a_recording_that_cannot_be_used_exits_1(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # main() handles SIGTERM for good
    monkeypatch.setattr("sys.argv", ["avsc", "predict", str(runs("audio")), "absent.wav"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "absent.wav" in capsys.readouterr().err
