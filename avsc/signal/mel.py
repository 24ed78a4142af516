"""The FBank's filters: triangles spaced evenly on the mel scale (DESIGN section 6).

The scale is HTK's and Kaldi's, from which the name FBank comes: m = 2595 log10(1 + f / 700). The
triangles are straight in Hz, each from its left neighbour's centre to its right one's, as in
librosa (``htk=True, norm=None``) and torchaudio. The paper does not say which it uses; on 256 bands
the scales differ by less than the bands' own width above 200 Hz.

Between 0 and 8 kHz, 256 filters are 6.9 Hz apart at the bottom, 3.5 bins of the 8192-point FFT:
none is empty.
"""

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.signal.settings import FBankSettings


def to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hz to mel.

    >>> round(float(to_mel(np.array(1000.0))))
    1000
    """
    return np.asarray(2595 * np.log10(1 + hz / 700))


def to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel to Hz."""
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def corners_hz(settings: FBankSettings) -> NDArray[np.float64]:
    """Where the triangles begin, peak and end, rising, shape [bands + 2].

    Filter i rises from corner i to its centre, corner i + 1, and falls to corner i + 2.
    """
    ends = to_mel(np.array([settings.f_min_hz, settings.f_max_hz]))
    return to_hz(np.linspace(ends[0], ends[1], settings.bands + 2))


def filter_bank(settings: FBankSettings) -> NDArray[np.float64]:
    """The bank on the bins of the 8192-point real FFT at 16 kHz, shape [bands, 4097].

    Rows go from the lowest centre to the highest. ``peak`` leaves the triangles 1 high at their
    centres (which are seldom a bin); ``sum`` makes a row add up to 1.

    Raises:
        AvscError: The range is empty or reaches beyond 8 kHz, or a filter falls between two bins.
    """
    _check_range(settings)
    corners = corners_hz(settings)
    bins_hz = np.fft.rfftfreq(timebase.WINDOW, 1 / timebase.SAMPLE_RATE_HZ)
    left, centre, right = (corners[i : i + settings.bands, None] for i in range(3))
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    rows = np.maximum(0, np.minimum(rising, falling))
    _check_bins(settings, rows)
    return rows / rows.sum(axis=1, keepdims=True) if settings.row_norm == "sum" else rows


def _check_range(settings: FBankSettings) -> None:
    nyquist_hz = timebase.SAMPLE_RATE_HZ / 2
    if not settings.f_min_hz < settings.f_max_hz <= nyquist_hz:
        raise AvscError(
            f"fbank.f_min_hz = {settings.f_min_hz}, f_max_hz = {settings.f_max_hz}",
            f"f_min_hz < f_max_hz <= {nyquist_hz:.0f}",
            "correct the FBank settings",
        )


def _check_bins(settings: FBankSettings, rows: NDArray[np.float64]) -> None:
    empty = np.flatnonzero(rows.sum(axis=1) == 0)
    if len(empty):
        raise AvscError(
            f"with fbank.bands = {settings.bands} between {settings.f_min_hz} and"
            f" {settings.f_max_hz} Hz, filter {empty[0]} and {len(empty) - 1} others fall between"
            f" the bins of the {timebase.WINDOW}-point FFT",
            "filters that each hold a bin",
            "set fewer fbank.bands or a wider range",
        )
