"""Audio features of a clip: STFT magnitude, filter bank, logarithm (DESIGN section 6).

Shape legend: 2 channels (average (L + R) / 2, difference L - R), F frames, S seconds, f frames of a
second, N = 8192 samples, K = 4097 bins, B bands.

The window is the periodic Hann window, 0.5 - 0.5 cos(2 pi n / 8192): its spectrum is exactly three
bins wide, where the symmetric one's leaks a little everywhere. The FFT is not scaled: a tone of
amplitude A that lies on a bin has magnitude 2048 A there.

A float32 FFT rounds every bin to some 1e-7 of the loudest, and city sound is a thousand times
louder at 50 Hz than near 8 kHz, where the logarithm would show it. So each windowed frame is
tilted first, d[n] = x[n] - 15/16 x[n - 1] around the frame's end, which multiplies bin k by exactly
1 - 15/16 exp(-2 pi i k / 8192), and the filter bank's weights are divided by that. The features are
the same, and on real clips their worst rounding is four to eight times smaller.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from avsc import timebase
from avsc.signal import mel, morlet
from avsc.store.schema import Feature, StoreSettings

# Weights below this part of a row's largest are left out. What they would add is far under the
# rounding of the float32 FFT, and the Gaussians become some ten deviations wide.
NEGLIGIBLE = 1e-6
TILT = 15 / 16
# Spectra made at once, 1 MB a step: they stay near in the cache, and an hour of sound takes no more
# memory than a clip.
BLOCK_ROWS = 28


@dataclass(frozen=True)
class ClipFeatures:
    """One feature of one clip.

    Attributes:
        clip: Frames of the whole clip, float32 [F, 2, B].
        segments: Frames of each second by itself, float32 [S, f, 2, B].
    """

    clip: NDArray[np.float32]
    segments: NDArray[np.float32]


class FeatureExtractor:
    """Turns sound into the features that a store's settings ask for; build one a process.

    Args:
        settings: The store's settings.

    Raises:
        AvscError: The settings of a bank contradict each other.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._window = hann_window(timebase.WINDOW)
        self._banks: Mapping[Feature, scipy.sparse.csr_array] = {
            feature: _sparse_bank(settings, feature) for feature in settings.features
        }

    def clip(self, stereo: NDArray[np.float32]) -> dict[Feature, ClipFeatures]:
        """Every feature of a clip: of the whole, and of each second as if it were alone.

        Args:
            stereo: float32 [2 (left, right), clip_seconds * 16000].
        """
        rate, seconds = timebase.SAMPLE_RATE_HZ, self.settings.clip_seconds
        assert stereo.shape == (2, seconds * rate), stereo.shape
        channels = average_and_difference(stereo)
        whole = self._features(_frames(channels), self.settings.features)
        apart = self._features(_frames(channels.reshape(2, seconds, rate)), self.settings.features)
        return {name: ClipFeatures(whole[name], apart[name]) for name in whole}

    def frames(self, stereo: NDArray[np.float32], feature: Feature) -> NDArray[np.float32]:
        """One feature of a piece of any length: float32 [2, n] to float32 [F, 2, B]."""
        return self._features(_frames(average_and_difference(stereo)), (feature,))[feature]

    def _features(
        self, frames: NDArray[np.float32], names: Sequence[Feature]
    ) -> dict[Feature, NDArray[np.float32]]:
        # [n, ..., 2, N] -> [n, ..., 2, B] each
        shape = frames.shape[:-1]
        out = {
            name: np.empty((*shape, self.settings.bank(name).bands), np.float32) for name in names
        }
        at_once = max(1, BLOCK_ROWS // math.prod(shape[1:]))
        for start in range(0, len(frames), at_once):
            windowed = frames[start : start + at_once] * self._window
            magnitudes = _tilted_magnitudes(windowed.reshape(-1, timebase.WINDOW))
            for name, whole in out.items():
                block = whole[start : start + at_once]
                block[:] = self._log_bands(name, magnitudes).reshape(block.shape)
        return out

    def _log_bands(self, feature: Feature, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        # tilted [K, rows] -> [rows, B]
        settings = self.settings.bank(feature)
        spectrum = magnitudes if settings.spectrum == "magnitude" else magnitudes**2
        bands = np.maximum(self._banks[feature] @ spectrum, np.float32(settings.log_floor))
        logs: NDArray[np.float32] = np.log(bands, out=bands).T
        return logs


def average_and_difference(stereo: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two channels that the model hears, [2 (L, R), n] to [2 (average, difference), n]."""
    left, right = stereo
    return np.stack([(left + right) * np.float32(0.5), left - right])


def hann_window(length: int) -> NDArray[np.float32]:
    """The periodic Hann window, float32 [length].

    >>> hann_window(4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    phase = 2 * np.pi * np.arange(length) / length
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def _frames(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    # A view, [2, ..., n] -> [..., F, 2, N]: nothing is copied before the window is applied.
    if channels.shape[-1] < timebase.WINDOW:
        return np.empty((*channels.shape[1:-1], 0, 2, timebase.WINDOW), np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(channels, timebase.WINDOW, axis=-1)
    return np.moveaxis(pieces[..., :: timebase.HOP, :], 0, -2)


def _tilted_magnitudes(windowed: NDArray[np.float32]) -> NDArray[np.float32]:
    # [rows, N], which is overwritten, -> [K, rows]: bins first, as the sparse product needs them.
    delayed = np.float32(TILT) * windowed
    windowed[:, 1:] -= delayed[:, :-1]
    windowed[:, 0] -= delayed[:, -1]
    spectra = scipy.fft.rfft(windowed, overwrite_x=True, workers=1)
    return np.ascontiguousarray(np.abs(spectra).T)


def _sparse_bank(settings: StoreSettings, feature: Feature) -> scipy.sparse.csr_array:
    # [B, K], for tilted magnitudes
    if feature == "scalogram":
        rows = morlet.filter_bank(settings.scalogram)
    else:
        rows = mel.filter_bank(settings.fbank)
    kept = np.where(rows >= NEGLIGIBLE * rows.max(axis=1, keepdims=True), rows, 0)
    bins = np.linspace(0, np.pi, rows.shape[1])
    tilt = np.abs(1 - TILT * np.exp(-1j * bins))
    if settings.bank(feature).spectrum == "power":
        tilt = tilt**2
    return scipy.sparse.csr_array((kept / tilt).astype(np.float32))
