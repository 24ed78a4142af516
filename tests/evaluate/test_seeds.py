"""A folder of seeds is one system: mean, standard deviation, intervals of the mean."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.evaluate_seeds import evaluate_seeds
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.seeds import seed_folders
from avsc.report import tables
from tests.evaluate.foreign import a_row_a_clip, write

Make = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in (0, 1, 10, 2):
        target = tmp_path / "system" / f"seed-{seed}" / "evaluation"
        target.mkdir(parents=True)
        write(a_row_a_clip(seed), target / "predictions.csv")
    (tmp_path / "system" / "seed-x").mkdir()
    return tmp_path / "system"


def test_seeds_are_in_the_order_of_their_numbers_and_a_run_has_none(
    folder: Path, tmp_path: Path
) -> None:
    names = [path.name for path in seed_folders(folder)]
    assert names == ["seed-0", "seed-1", "seed-2", "seed-10"]
    assert seed_folders(tmp_path / "absent") == []
    (folder / "config.toml").write_text("")
    assert seed_folders(folder) == []


def test_the_scores_are_means_over_seeds_and_the_spread_is_said(folder: Path) -> None:
    alone = [compare([seed]).systems[0] for seed in seed_folders(folder)]
    found = compare([folder, seed_folders(folder)[0]])
    system, first = found.systems
    losses = [one.scores.log_loss for one in alone]
    assert system.spread is not None
    assert first.spread is None
    assert system.spread.log_loss == pytest.approx(losses)
    assert system.scores.log_loss == pytest.approx(np.mean(losses))
    assert system.scores.accuracy == pytest.approx(np.mean([a.scores.accuracy for a in alone]))
    assert system.spread.log_loss_std == pytest.approx(np.std(losses, ddof=1))
    assert system.scores.n_segments == first.scores.n_segments
    assert system.scores.per_class[0].n == first.scores.per_class[0].n
    assert first.gap_log_loss == pytest.approx(losses[0] - np.mean(losses))
    gap = first.gap_intervals.log_loss
    assert gap.low <= first.gap_log_loss <= gap.high
    narrow, wide = system.intervals.log_loss, [a.intervals.log_loss for a in alone]
    assert narrow.high - narrow.low < np.mean([w.high - w.low for w in wide])
    (shown,) = [t for t in tables.of_comparison(found, "table") if t.key == "seeds"]
    assert [row[:2] for row in shown.rows] == [("system", 4)]


def test_evaluating_a_folder_of_seeds_scores_each_and_writes_the_mean(
    tmp_path: Path, small_store: Path, make_run: Make
) -> None:
    for seed in (0, 1):
        make_run(tmp_path / "video" / f"seed-{seed}", small_store, "video", seed=seed)
    result = evaluate_seeds(tmp_path / "video", device="cpu", with_report=False)
    assert result.folder == tmp_path / "video" / "evaluation"
    found = json.loads((result.folder / "metrics.json").read_text())
    each = [
        json.loads((run / "evaluation" / "metrics.json").read_text())
        for run in seed_folders(tmp_path / "video")
    ]
    assert found["seeds"]["log_loss"] == pytest.approx([one["log_loss"] for one in each])
    assert found["log_loss"] == pytest.approx(np.mean([one["log_loss"] for one in each]))
    assert found["n_segments"] == each[0]["n_segments"]
    assert (found["fold"], found["store"]) == ("test", each[0]["store"])
    for words in (["info"], ["score"], ["evaluate", "--no-report", "--protocol", "context"]):
        done = CliRunner().invoke(cli.app, [*words, str(tmp_path / "video")])
        assert done.exit_code == 0, done.output
        assert "seed" in done.output
    assert (tmp_path / "video" / "evaluation" / "test-context" / "metrics.json").is_file()


@pytest.mark.parametrize("words", [["evaluate", "--no-report"], ["robustness"], ["agree"]])
def test_seeds_that_are_not_trained_are_named_together_before_the_work(
    words: list[str], tmp_path: Path, small_store: Path, make_run: Make
) -> None:
    make_run(tmp_path / "video" / "seed-0", small_store, "video")
    for seed in (1, 2):
        (tmp_path / "video" / f"seed-{seed}").mkdir()
    done = CliRunner().invoke(cli.app, [*words, str(tmp_path / "video"), "--device", "cpu"])
    assert isinstance(done.exception, AvscError)
    assert str(tmp_path / "video" / "seed-1") in done.exception.got
    assert str(tmp_path / "video" / "seed-2") in done.exception.got
    assert not (tmp_path / "video" / "seed-0" / "evaluation").exists()


def test_each_seed_has_its_own_validation_clips_and_so_there_is_no_mean(
    tmp_path: Path, small_store: Path, make_run: Make
) -> None:
    for seed in (0, 1):
        make_run(
            tmp_path / "video" / f"seed-{seed}",
            small_store,
            "video",
            settings=("train.val_fraction=0.3", f"train.seed={seed}"),
        )
    result = evaluate_seeds(tmp_path / "video", fold="validation", with_report=False)
    assert result.found is None
    made = [run / "evaluation" / "validation-segment" for run in seed_folders(tmp_path / "video")]
    assert all((one / "predictions.csv").is_file() for one in made)
    again = evaluate(seed_folders(tmp_path / "video")[1], fold="validation", with_report=False)
    assert again.folder == made[1]
