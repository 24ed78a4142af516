import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.signal import morlet
from avsc.store.schema import ScalogramSettings

RAD_TO_HZ = 16_000 / (2 * math.pi)


def centres_and_widths_by_the_book() -> tuple[list[float], list[float]]:
    """DESIGN section 6, read off line by line."""
    t, q = 8192, 41
    sigma0 = 2 / math.sqrt(3)
    j_count = 1 + round(q * math.log2(t / (4 * q)))
    sigma_psi = sigma0 / (2 * (1 - 2 ** (-1 / q)))
    p_count = round((2 ** (-1 / q) - sigma0 / (4 * sigma_psi)) / (1 - 2 ** (-1 / q)))
    centres, widths = [], []
    for j in range(j_count):
        centres.append((2 ** (-1 / q) + 1) / 2 * math.pi * 2 ** (-j / q))
        widths.append(sigma_psi * 2 ** (j / q))
    step = math.pi * 2 ** (-j_count / q) * (1 - sigma0 / (4 * sigma_psi) * 2 ** (1 / q)) / p_count
    lowest, widest = centres[-1], widths[-1]
    for p in range(1, p_count + 1):
        centres.append(lowest - p * step)
        widths.append(widest)
    return centres, widths


def test_the_default_bank_has_232_constant_q_and_58_constant_bandwidth_filters() -> None:
    bank = morlet.wavelets(8192, 41)
    assert bank.constant_q == 232
    assert len(bank.centres) == len(bank.widths) == 290
    assert morlet.filter_bank(ScalogramSettings()).shape == (290, 4097)


def test_centres_and_widths_are_those_of_the_formulas() -> None:
    bank = morlet.wavelets(8192, 41)
    centres, widths = centres_and_widths_by_the_book()
    np.testing.assert_allclose(bank.centres, centres, rtol=1e-12)
    np.testing.assert_allclose(bank.widths, widths, rtol=1e-12)


def test_centres_run_from_7933_hz_to_160_hz_and_in_steps_of_2_7_hz_to_2_7_hz() -> None:
    hz = morlet.centres(8192, 41) * RAD_TO_HZ
    assert hz[0] == pytest.approx(7933, abs=0.5)
    assert hz[231] == pytest.approx(160, abs=0.5)
    assert hz[289] == pytest.approx(2.7, abs=0.05)
    np.testing.assert_allclose(np.diff(hz[231:]), -2.7, atol=0.05)


def test_41_is_the_only_q_that_gives_290_filters() -> None:
    counts = {q: len(morlet.centres(8192, q)) for q in range(1, 257)}
    assert [q for q, count in counts.items() if count == 290] == [41]


def test_the_first_filters_are_of_constant_q_and_the_others_of_constant_bandwidth() -> None:
    bank = morlet.wavelets(8192, 41)
    geometric = bank.centres[:232]
    np.testing.assert_allclose(geometric[1:] / geometric[:-1], 2 ** (-1 / 41), rtol=1e-12)
    products = bank.centres[:232] * bank.widths[:232]
    np.testing.assert_allclose(products, products[0], rtol=1e-12)
    np.testing.assert_allclose(bank.widths[232:], bank.widths[231], rtol=1e-12)


def test_neighbours_are_1_8_deviations_apart_everywhere() -> None:
    bank = morlet.wavelets(8192, 41)
    apart = -np.diff(bank.centres) * bank.widths[1:]
    np.testing.assert_allclose(apart, 1.8, atol=0.05)


def test_no_filter_hears_a_constant_offset() -> None:
    rows = morlet.filter_bank(ScalogramSettings())
    assert np.all(rows[:, 0] == 0)
    assert rows.min() >= 0


def test_at_every_centre_its_own_filter_responds_most() -> None:
    bank = morlet.wavelets(8192, 41)
    at_centres = morlet.response(bank, bank.centres)
    np.testing.assert_array_equal(at_centres.argmax(axis=0), np.arange(290))


