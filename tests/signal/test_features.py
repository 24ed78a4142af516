"""The features against a slow float64 reference written from DESIGN section 6, and invariants."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avsc.media.audio import read_stereo
from avsc.signal import morlet
from avsc.signal.features import BLOCK_ROWS, FeatureExtractor, hann_window
from avsc.store.schema import (
    FEATURES,
    FBankSettings,
    Feature,
    ScalogramSettings,
    StoreSettings,
)

Array64 = NDArray[np.float64]
Array32 = NDArray[np.float32]
FLOOR = 1e-5
SCALOGRAM = StoreSettings(features=("scalogram",))


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor(StoreSettings())


def noise(samples: int, seed: int = 0) -> Array32:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (2, samples)).astype(np.float32)


def tone(hz: float, samples: int, phase: float = 0.0) -> Array32:
    wave = 0.3 * np.cos(2 * np.pi * hz / 16_000 * np.arange(samples) + phase)
    return np.stack([wave, wave]).astype(np.float32)


# --- the reference: float64, no sparse matrices, nothing of avsc --------- ------------------------


def reference_stereo(path: Path) -> Array64:
    """A WAV at 16 kHz, [2, 160000]."""
    samples, rate = soundfile.read(path)
    samples = np.concatenate([samples, np.zeros((1, 2))])[: 10 * rate]
    return np.asarray(soxr.resample(samples, rate, 16_000, quality="HQ")[:160_000].T)


def reference_spectra(stereo: Array64) -> Array64:
    """Magnitudes, [F, 2, 4097]."""
    window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / 8192) for n in range(8192)])
    average, difference = (stereo[0] + stereo[1]) / 2, stereo[0] - stereo[1]
    spectra = []
    for first in range(0, stereo.shape[1] - 8192 + 1, 2736):
        last = first + 8192
        pair = [np.abs(np.fft.rfft(x[first:last] * window)) for x in (average, difference)]
        spectra.append(pair)
    return np.array(spectra)


def reference_scalogram_bank() -> Array64:
    t, q, sigma0 = 8192, 41, 2 / math.sqrt(3)
    omega = np.pi * np.arange(4097) / 4096
    sigma_psi = sigma0 / (2 * (1 - 2 ** (-1 / q)))
    j_count = 1 + round(q * math.log2(t / (4 * q)))
    p_count = round((2 ** (-1 / q) - 1 / 4 * sigma0 / sigma_psi) / (1 - 2 ** (-1 / q)))
    step = math.pi * 2 ** (-j_count / q) * (1 - 1 / 4 * sigma0 / sigma_psi * 2 ** (1 / q)) / p_count
    rows = []
    for band in range(j_count + p_count):
        j = min(band, j_count - 1)
        xi = (2 ** (-1 / q) + 1) / 2 * math.pi * 2 ** (-j / q) - max(0, band - j) * step
        sigma = sigma_psi * 2 ** (j / q)
        kappa = math.exp(-(xi**2) * sigma**2 / 2)
        row = np.exp(-((omega - xi) ** 2) * sigma**2 / 2) - kappa * np.exp(
            -((omega * sigma) ** 2) / 2
        )
        at_centre = 1 - kappa * math.exp(-(xi**2) * sigma**2 / 2)
        rows.append(row / at_centre)
    return np.array(rows)


def reference_fbank_bank() -> Array64:
    top = 2595 * math.log10(1 + 8000 / 700)
    corners = [700 * (10 ** (top * i / 257 / 2595) - 1) for i in range(258)]
    hz = np.arange(4097) * 16_000 / 8192
    rows = []
    for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
        triangle = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
        rows.append(np.maximum(0, triangle))
    return np.array(rows)


def reference_bank(feature: Feature) -> Array64:
    return reference_scalogram_bank() if feature == "scalogram" else reference_fbank_bank()


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("clip", range(8))
def test_features_of_a_real_wav_are_those_of_the_slow_reference(
    extractor: FeatureExtractor, real_audio: list[Path], clip: int, feature: Feature
) -> None:
    path = real_audio[clip]
    linear = reference_spectra(reference_stereo(path)) @ reference_bank(feature).T
    expected = np.log(np.maximum(linear, FLOOR))
    ours = extractor.clip(read_stereo(path, 10))[feature].clip.astype(np.float64)
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(np.exp(ours) - linear).max() < 1e-6 * linear.max()


@pytest.mark.parametrize("feature", FEATURES)
def test_segments_of_a_real_wav_are_those_of_the_slow_reference(
    extractor: FeatureExtractor, real_audio: list[Path], feature: Feature
) -> None:
    stereo = reference_stereo(real_audio[0])
    bank = reference_bank(feature)
    ours = extractor.clip(read_stereo(real_audio[0], 10))[feature].segments
    assert ours.shape[:3] == (10, 3, 2)
    for second in range(10):
        cut = stereo[:, 16_000 * second : 16_000 * (second + 1)]
        expected = np.log(np.maximum(reference_spectra(cut) @ bank.T, FLOOR))
        assert np.abs(ours[second] - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_references_fft_is_the_fourier_sum() -> None:
    frame = noise(8192)[0].astype(np.float64)
    spectrum = np.fft.rfft(frame)
    n = np.arange(8192)
    for k in (0, 1, 2, 100, 2047, 4096):
        direct = np.sum(frame * np.exp(-2j * np.pi * k * n / 8192))
        assert abs(spectrum[k] - direct) < 1e-9


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("by_sum", [False, True])
def test_power_and_row_sums_are_what_they_say(power: bool, by_sum: bool) -> None:
    options = {
        "spectrum": "power" if power else "magnitude",
        "row_norm": "sum" if by_sum else "peak",
        "log_floor": 1e-9,
    }
    chosen = StoreSettings(
        scalogram=ScalogramSettings.model_validate(options),
        fbank=FBankSettings.model_validate(options),
    )
    stereo = noise(16_000)
    spectra = reference_spectra(stereo.astype(np.float64)) ** (2 if power else 1)
    for feature in FEATURES:
        bank = reference_bank(feature)
        if by_sum:
            bank /= bank.sum(axis=1, keepdims=True)
        ours = FeatureExtractor(chosen).frames(stereo, feature)
        np.testing.assert_allclose(ours, np.log(spectra @ bank.T), atol=1e-4)


# --- tones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row_norm", ["peak", "sum"])
def test_a_tone_at_a_centre_peaks_in_its_filter(row_norm: str) -> None:
    # In all 290, not every tenth: the Hann window spreads a tone over three bins and more, and so
    # tells even the filters that are 1.4 bins apart which of them is nearest.
    bank = ScalogramSettings.model_validate({"row_norm": row_norm})
    extractor = FeatureExtractor(StoreSettings(features=("scalogram",), scalogram=bank))
    for band, centre in enumerate(morlet.centres(8192, 41)):
        for phase in (0.0, 1.0, 2.0):
            stereo = tone(centre * 16_000 / (2 * np.pi), 8192, phase)
            assert extractor.frames(stereo, "scalogram")[0, 0].argmax() == band


def test_a_tone_is_as_loud_in_every_filter_of_constant_q() -> None:
    # What ``peak`` is for. The lowest octaves' filters are narrower than the window's own spread.
    extractor = FeatureExtractor(SCALOGRAM)
    levels = []
    for centre in morlet.centres(8192, 41)[:100]:
        stereo = tone(centre * 16_000 / (2 * np.pi), 8192)
        levels.append(extractor.frames(stereo, "scalogram")[0, 0].max())
    assert max(levels) - min(levels) < 0.1


@pytest.mark.parametrize("feature", FEATURES)
def test_a_real_wav_s_quietest_bands_are_not_lost_in_the_rounding_of_its_loudest(
    extractor: FeatureExtractor, real_audio: list[Path], feature: Feature
) -> None:
    # With an FFT in float32 the error is 1e-3 (scalogram) and 3e-3 (FBank).
    stereo = read_stereo(real_audio[2], 10)
    exact = np.log(reference_spectra(stereo.astype(np.float64)) @ reference_bank(feature).T)
    assert np.abs(extractor.frames(stereo, feature) - exact).max() < 3e-5


# --- invariants ----------------------------------------------------------------------------------


def test_the_window_is_the_periodic_one_whose_spectrum_is_three_bins_wide() -> None:
    spectrum = np.abs(np.fft.rfft(hann_window(8192)))
    np.testing.assert_allclose(spectrum[:2], [4096, 2048], rtol=1e-6)
    assert spectrum[2:].max() < 1e-3


def test_shapes_and_dtypes_are_those_of_the_store(extractor: FeatureExtractor) -> None:
    features = extractor.clip(noise(160_000))
    assert list(features) == ["scalogram", "fbank"]
    for feature, bands in (("scalogram", 290), ("fbank", 256)):
        views = features[feature]  # type: ignore[index]
        assert views.clip.shape == (56, 2, bands)
        assert views.segments.shape == (10, 3, 2, bands)
        assert views.clip.dtype == views.segments.dtype == np.float32
        assert views.clip.flags.c_contiguous
        assert views.segments.flags.c_contiguous


def test_segments_are_the_features_of_the_clip_cut_to_the_second(
    extractor: FeatureExtractor,
) -> None:
    stereo = noise(160_000)
    segments = extractor.clip(stereo)["fbank"].segments
    for second in range(10):
        alone = stereo[:, 16_000 * second : 16_000 * (second + 1)]
        np.testing.assert_allclose(segments[second], extractor.frames(alone, "fbank"), atol=1e-5)


def test_nothing_outside_its_second_is_heard_in_a_segment(extractor: FeatureExtractor) -> None:
    stereo = noise(160_000)
    other = noise(160_000, seed=1)
    other[:, 64_000:80_000] = stereo[:, 64_000:80_000]
    ours, theirs = (extractor.clip(x)["scalogram"].segments for x in (stereo, other))
    np.testing.assert_array_equal(ours[4], theirs[4])
    assert not np.array_equal(ours[3], theirs[3])


def test_a_clip_of_one_second_is_its_own_segment() -> None:
    extractor = FeatureExtractor(StoreSettings(clip_seconds=1))
    views = extractor.clip(noise(16_000))["scalogram"]
    np.testing.assert_array_equal(views.clip, views.segments[0])


def test_the_same_sound_gives_the_same_bytes(extractor: FeatureExtractor) -> None:
    stereo = noise(160_000)
    again = FeatureExtractor(StoreSettings()).clip(stereo.copy())
    for feature, views in extractor.clip(stereo).items():
        assert views.clip.tobytes() == again[feature].clip.tobytes()
        assert views.segments.tobytes() == again[feature].segments.tobytes()


def test_the_extractor_leaves_its_input_alone(extractor: FeatureExtractor) -> None:
    stereo = noise(160_000)
    before = stereo.copy()
    extractor.clip(stereo)
    extractor.frames(stereo, "fbank")
    np.testing.assert_array_equal(stereo, before)


def test_a_delay_of_one_hop_moves_the_frames_by_one(extractor: FeatureExtractor) -> None:
    stereo = noise(60_000)
    frames = extractor.frames(stereo, "scalogram")
    later = extractor.frames(stereo[:, 2736:], "scalogram")
    np.testing.assert_allclose(later, frames[1:], atol=1e-5)


def test_frames_do_not_depend_on_the_block_they_are_made_in(extractor: FeatureExtractor) -> None:
    count = 2 * BLOCK_ROWS + 3
    stereo = noise(2736 * (count - 1) + 8192)
    frames = extractor.frames(stereo, "fbank")
    assert frames.shape == (count, 2, 256)
    for first in range(0, count, 7):
        alone = stereo[:, 2736 * first : 2736 * first + 8192]
        np.testing.assert_allclose(frames[first], extractor.frames(alone, "fbank")[0], atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 8191])
def test_a_piece_shorter_than_the_window_has_no_frames(
    extractor: FeatureExtractor, samples: int
) -> None:
    assert extractor.frames(noise(samples), "scalogram").shape == (0, 2, 290)


@pytest.mark.parametrize("feature", FEATURES)
def test_silence_has_finite_features_at_the_floor(
    extractor: FeatureExtractor, feature: Feature
) -> None:
    views = extractor.clip(np.zeros((2, 160_000), np.float32))[feature]
    for view in (views.clip, views.segments):
        np.testing.assert_array_equal(view, np.float32(np.log(np.float32(FLOOR))))


def test_the_floor_is_under_all_of_a_real_recording(
    extractor: FeatureExtractor, real_audio: list[Path]
) -> None:
    for path in real_audio[::3]:
        for views in extractor.clip(read_stereo(path, 10)).values():
            assert views.clip.min() > math.log(FLOOR) + 1


def test_equal_channels_leave_the_difference_at_the_floor(extractor: FeatureExtractor) -> None:
    one = noise(16_000)[:1]
    frames = extractor.frames(np.concatenate([one, one]), "fbank")
    assert frames[:, 0].min() > math.log(FLOOR)
    np.testing.assert_array_equal(frames[:, 1], np.float32(np.log(np.float32(FLOOR))))


def test_swapped_channels_sound_the_same(extractor: FeatureExtractor) -> None:
    # Average and magnitude of the difference do not know left from right.
    stereo = noise(16_000)
    np.testing.assert_allclose(
        extractor.frames(stereo[::-1], "scalogram"),
        extractor.frames(stereo, "scalogram"),
        atol=1e-5,
    )


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(1 / 32, 32), seed=st.integers(0, 1000))
def test_a_gain_adds_its_logarithm(extractor: FeatureExtractor, gain: float, seed: int) -> None:
    stereo = noise(8192, seed)
    for feature in FEATURES:
        quiet = extractor.frames(stereo, feature)
        loud = extractor.frames(stereo * np.float32(gain), feature)
        np.testing.assert_allclose(loud - quiet, math.log(np.float32(gain)), atol=1e-4)


def test_only_the_asked_features_are_made() -> None:
    assert list(FeatureExtractor(SCALOGRAM).clip(noise(160_000))) == ["scalogram"]
