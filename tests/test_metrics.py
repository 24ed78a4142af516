"""Metrics against scikit-learn and against what they must be by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.metrics import log_loss as sklearn_log_loss

from avsc import metrics


def _some(
    seed: int, n: int = 400, sharpness: float = 3.0
) -> tuple[metrics.Probabilities, metrics.Labels]:
    draw = np.random.default_rng(seed)
    logits = sharpness * draw.standard_normal((n, 10))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True), draw.integers(0, 10, n)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[metrics.Probabilities, metrics.Labels]:
    n = draw(st.integers(1, 40))
    weights = draw(hnp.arrays(np.float64, (n, 10), elements=st.floats(0, 1))) + 1e-9
    labels = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 9)))
    return weights / weights.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("sharpness", [0.1, 3.0, 80.0])
def test_scikit_learn_finds_the_same_numbers(sharpness: float) -> None:
    probabilities, labels = _some(1, sharpness=sharpness)
    found = metrics.score(probabilities, labels)
    classes = list(range(10))
    weight = 1.0 / np.bincount(labels, minlength=10)[labels]
    macro = sklearn_log_loss(labels, probabilities, labels=classes, sample_weight=weight)
    assert found.log_loss == pytest.approx(macro, abs=1e-9)
    micro = sklearn_log_loss(labels, probabilities, labels=classes)
    assert found.log_loss_micro == pytest.approx(micro, abs=1e-9)
    answer = probabilities.argmax(axis=1)
    assert found.accuracy == pytest.approx(balanced_accuracy_score(labels, answer))
    assert found.accuracy_micro == pytest.approx(accuracy_score(labels, answer))
    counts = confusion_matrix(labels, answer, labels=classes)
    np.testing.assert_array_equal(metrics.confusion(probabilities, labels), counts)


def test_a_wrong_prediction_with_probability_1_costs_a_finite_loss() -> None:
    probabilities = np.eye(10)[[3]]
    assert metrics.log_loss(probabilities, np.array([4])) == pytest.approx(36.0437, abs=1e-3)
    assert metrics.log_loss(probabilities, np.array([3])) == pytest.approx(0.0, abs=1e-12)


def test_a_scene_with_many_clips_weighs_no_more_than_one_with_few() -> None:
    probabilities = np.full((100, 10), 0.05)
    probabilities[:, 0] = 0.55
    labels = np.zeros(100, np.int64)
    labels[-1] = 1
    found = metrics.score(probabilities, labels)
    assert found.log_loss == pytest.approx((-np.log(0.55) - np.log(0.05)) / 2)
    assert found.accuracy == pytest.approx(0.5)
    assert found.accuracy_micro == pytest.approx(0.99)


def test_an_absent_class_is_nan_and_left_out_of_the_mean() -> None:
    probabilities, labels = _some(2)
    kept = labels != 6
    found = metrics.score(probabilities[kept], labels[kept])
    assert np.isnan(found.per_class[6].log_loss)
    assert found.per_class[6].n == 0
    present = [c.log_loss for k, c in enumerate(found.per_class) if k != 6]
    assert found.log_loss == pytest.approx(np.mean(present))


@settings(max_examples=60, deadline=None)
@given(_cases())
def test_the_parts_add_up_to_the_whole(case: tuple[metrics.Probabilities, metrics.Labels]) -> None:
    probabilities, labels = case
    found, table = metrics.score(probabilities, labels), metrics.confusion(probabilities, labels)
    counts = [c.n for c in found.per_class]
    assert sum(counts) == found.n_segments == len(labels)
    np.testing.assert_array_equal(table.sum(axis=1), counts)
    micro = sum(c.log_loss * c.n for c in found.per_class if c.n) / len(labels)
    assert found.log_loss_micro == pytest.approx(micro)
    assert found.accuracy_micro == pytest.approx(np.trace(table) / len(labels))
    assert 0 <= found.accuracy <= 1
    assert found.log_loss >= 0
    assert metrics.log_loss(probabilities, labels) == found.log_loss
    assert metrics.accuracy(probabilities, labels) == found.accuracy


@settings(max_examples=40, deadline=None)
@given(_cases(), st.integers(0, 99))
def test_the_order_of_segments_does_not_matter(
    case: tuple[metrics.Probabilities, metrics.Labels], seed: int
) -> None:
    probabilities, labels = case
    order = np.random.default_rng(seed).permutation(len(labels))
    one = metrics.score(probabilities, labels)
    other = metrics.score(probabilities[order], labels[order])
    assert one.log_loss == pytest.approx(other.log_loss)
    assert one.accuracy == pytest.approx(other.accuracy)


def test_groups_are_scored_apart() -> None:
    probabilities, labels = _some(3)
    cities = ["lyon" if k % 3 else "paris" for k in range(len(labels))]
    of_city = metrics.score_by(cities, probabilities, labels)
    assert list(of_city) == ["lyon", "paris"]
    here = np.array([c == "paris" for c in cities])
    assert of_city["paris"] == metrics.score(probabilities[here], labels[here])


def test_a_calibrated_system_has_almost_no_calibration_error() -> None:
    probabilities, _ = _some(4, n=20_000)
    draw = np.random.default_rng(5)
    labels = (probabilities.cumsum(axis=1) > draw.random((20_000, 1))).argmax(axis=1)
    assert metrics.calibration(probabilities, labels).ece < 0.02


@settings(max_examples=40, deadline=None)
@given(_cases(), st.integers(1, 20))
def test_every_segment_is_in_the_bin_that_holds_its_confidence(
    case: tuple[metrics.Probabilities, metrics.Labels], bins: int
) -> None:
    found = metrics.calibration(*case, bins=bins)
    assert found.count.sum() == len(case[1])
    assert 0 <= found.ece <= 1
    full = found.count > 0
    assert (found.confidence[full] >= found.edges[:-1][full] - 1e-12).all()
    assert (found.confidence[full] <= found.edges[1:][full] + 1e-12).all()
    assert np.isnan(found.accuracy[~full]).all()


def test_a_confident_and_always_wrong_system_has_the_largest_calibration_error() -> None:
    found = metrics.calibration(np.eye(10)[np.zeros(30, int)], np.full(30, 1))
    assert found.ece == pytest.approx(1.0)
