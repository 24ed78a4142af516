import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.data import triples
from avsc.data.triples import Triples

ROWS = np.array([4, 9, 2])
LABELS = np.array([7, 0, 3])


def training() -> Triples:
    return triples.training_triples(ROWS, LABELS, 56)


def test_training_triples_hold_every_frame_of_every_clip_with_its_second() -> None:
    every = training()
    assert len(every) == 3 * 56
    np.testing.assert_array_equal(every.rows, ROWS)
    np.testing.assert_array_equal(np.bincount(every.clip), [56] * 3)
    np.testing.assert_array_equal(every.label, LABELS[every.clip])
    for clip in range(3):
        of = every.clip == clip
        np.testing.assert_array_equal(every.frame[of], np.arange(56))
        np.testing.assert_array_equal(np.bincount(every.second[of]), [5, 6, 6, 5, 6, 6, 6, 6, 6, 4])
        # The image is of the second in which the middle of the frame's window lies.
        middle_s = (every.frame[of] * 2736 + 4096) / 16_000
        np.testing.assert_array_equal(every.second[of], np.floor(middle_s))


def test_a_shorter_clip_has_its_own_frames_and_no_more() -> None:
    whole = triples.training_triples(ROWS, LABELS, 56)
    some = triples.training_triples(ROWS, LABELS, np.array([14, 56, 56]))
    kept = (whole.clip != 0) | (whole.frame < 14)
    assert kept.sum() == 14 + 56 + 56
    for name in ("clip", "frame", "second", "label"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[kept])


def test_by_default_every_triple_has_an_image_of_its_own() -> None:
    every = training()
    views = triples.views(every, None)
    assert len(views) == len(every)
    assert views.largest == 1
    chosen = np.array([5, 160, 0])
    index, place = views.triples_of(chosen)
    np.testing.assert_array_equal(index, chosen)
    np.testing.assert_array_equal(place, [0, 1, 2])
    np.testing.assert_array_equal(views.clip, every.clip)
    np.testing.assert_array_equal(views.second, every.second)


@pytest.mark.parametrize(
    ("k", "count", "largest"), [(1, 30, 6), (2, 60, 3), (3, 90, 2), (9, 168, 1)]
)
def test_a_second_has_k_views_or_one_a_frame(k: int, count: int, largest: int) -> None:
    views = triples.views(training(), k)
    assert (len(views), views.largest) == (count, largest)


@given(st.integers(1, 8), st.integers(1, 4), st.lists(st.integers(0, 10**6), max_size=30))
@settings(max_examples=60, deadline=None)
def test_views_share_out_each_triple_once_and_within_its_second(
    k: int, clips: int, numbers: list[int]
) -> None:
    every = triples.training_triples(np.arange(clips), np.zeros(clips, np.int64), 56)
    views = triples.views(every, k)
    np.testing.assert_array_equal(np.sort(views.members), np.arange(len(every)))
    chosen = np.array([n % len(views) for n in numbers], np.int64)
    index, place = views.triples_of(chosen)
    np.testing.assert_array_equal(every.clip[index], views.clip[chosen][place])
    np.testing.assert_array_equal(every.second[index], views.second[chosen][place])
    expected = [views.members[views.bounds[v] : views.bounds[v + 1]] for v in chosen]
    np.testing.assert_array_equal(index, np.concatenate([np.empty(0, int), *expected]))


def test_views_of_no_clips_are_none() -> None:
    nothing = np.empty(0, np.int64)
    every = triples.training_triples(nothing, nothing, 56)
    assert len(triples.views(every, None)) == len(triples.views(every, 2)) == 0