def test_every_filter_peaks_at_the_bin_nearest_to_its_centre() -> None:
    # The narrow ones are closer together than two bins, so this is not a matter of course.
    rows = morlet.filter_bank(ScalogramSettings())
    nearest = np.rint(morlet.centres(8192, 41) / np.pi * 4096)
    peaks = rows.argmax(axis=1)
    # The correction at 0 pulls the peak of the lowest away from 0, by a tenth of a bin.
    np.testing.assert_array_equal(peaks[:-2], nearest[:-2])
    assert np.abs(peaks - nearest).max() <= 1


def test_a_filter_of_constant_bandwidth_weighs_five_bins_none_of_them_alone() -> None:
    rows = morlet.filter_bank(ScalogramSettings())[232:]
    heard = (rows > 0.05).sum(axis=1)
    assert heard.min() >= 3
    assert heard.max() <= 6
    assert rows.max(axis=1).min() > 0.8
    assert (rows.max(axis=1) / rows.sum(axis=1)).max() < 0.6


def test_the_bank_covers_all_sound_evenly() -> None:
    bank = morlet.wavelets(8192, 41)
    hz = np.linspace(8, 7800, 20_000)
    heard = morlet.response(bank, hz / RAD_TO_HZ)
    # Gaussians 1.8 deviations apart add up with a ripple of 1 %, their squares with one of 10 %.
    for total, ripple in ((heard.sum(axis=0), 0.015), ((heard**2).sum(axis=0), 0.11)):
        assert total.max() / total.min() < (1 + ripple) / (1 - ripple)
    assert morlet.filter_bank(ScalogramSettings())[:, 1:].max(axis=0).min() > 0.5


def test_white_noise_gives_constant_q_bands_energy_in_proportion_to_their_centres() -> None:
    bank = morlet.wavelets(8192, 41)
    energy = (morlet.filter_bank(ScalogramSettings()) ** 2).sum(axis=1)
    inside = slice(10, 150)  # whole filters, smooth on the bins
    ratio = energy[inside] / bank.centres[inside]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)


def test_peak_makes_a_filter_1_at_its_centre_and_sum_makes_its_weights_add_up_to_1() -> None:
    by_peak = morlet.filter_bank(ScalogramSettings(row_norm="peak"))
    by_sum = morlet.filter_bank(ScalogramSettings(row_norm="sum"))
    assert by_peak.max() <= 1.001
    assert by_peak.max(axis=1)[:60].min() > 0.999  # wide filters have a bin at their centre
    np.testing.assert_allclose(by_sum.sum(axis=1), 1, rtol=1e-12)
    ratio = by_peak[:, 1:300] * by_sum.max(axis=1, keepdims=True)
    np.testing.assert_allclose(
        ratio, by_sum[:, 1:300] * by_peak.max(axis=1, keepdims=True), atol=1e-15
    )


def test_a_wrong_number_of_bands_is_refused_with_the_right_one() -> None:
    with pytest.raises(AvscError, match=r"scalogram\.bands = 128") as failure:
        morlet.filter_bank(ScalogramSettings(bands=128))
    assert "290 bands: 232 of constant Q and 58 of constant bandwidth" in failure.value.expected


def test_a_time_scale_too_short_for_q_is_refused() -> None:
    with pytest.raises(AvscError, match="t = 16, q = 41"):
        morlet.wavelets(16, 41)


def test_wavelets_narrower_than_the_bins_are_refused() -> None:
    bands = len(morlet.centres(65536, 8))
    with pytest.raises(AvscError) as failure:
        morlet.filter_bank(ScalogramSettings(t=65536, q=8, bands=bands))
    assert "scalogram.t = 65536" in failure.value.got


@settings(deadline=None, max_examples=60)
@given(t=st.integers(64, 8192), q=st.integers(1, 64))
def test_any_bank_falls_towards_0_and_hears_every_one_of_its_centres(t: int, q: int) -> None:
    if t < 4 * q:
        return
    bank = morlet.wavelets(t, q)
    assert np.all(np.diff(bank.centres) < 0)
    assert bank.centres[0] < np.pi
    assert bank.centres[-1] > 0
    rows = morlet.filter_bank(ScalogramSettings(t=t, q=q, bands=len(bank.centres)))
    assert rows.shape == (len(bank.centres), 4097)
    assert np.all(np.isfinite(rows))
    assert np.all(rows[:, 0] == 0)
    assert rows.max(axis=1).min() >= 0.5
