"""Ensembles: means against plain arithmetic, weights against a grid, what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gmean
from typer.testing import CliRunner

from avsc import metrics
from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.ensemble import combine, ensemble, fit_weights
from avsc.evaluate.predictions import read_predictions, write_predictions
from avsc.scenes import SCENES
from tests.evaluate.foreign import a_row_a_clip, a_row_a_segment, shares_of, truth_of, write

Make = Callable[..., Path]


def _system(seed: int, skill: float, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    logits = random.standard_normal((n, 4))
    logits[np.arange(n), labels] += skill
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), labels


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_the_means_are_the_usual_ones(seed: int, weights: list[float]) -> None:
    systems = np.stack([_system(seed + k, 1.0, 20)[0] for k in range(len(weights))])
    share = np.array(weights) / sum(weights)
    plain = combine(systems, share, "arithmetic")
    np.testing.assert_allclose(plain, np.average(systems, axis=0, weights=share))
    geometric = gmean(systems, axis=0, weights=np.broadcast_to(share[:, None, None], systems.shape))
    wanted = geometric / geometric.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(combine(systems, share, "geometric"), wanted, rtol=1e-9)


def test_a_probability_of_0_stays_a_number_in_the_geometric_mean() -> None:
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    mixed = combine(np.stack([sure, sure[::-1]]), np.array([0.5, 0.5]), "geometric")
    np.testing.assert_allclose(mixed, 0.5)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_fitted_weights_are_as_good_as_the_best_of_a_grid(mean: str) -> None:
    labels = _system(0, 1.0)[1]
    systems = np.stack([_system(0, 0.5)[0], _system(1, 2.0)[0]])
    found = fit_weights(systems, labels, mean)  # type: ignore[arg-type]
    assert found.sum() == pytest.approx(1)

    def loss(weight: float) -> float:
        share = np.array([weight, 1 - weight])
        return metrics.log_loss(combine(systems, share, mean), labels)  # type: ignore[arg-type]

    assert loss(found[0]) <= min(map(loss, np.linspace(0, 1, 101))) + 1e-5


def test_an_ensemble_of_files_is_a_predictions_file_like_any_other(tmp_path: Path) -> None:
    table = [a_row_a_segment(seed) for seed in (0, 1)]
    files = [write(one, tmp_path / f"{k}.csv") for k, one in enumerate(table)]
    out = tmp_path / "e.csv"
    used = ensemble(files, out, weights=[3.0, 1.0])
    np.testing.assert_allclose(used, [0.75, 0.25])
    wanted = 0.75 * shares_of(table[0]) + 0.25 * shares_of(table[1])
    np.testing.assert_allclose(read_predictions(out).probabilities, wanted, atol=1e-12)
    (system,) = compare([out]).systems
    assert system.scores.log_loss == pytest.approx(metrics.log_loss(wanted, truth_of(table[0])))
    ensemble(files, out, weights=[3.0, 1.0])  # the same command again
    with pytest.raises(AvscError):
        ensemble(files, out)
    np.testing.assert_allclose(read_predictions(out).probabilities, wanted, atol=1e-12)


def test_rows_and_columns_in_another_order_are_aligned(tmp_path: Path) -> None:
    one, other = a_row_a_clip(0), a_row_a_clip(1)
    files = [
        write(one, tmp_path / "a.csv"),
        write(other[other.columns[::-1]][::-1], tmp_path / "b.csv", ","),
    ]
    ensemble(files, tmp_path / "e.csv")
    read = read_predictions(tmp_path / "e.csv")
    assert read.clips == tuple(one["aid"])
    np.testing.assert_allclose(read.probabilities, (shares_of(one) + shares_of(other)) / 2)


def test_weights_are_never_fitted_on_what_is_scored(tmp_path: Path) -> None:
    files = [write(a_row_a_clip(seed), tmp_path / f"{seed}.csv") for seed in (0, 1)]
    with pytest.raises(AvscError) as caught:
        ensemble(files, tmp_path / "e.csv", weights="fit", validation=files)
    assert "120 validation clips" in caught.value.got
    with pytest.raises(AvscError) as caught:
        ensemble(files, tmp_path / "e.csv", weights="fit")
    assert "--validation" in caught.value.remedy
    assert not (tmp_path / "e.csv").exists()
    held, scored = [], []
    for seed in (0, 1):
        table = a_row_a_clip(seed, skill=1.0 + 3 * seed)
        held.append(write(table[::2], tmp_path / f"v{seed}.csv"))
        scored.append(write(table[1::2], tmp_path / f"t{seed}.csv"))
    used = ensemble(scored, tmp_path / "e.csv", weights="fit", validation=held)
    assert used[1] > 0.6
    with pytest.raises(AvscError):
        ensemble(scored, tmp_path / "f.csv", weights="fit", validation=held[:1])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_cannot_be_used_are_refused(weights: list[float], tmp_path: Path) -> None:
    files = [write(a_row_a_clip(seed), tmp_path / f"{seed}.csv") for seed in (0, 1)]
    with pytest.raises(AvscError):
        ensemble(files, tmp_path / "e.csv", weights=weights)


def test_weights_of_runs_are_fitted_on_their_validation_predictions(
    tmp_path: Path, make_store: Make, make_run: Make
) -> None:
    store = make_store(
        tmp_path / "s.zarr", 120, features=("scalogram",), clip_seconds=2, partition_clips=64
    )
    runs = [make_run(tmp_path / name, store, name) for name in ("audio", "video")]
    words = ["ensemble", *map(str, runs), "--weights", "fit", "--out", str(tmp_path / "e.csv")]
    for run in runs:
        done = CliRunner().invoke(cli.app, ["evaluate", str(run), "--no-report"])
        assert done.exit_code == 0, done.output
    with pytest.raises(AvscError) as caught:
        ensemble(runs, tmp_path / "e.csv", weights="fit")
    assert "--fold validation" in caught.value.remedy
    for run in runs:
        CliRunner().invoke(cli.app, ["evaluate", str(run), "--no-report", "--fold", "validation"])
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert len(compare([tmp_path / "e.csv", *runs]).systems) == 3


def test_an_unlabelled_ensemble_keeps_the_names_of_the_sound_files(tmp_path: Path) -> None:
    names = [f"{k}.wav" for k in range(12)]
    files = []
    for seed in (0, 1):
        shares = np.random.default_rng(seed).dirichlet(np.ones(10), 12)
        files.append(tmp_path / f"{seed}.csv")
        write_predictions(files[-1], names, shares, SCENES)
    ensemble(files, tmp_path / "e.csv", mean="geometric")
    assert read_predictions(tmp_path / "e.csv").names == tuple(names)
    with pytest.raises(AvscError):
        compare([tmp_path / "e.csv"])
