"""Bootstrap over locations: sums, coverage, pairing, classes that are not drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc import metrics
from avsc.evaluate import bootstrap


def _system(
    seed: int, locations: int = 40, clips: int = 5, spread: float = 1.0
) -> tuple[metrics.Probabilities, metrics.Labels, list[str]]:
    """Segments whose errors go together within a location; each location has one scene."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(locations) % 10, clips)
    keys = [f"city-{k:03d}" for k in range(locations) for _ in range(clips)]
    shift = np.repeat(spread * random.standard_normal((locations, 10)), clips, axis=0)
    logits = shift + 0.2 * random.standard_normal((len(labels), 10))
    logits[np.arange(len(labels)), labels] += 1.0
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True), labels, keys


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_each_location_drawn_once_gives_the_plain_scores(seed: int, locations: int) -> None:
    probabilities, labels, keys = _system(seed, locations)
    sums, names = bootstrap.location_sums(probabilities, labels, keys)
    assert names == sorted(set(keys))
    found = bootstrap.replicate(sums, np.ones((1, locations)))
    plain = metrics.score(probabilities, labels)
    assert found.log_loss[0] == pytest.approx(plain.log_loss)
    assert found.accuracy[0] == pytest.approx(plain.accuracy)
    assert found.log_loss_micro[0] == pytest.approx(plain.log_loss_micro)
    assert found.accuracy_micro[0] == pytest.approx(plain.accuracy_micro)
    per_class = [c.log_loss for c in plain.per_class]
    np.testing.assert_allclose(found.class_log_loss[0], per_class)


def test_a_resample_scores_like_its_segments_laid_out() -> None:
    probabilities, labels, keys = _system(3, locations=12)
    sums, names = bootstrap.location_sums(probabilities, labels, keys)
    drawn = bootstrap.draw(12, resamples=5, seed=1)
    found = bootstrap.replicate(sums, drawn)
    for k, times in enumerate(drawn.astype(int)):
        chosen = [
            row
            for name, often in zip(names, times, strict=True)
            for _ in range(often)
            for row, key in enumerate(keys)
            if key == name
        ]
        plain = metrics.score(probabilities[chosen], labels[chosen])
        assert found.log_loss[k] == pytest.approx(plain.log_loss)
        assert found.accuracy[k] == pytest.approx(plain.accuracy)


def test_as_many_locations_are_drawn_as_there_are_and_the_seed_decides_which() -> None:
    drawn = bootstrap.draw(17, resamples=50, seed=4)
    assert (drawn.sum(axis=1) == 17).all()
    np.testing.assert_array_equal(drawn, bootstrap.draw(17, resamples=50, seed=4))
    assert not np.array_equal(drawn, bootstrap.draw(17, resamples=50, seed=5))


def test_the_interval_covers_the_true_value_about_as_often_as_it_says() -> None:
    whole = _system(0, locations=20_000)
    truth = metrics.score(whole[0], whole[1])
    covered = 0
    for seed in range(1, 121):
        sums, _ = bootstrap.location_sums(*_system(seed, locations=100))
        found = bootstrap.intervals(sums, resamples=400, seed=seed)
        covered += found.log_loss.low <= truth.log_loss <= found.log_loss.high
    assert 0.86 <= covered / 120 <= 0.99


def test_resampling_segments_instead_would_be_too_narrow() -> None:
    probabilities, labels, keys = _system(7, locations=60, clips=20)
    by_location, _ = bootstrap.location_sums(probabilities, labels, keys)
    by_segment, _ = bootstrap.location_sums(
        probabilities, labels, [f"{k:05d}" for k in range(len(labels))]
    )
    wide = bootstrap.intervals(by_location, resamples=300).log_loss
    narrow = bootstrap.intervals(by_segment, resamples=300).log_loss
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_class_that_a_resample_lacks_is_left_out_of_its_mean() -> None:
    probabilities, labels, keys = _system(5, locations=10)  # one location a class
    sums, _ = bootstrap.location_sums(probabilities, labels, keys)
    drawn = bootstrap.draw(10, resamples=200, seed=2)
    found = bootstrap.replicate(sums, drawn)
    assert np.isfinite(found.log_loss).all()
    np.testing.assert_array_equal(np.isnan(found.class_log_loss), drawn == 0)


def test_an_interval_from_fewer_than_five_locations_is_unknown() -> None:
    sums, _ = bootstrap.location_sums(*_system(5, locations=50))  # five a class
    found = bootstrap.intervals(sums, resamples=50)
    assert found.log_loss.known
    assert found.class_log_loss[9].known
    without = bootstrap.intervals(sums.of(np.arange(50) != 9), resamples=50)
    assert without.log_loss.known
    assert without.class_log_loss[8].known
    assert not without.class_log_loss[9].known
    assert not without.class_accuracy[9].known
    four = sums.of(np.arange(50) < 4)
    for few in (bootstrap.intervals(four, resamples=50), bootstrap.paired(four, four)):
        assert not any(i.known for i in (few.log_loss, few.accuracy, few.log_loss_micro))
    assert bootstrap.intervals(sums.of(np.arange(50) < 5), resamples=50).log_loss.known


def test_a_system_differs_from_itself_by_nothing() -> None:
    sums, _ = bootstrap.location_sums(*_system(6))
    gap = bootstrap.paired(sums, sums, resamples=50)
    assert gap.log_loss == bootstrap.Interval(0.0, 0.0)
    assert gap.accuracy == bootstrap.Interval(0.0, 0.0)


def test_pairing_sees_a_small_constant_gain_that_the_plain_intervals_hide() -> None:
    probabilities, labels, keys = _system(8)
    own = probabilities[np.arange(len(labels)), labels]
    better = probabilities * 0.99
    better[np.arange(len(labels)), labels] = own * 0.99 + 0.01
    first, _ = bootstrap.location_sums(probabilities, labels, keys)
    other, _ = bootstrap.location_sums(better, labels, keys)
    plain_first, plain_other = bootstrap.intervals(first), bootstrap.intervals(other)
    assert plain_other.log_loss.high > plain_first.log_loss.low  # they overlap
    assert bootstrap.paired(first, other).log_loss.high < 0
