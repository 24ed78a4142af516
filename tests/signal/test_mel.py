import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.signal import mel
from avsc.store.schema import FBankSettings

BIN_HZ = 16_000 / 8192


def test_the_bank_is_the_triangles_of_the_formula() -> None:
    rows = mel.filter_bank(FBankSettings())
    top = 2595 * math.log10(1 + 8000 / 700)
    corners = [700 * (10 ** (top * i / 257 / 2595) - 1) for i in range(258)]
    for band in (0, 1, 17, 128, 254, 255):
        left, centre, right = corners[band : band + 3]
        for k in range(4097):
            hz = k * BIN_HZ
            up, down = (hz - left) / (centre - left), (right - hz) / (right - centre)
            assert rows[band, k] == pytest.approx(max(0.0, min(up, down)), abs=1e-9)


@pytest.mark.slow  # librosa takes 30 s to import
def test_the_bank_is_librosas() -> None:
    filters = pytest.importorskip("librosa").filters
    theirs = filters.mel(sr=16_000, n_fft=8192, n_mels=256, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(mel.filter_bank(FBankSettings()), theirs, atol=1e-9)


def test_every_one_of_the_256_filters_holds_several_bins() -> None:
    rows = mel.filter_bank(FBankSettings())
    assert rows.shape == (256, 4097)
    assert (rows > 0).sum(axis=1).min() >= 7
    assert rows.max(axis=1).min() > 0.7


def test_weights_at_a_frequency_add_up_to_1_between_the_outermost_centres() -> None:
    corners = mel.corners_hz(FBankSettings())
    bins_hz = np.arange(4097) * BIN_HZ
    inside = (bins_hz >= corners[1]) & (bins_hz <= corners[-2])
    weights = mel.filter_bank(FBankSettings()).sum(axis=0)
    np.testing.assert_allclose(weights[inside], 1, atol=1e-9)


def test_a_frequency_at_a_centre_is_heard_most_by_its_filter() -> None:
    rows = mel.filter_bank(FBankSettings())
    nearest = np.rint(mel.corners_hz(FBankSettings())[1:-1] / BIN_HZ).astype(int)
    np.testing.assert_array_equal(rows[:, nearest].argmax(axis=0), np.arange(256))


def test_no_filter_hears_a_constant_offset() -> None:
    assert np.all(mel.filter_bank(FBankSettings())[:, 0] == 0)


def test_sum_makes_the_weights_of_a_filter_add_up_to_1() -> None:
    rows = mel.filter_bank(FBankSettings(row_norm="sum"))
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "bands"), [(0.0, 8000.1, 64), (500.0, 500.0, 4), (900.0, 100.0, 4)]
)
def test_an_impossible_range_is_refused(low: float, high: float, bands: int) -> None:
    with pytest.raises(AvscError, match="f_min_hz"):
        mel.filter_bank(FBankSettings(bands=bands, f_min_hz=low, f_max_hz=high))


def test_filters_that_fall_between_bins_are_refused() -> None:
    with pytest.raises(AvscError) as failure:
        mel.filter_bank(FBankSettings(bands=2048))
    assert "fbank.bands = 2048" in failure.value.got


@given(st.floats(0, 8000))
def test_mel_and_back_is_the_same_frequency(hz: float) -> None:
    there = mel.to_mel(np.array(hz))
    assert mel.to_hz(there) == pytest.approx(hz, abs=1e-8)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 256), st.floats(0, 2000), st.floats(4000, 8000))
def test_any_bank_rises_and_has_no_empty_filter(bands: int, low: float, high: float) -> None:
    rows = mel.filter_bank(FBankSettings(bands=bands, f_min_hz=low, f_max_hz=high))
    assert rows.shape == (bands, 4097)
    assert rows.min() >= 0
    assert rows.max() <= 1
    assert np.all(rows.sum(axis=1) > 0)
    assert np.all(np.diff(rows @ np.arange(4097) / rows.sum(axis=1)) > 0)
