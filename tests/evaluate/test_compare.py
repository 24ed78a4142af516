"""Comparison of systems: pairing, refusal, tables."""

from pathlib import Path

import numpy as np
import pytest

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.predictions import read_predictions, write_predictions
from avsc.evaluate.systems import predictions_of
from avsc.report import tables
from avsc.scenes import SCENES

NAMES = [
    f"{scene}-lyon-{10 * k + place}-1_{second}"
    for k, scene in enumerate(SCENES)
    for place in range(3)
    for second in range(2)
]


def _run(folder: Path, skill: float, names: list[str] = NAMES, seed: int = 0) -> Path:
    """A run whose predictions are noise plus ``skill`` on the true scene."""
    logits = np.random.default_rng(seed).standard_normal((len(names), 10))
    for row, name in enumerate(names):
        logits[row, SCENES.index(name.partition("-")[0])] += skill
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    write_predictions(folder / "evaluation" / "predictions.csv", names, shares, SCENES)
    return folder


def test_differences_are_of_the_scores_and_have_the_first_as_reference(tmp_path: Path) -> None:
    first, other = compare([_run(tmp_path / "a", 1.0), _run(tmp_path / "b", 3.0, seed=1)]).systems
    assert first.gap_log_loss == 0
    assert first.gap_intervals.log_loss.low == 0
    assert other.gap_log_loss == pytest.approx(other.scores.log_loss - first.scores.log_loss)
    assert other.gap_intervals.log_loss.low < other.gap_log_loss < other.gap_intervals.log_loss.high
    assert other.gap_accuracy > 0
    labels = np.array([SCENES.index(name.partition("-")[0]) for name in NAMES])
    read = read_predictions(tmp_path / "b" / "evaluation" / "predictions.csv")
    assert other.scores == metrics.score(read.probabilities, labels)


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", 1.0)
    file = first / "evaluation" / "predictions.csv"
    head, *rows = file.read_text().splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([head, *reversed(rows)]) + "\n")
    _, other = compare([first, turned]).systems
    assert other.gap_log_loss == pytest.approx(0)
    assert other.gap_intervals.log_loss.high == pytest.approx(0)


def test_different_segments_are_refused_and_the_difference_is_named(tmp_path: Path) -> None:
    first, other = _run(tmp_path / "a", 1.0), _run(tmp_path / "b", 1.0, NAMES[1:])
    with pytest.raises(AvscError) as caught:
        compare([first, other])
    assert str(first) in caught.value.got
    assert str(other) in caught.value.got
    assert NAMES[0] in caught.value.got


def test_a_doubled_segment_is_refused(tmp_path: Path) -> None:
    first, other = _run(tmp_path / "a", 1.0), _run(tmp_path / "b", 1.0, [*NAMES, NAMES[0]])
    with pytest.raises(AvscError) as caught:
        compare([first, other])
    assert str(other) in caught.value.got


def test_unlabelled_predictions_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    write_predictions(file, ["0.wav", "1.wav"], np.full((2, 10), 0.1), SCENES)
    with pytest.raises(AvscError) as caught:
        compare([file, file])
    assert str(file) in caught.value.got
    assert "0.wav" in caught.value.got


def test_a_run_without_predictions_is_told_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        predictions_of(tmp_path)
    assert str(tmp_path) in caught.value.got
    assert f"avsc evaluate {tmp_path}" in caught.value.remedy
    with pytest.raises(AvscError) as caught:
        predictions_of(tmp_path / "absent")
    assert "avsc evaluate" not in caught.value.remedy


def test_the_tables_have_a_row_a_system_and_differences_to_the_first_alone(tmp_path: Path) -> None:
    found = compare([_run(tmp_path / "a", 0.0), _run(tmp_path / "b", 8.0, seed=3)])
    systems, differences = tables.of_comparison(found, "table")
    assert [row[0] for row in systems.cells()] == ["a", "b"]
    ((name, loss, loss_bounds, points, _),) = differences.cells()
    assert (name, loss[0], points[0]) == ("b", "\N{MINUS SIGN}", "+")
    assert loss_bounds.endswith("*")
