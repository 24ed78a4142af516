"""Agreement of sound and picture, and how well swapped rows are found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from avsc.evaluate.agreement import (
    agreement,
    clip_means,
    detect,
    fit_threshold,
    mean_detection,
)


def test_the_agreement_is_the_probability_that_two_draws_are_alike() -> None:
    random = np.random.default_rng(0)
    sound, picture = random.dirichlet(np.ones(4), (2, 5))
    draws = 200_000
    for k in range(5):
        one, other = (random.choice(4, draws, p=p[k]) for p in (sound, picture))
        assert agreement(sound, picture)[k] == pytest.approx((one == other).mean(), abs=0.005)


def test_scenes_of_one_class_agree() -> None:
    sound, picture = np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])
    assert agreement(sound, picture).tolist() == [0]
    assert agreement(sound, picture, np.array([1, 1, 0])).tolist() == [1]
    assert agreement(sound, picture, np.array([0, 1, 1])).tolist() == [0]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.7, 1.0]), st.booleans()),
        min_size=2,
        max_size=40,
    ).filter(lambda rows: any(swapped for _, swapped in rows))
)
def test_no_threshold_has_a_higher_f1_than_the_fitted_one(rows: list[tuple[float, bool]]) -> None:
    scores, swapped = (np.array(column) for column in zip(*rows, strict=True))
    fitted = fit_threshold(scores, swapped)
    levels = [-0.1, 0.05, 0.15, 0.3, 0.6, 0.9, 1.1]
    best = max(f1_score(swapped, scores < level, zero_division=0) for level in levels)
    assert f1_score(swapped, scores < fitted, zero_division=0) == pytest.approx(best)


def test_scikit_learn_recomputes_the_scores() -> None:
    random = np.random.default_rng(1)
    swapped = random.random(300) < 0.4
    scores = np.clip(random.normal(np.where(swapped, 0.3, 0.6), 0.2), 0, 1)
    places = [f"place-{k % 12}" for k in range(300)]
    found = detect(scores, swapped, 0.45, places)
    said = scores < 0.45
    assert found.f1 == pytest.approx(f1_score(swapped, said))
    assert found.f1_matching == pytest.approx(f1_score(~swapped, ~said))
    assert found.precision == pytest.approx(precision_score(swapped, said))
    assert found.recall == pytest.approx(recall_score(swapped, said))
    assert found.f1_always == pytest.approx(f1_score(swapped, np.ones(300, bool)))
    assert found.f1_interval.low < found.f1 < found.f1_interval.high
    assert not detect(scores, swapped, 0.45, ["one place"] * 300).f1_interval.known


def test_the_mean_over_seeds_has_the_interval_of_the_mean() -> None:
    random = np.random.default_rng(2)
    swapped = random.random(300) < 0.5
    scores = [random.normal(np.where(swapped, 0.3, 0.6), 0.2) for _ in range(3)]
    places = [f"place-{k % 15}" for k in range(300)]
    each = [detect(some, swapped, 0.4 + k / 20, places) for k, some in enumerate(scores)]
    found = mean_detection(each, scores, swapped, places)
    assert found.f1 == pytest.approx(np.mean([one.f1 for one in each]))
    assert found.f1_interval.low < found.f1 < found.f1_interval.high
    widths = [one.f1_interval.high - one.f1_interval.low for one in each]
    assert found.f1_interval.high - found.f1_interval.low < np.mean(widths)
    alone = mean_detection(each[:1], scores[:1], swapped, places)
    assert alone.f1_interval == each[0].f1_interval


def test_a_clip_has_the_mean_of_its_seconds() -> None:
    assert clip_means(np.array([1.0, 0, 0.5]), np.array([2, 1])).tolist() == [0.5, 0.5]
