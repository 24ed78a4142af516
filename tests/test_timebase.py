import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsc import timebase


def test_ten_seconds_give_56_frames_and_one_second_gives_3() -> None:
    assert timebase.frame_count(160_000) == 56
    assert timebase.frame_count(16_000) == 3


def test_each_frame_belongs_to_the_second_that_holds_its_centre() -> None:
    seconds = timebase.second_of_frames(56)
    assert np.bincount(seconds).tolist() == [5, 6, 6, 5, 6, 6, 6, 6, 6, 4]
    assert np.array_equal(seconds, np.floor(timebase.frame_centres_s(56)))


@given(st.integers(0, 1_000_000))
def test_the_last_frame_fits_and_one_more_would_not(samples: int) -> None:
    frames = timebase.frame_count(samples)
    if frames:
        assert timebase.HOP * (frames - 1) + timebase.WINDOW <= samples
    assert timebase.HOP * frames + timebase.WINDOW > samples


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_trimming_or_padding_keeps_the_beginning_and_adds_only_zeros(have: int, want: int) -> None:
    samples = np.arange(1, have + 1, dtype=np.float32)
    fitted = timebase.trim_or_pad(samples, want)
    assert fitted.shape == (want,)
    assert np.array_equal(fitted[: min(have, want)], samples[: min(have, want)])
    assert not fitted[have:].any()


def test_lengths_within_ten_milliseconds_fit_and_others_do_not() -> None:
    assert timebase.fits_length(479_999, 48_000, 10)
    assert timebase.fits_length(480_001, 48_000, 10)
    assert not timebase.fits_length(480_481, 48_000, 10)
    assert not timebase.fits_length(355_200, 48_000, 10)


def test_images_are_taken_half_way_through_each_second() -> None:
    assert timebase.image_times_s(3).tolist() == [0.5, 1.5, 2.5]
