"""`avsc score`: forms of the tables, clipping, the leaderboard, what is written."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from avsc.cli import app as cli
from avsc.dataset import manifests
from avsc.evaluate import leaderboard
from avsc.evaluate.compare import compare
from avsc.evaluate.leaderboard import Entry, own_entry, place, published
from avsc.paper import rows
from avsc.report import tables
from avsc.scenes import SCENES
from tests.evaluate.foreign import a_row_a_clip, a_row_a_segment, shares_of, truth_of, write
from tests.report.conftest import Tags, assert_sound


def _run(*words: object) -> str:
    done = CliRunner().invoke(cli.app, ["score", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [
        write(a_row_a_clip(seed, skill), tmp_path / f"system_{seed}.csv")
        for seed, skill in ((0, 3.0), (1, 5.0))
    ]


def test_every_form_has_the_same_numbers(two: list[Path]) -> None:
    found = compare(two)
    first, other = found.systems
    content = json.loads(_run(*two, "--format", "json"))
    assert content["systems"][1]["log_loss"] == other.scores.log_loss
    assert content["systems"][1]["log_loss_difference_interval"] == [
        other.gap_intervals.log_loss.low,
        other.gap_intervals.log_loss.high,
    ]
    rows_of_csv = list(csv.DictReader(io.StringIO(_run(*two, "--format", "csv"))))
    assert float(rows_of_csv[0]["accuracy_micro"]) == first.scores.accuracy_micro
    assert float(rows_of_csv[1]["log_loss_interval_low"]) == other.intervals.log_loss.low
    for form in ("table", "markdown", "latex"):
        text = _run(*two, "--format", form)
        for system in found.systems:
            assert f"{system.scores.log_loss:.4f}" in text
            assert f"{100 * system.scores.accuracy:.2f}" in text


def test_latex_and_markdown_are_sound(two: list[Path]) -> None:
    latex = _run(*two, "--format", "latex")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert "system\\_0" in latex
    body = [line for line in latex.splitlines() if not line.startswith("%")]
    assert not any(mark in line for line in body for mark in ("–", "\N{MINUS SIGN}"))
    assert all("\\%" in line for line in body if "%" in line)
    cells = [line for line in _run(*two, "--format", "markdown").splitlines() if "|" in line]
    assert len({line.count("|") for line in cells[:4]}) == 1


def test_an_unknown_interval_is_no_number_in_any_form(tmp_path: Path) -> None:
    table = a_row_a_clip()
    few = table[table["aid"].str.split("-").str[2].astype(int) < 1020]  # two locations a scene
    path = write(few[few["aid"].str.startswith(("bus", "tram"))], tmp_path / "few.csv")
    found = compare([path, path])
    assert not found.systems[0].intervals.log_loss.known
    text = _run(path, path)
    assert "unknown" in text
    assert "nan" not in text
    content = json.loads(_run(path, path, "--format", "json"))
    assert content["systems"][0]["accuracy_interval"] is None
    (row, _) = csv.DictReader(io.StringIO(_run(path, path, "--format", "csv")))
    assert row["accuracy_interval_low"] == ""
    _run(path, "--out", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["intervals"]["log_loss"] is None
    assert written["intervals"]["per_class"]["bus"]["accuracy"] is None
    assert "unknown" in (tmp_path / "out" / "report.html").read_text()


def test_where_the_truth_has_probability_0_the_clipping_is_chosen_and_warned_of(
    tmp_path: Path,
) -> None:
    table = a_row_a_clip()
    table.loc[0, list(SCENES)] = 0.0
    table.loc[0, "tram"] = 1.0
    path = write(table, tmp_path / "f.csv")
    shares, truth = shares_of(table), truth_of(table)
    numbers = list(range(10))
    default = compare([path]).systems[0]
    assert default.scores.log_loss_micro == pytest.approx(
        log_loss(truth, shares, labels=numbers), abs=1e-6
    )
    clipped = np.clip(shares, 1e-15, 1 - 1e-15)
    old = compare([path], clip=1e-15).systems[0]
    wanted = -np.log(clipped[np.arange(len(truth)), truth]).mean()
    assert old.scores.log_loss_micro == pytest.approx(wanted, abs=1e-9)
    assert old.intervals.log_loss.low < old.scores.log_loss < old.intervals.log_loss.high
    (warning,) = default.warnings
    assert f"{old.scores.log_loss:.4f}" in warning
    assert "WARNING" in _run(path, "--clip", "1e-15")
    assert not compare([write(a_row_a_clip(skill=9), tmp_path / "sure.csv")]).systems[0].warnings


def test_the_leaderboard_has_the_papers_table_and_nothing_without_a_source() -> None:
    entries = published()
    assert all(one.source and one.protocol and one.kind for one in entries)
    of_paper = [(one.log_loss, one.accuracy) for one in entries if "table 5" in one.source]
    assert of_paper == [(row.log_loss, row.accuracy) for row in rows("table5")]
    by_source = {one.source: one for one in entries}
    assert by_source["arXiv 2405.00384"].protocol not in ("segment", "clip")


def test_a_place_is_among_results_of_the_same_protocol_alone() -> None:
    best = own_entry("mine", 0.01, 0.999, "segment")
    same = [one for one in published() if one.protocol == "segment"]
    assert place(best, "accuracy") == (1, 1 + len(same))
    assert place(best, "log_loss") == (1, 1 + sum(one.log_loss is not None for one in same))
    assert place(own_entry("mine", 0.01, 0.999, "clip"), "accuracy") is None
    single = [one for one in same if one.kind != "ensemble"]
    assert place(best, "accuracy", ensembles=False) == (1, 1 + len(single))
    worst = own_entry("mine", 3.0, 0.1, "segment")
    assert place(worst, "accuracy") == (1 + len(same), 1 + len(same))


def test_only_the_official_fold_has_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = a_row_a_segment()
    path = write(table, tmp_path / "f.csv")
    assert "no place" in _run(path, "--leaderboard")
    facts = manifests.FoldFacts("test", 120, 60, manifests.ids_sha256(set(table["filename"])), {})
    monkeypatch.setattr(manifests, "fold_facts", lambda: (facts,))
    found = compare([path])
    assert any("official test fold" in note for note in found.notes)
    (entry,) = tables.entries(found)
    assert entry == Entry(
        "f.csv",
        None,
        found.systems[0].scores.log_loss,
        100 * found.systems[0].scores.accuracy,
        "not stated",
        leaderboard.PROTOCOL,
        "here",
    )
    assert "place" in _run(path, "--leaderboard")
    part = compare([write(table[1:], tmp_path / "part.csv")])
    assert tables.entries(part)[0].protocol != leaderboard.PROTOCOL
    clips = compare([path], per_clip=True)
    assert place(tables.entries(clips)[0], "accuracy") is None


def test_a_report_is_written_of_what_is_known(tmp_path: Path) -> None:
    path = write(a_row_a_clip(), tmp_path / "f.csv")
    _run(path, "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    system = compare([path]).systems[0]
    assert found["log_loss"] == system.scores.log_loss
    assert found["per_class"]["tram"]["n"] == 12
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert_sound(page)
    assert "img" not in Tags(page).names()
    assert "Scores by scene" in Tags(page).values("aria-label")
