"""Audio features of a clip: FFT, filter bank, logarithm (DESIGN section 6).

Shape legend: 2 channels (average (L + R) / 2, difference L - R), F frames, S seconds, f frames of a
second, N = 8192 samples, K = 4097 bins, B bands.

The window is the periodic Hann window, 0.5 - 0.5 cos(2 pi n / 8192): its spectrum is exactly three
bins wide, where the symmetric one's leaks a little everywhere. The FFT is not scaled: a tone of
amplitude A that lies on a bin has magnitude 2048 A there.

All up to the FFT is in float64, all behind it in float32. An FFT in float32 rounds every bin to
some 1e-7 of the loudest, and city sound is a thousand times louder at 50 Hz than near 8 kHz, where
the logarithm would show it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from avsc import timebase
from avsc.signal import mel, morlet
from avsc.signal.settings import BankSettings, Feature, FeatureSettings

# Weights below this part of a row's largest are left out. What they would add is far under the
# floor of real recordings, and the Gaussians become some ten standard deviations wide.
NEGLIGIBLE = 1e-6
# Spectra made at once, 2 MB a step: they stay near in the cache, and an hour of sound takes no more
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
        settings: Names of the features and settings of their banks.

    Raises:
        AvscError: The settings of a bank contradict each other.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self._window = hann_window(timebase.WINDOW)
        self._banks = {feature: _Bank(settings, feature) for feature in settings.features}

    def clip(self, stereo: NDArray[np.float32]) -> dict[Feature, ClipFeatures]:
        """Every feature of a clip: of the whole, and of each second as if it were alone.

        Args:
            stereo: float32 [2 (left, right), S * 16000].
        """
        channels = average_and_difference(stereo)
        whole = self._features(_frames(channels), list(self._banks))
        by_second = channels.reshape(2, -1, timebase.SAMPLE_RATE_HZ)
        apart = self._features(_frames(by_second), list(self._banks))
        return {name: ClipFeatures(whole[name], apart[name]) for name in whole}

    def frames(self, stereo: NDArray[np.float32], feature: Feature) -> NDArray[np.float32]:
        """One feature of a piece of any length: float32 [2, n] to float32 [F, 2, B]."""
        return self._features(_frames(average_and_difference(stereo)), [feature])[feature]

    def _features(
        self, frames: NDArray[np.float64], names: Sequence[Feature]
    ) -> dict[Feature, NDArray[np.float32]]:
        # [n, ..., 2, N] -> [n, ..., 2, B] each
        shape = frames.shape[:-1]
        out = {name: np.empty((*shape, self._banks[name].bands), np.float32) for name in names}
        at_once = max(1, BLOCK_ROWS // math.prod(shape[1:]))
        for start in range(0, len(frames), at_once):
            # In C order, or numpy would follow the view's and ``reshape`` copy it all again.
            windowed = np.multiply(frames[start : start + at_once], self._window, order="C")
            magnitudes = _magnitudes(windowed.reshape(-1, timebase.WINDOW))
            for name, whole in out.items():
                block = whole[start : start + at_once]
                block[:] = self._banks[name].logs(magnitudes).reshape(block.shape)
        return out


class _Bank:
    """A filter bank, kept sparse, and the logarithm behind it."""

    def __init__(self, settings: FeatureSettings, feature: Feature) -> None:
        bank: BankSettings
        if feature == "scalogram":
            bank, rows = settings.scalogram, morlet.filter_bank(settings.scalogram)
        else:
            bank, rows = settings.fbank, mel.filter_bank(settings.fbank)
        kept = np.where(rows >= NEGLIGIBLE * rows.max(axis=1, keepdims=True), rows, 0)
        self.bands = bank.bands
        self._weights = scipy.sparse.csr_array(kept.astype(np.float32))  # [B, K]
        self._power = bank.spectrum == "power"
        self._floor = np.float32(bank.log_floor)

    def logs(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        # [K, rows] -> [rows, B]
        spectrum = magnitudes**2 if self._power else magnitudes
        return np.asarray(np.log(np.maximum(self._weights @ spectrum, self._floor)).T)


def average_and_difference(stereo: NDArray[np.float32]) -> NDArray[np.float64]:
    """The two channels that the model is given, [2 (L, R), n] to [2 (average, difference), n]."""
    left, right = stereo.astype(np.float64)
    return np.stack([(left + right) / 2, left - right])


def hann_window(length: int) -> NDArray[np.float64]:
    """The periodic Hann window, float64 [length].

    >>> hann_window(4).round(9).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def _frames(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    # A view, [2, ..., n] -> [..., F, 2, N]: nothing is copied before the window is applied.
    if channels.shape[-1] < timebase.WINDOW:
        return np.empty((*channels.shape[1:-1], 0, 2, timebase.WINDOW))
    pieces = np.lib.stride_tricks.sliding_window_view(channels, timebase.WINDOW, axis=-1)
    return np.moveaxis(pieces[..., :: timebase.HOP, :], 0, -2)


def _magnitudes(windowed: NDArray[np.float64]) -> NDArray[np.float32]:
    # [rows, N], which is overwritten, -> [K, rows]: bins first, as the sparse product needs them.
    spectra = scipy.fft.rfft(windowed, overwrite_x=True, workers=1)
    return np.abs(spectra).T.astype(np.float32, order="C")
