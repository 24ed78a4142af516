from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.predict.timeline import SceneTimeline, Stretch, longest
from avsc.scenes import SCENES


def timeline(best: list[int], first: int = 0) -> SceneTimeline:
    """A time-line whose most probable scenes are these, at 0.55."""
    probabilities = np.full((len(best), 10), 0.05)
    probabilities[np.arange(len(best)), best] = 0.55
    return SceneTimeline(
        file=Path("walk.mp4"),
        sound=None,
        first=first,
        probabilities=probabilities,
        scenes=SCENES,
        thumbnails=(),
        sound_columns=None,
        feature="scalogram",
        system="a run",
        notes=(),
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 5))
def test_stretches_cover_every_second_once_and_neighbours_differ(
    best: list[int], first: int
) -> None:
    found = timeline(best, first).stretches()
    covered = [one.scene for one in found for _ in range(one.start, one.stop)]
    assert covered == best
    assert found[0].start == first
    assert all(a.stop == b.start for a, b in pairwise(found))
    assert all(a.scene != b.scene for a, b in pairwise(found))
    assert all(one.probability == pytest.approx(0.55) for one in found)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_shares_of_time_sum_to_one_and_fall(best: list[int]) -> None:
    shares = [share for _, share in timeline(best).shares()]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


def test_the_longest_stretches_stay_in_the_order_of_time() -> None:
    every = [Stretch(0, 5, 1, 1.0), Stretch(5, 6, 2, 1.0), Stretch(6, 14, 3, 1.0)]
    assert longest(every, 2) == [every[0], every[2]]
    assert longest(every, 9) == every
