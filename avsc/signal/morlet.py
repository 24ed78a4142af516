"""The scalogram's filter bank: Morlet wavelets by their frequency response (DESIGN section 6).

The paper takes its wavelets from a reference that is not public. This is our reconstruction:
ScatNet's Morlet bank with T = 8192 samples and Q = 41 filters an octave, the only integer Q that
gives the paper's 290 filters under ScatNet's default rules. Nobody outside can tell whether it is
the authors' own bank to the last digit.

With u = 2^(-1/Q), the ratio of neighbouring centres, and s0 = 2 / sqrt(3):

* J = 1 + round(Q log2(T / 4Q)) filters of constant Q: centre (1 + u)/2 pi u^j, width in time
  sigma_psi u^-j with sigma_psi = s0 / 2(1 - u), which puts neighbours 1.8 standard deviations
  apart;
* P = round((u - c) / (1 - u)), with c = s0 / 4 sigma_psi, filters of constant bandwidth: all as
  wide as the lowest of the former, from there towards 0 in equal steps pi u^J (1 - c / u) / P.

Each responds with exp(-(w - xi)^2 sigma^2 / 2) less as much of a Gaussian at 0 of the same width as
makes it 0 at w = 0, so that no filter responds to a constant offset of the microphone.

For T = 8192 and Q = 41 at 16 kHz: J = 232, from 7,933 Hz to 160 Hz; P = 58, 2.7 Hz apart, down to
2.7 Hz. A filter of the second kind has a standard deviation of 1.49 Hz and the bins are 1.95 Hz
apart: it weighs some five bins, and where its centre lies between two of them both get about 0.8.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.signal.settings import ScalogramSettings

SIGMA0 = 2 / math.sqrt(3)
LEAST_PEAK = 0.5  # of a wavelet's response on its best bin; T = 8192, Q = 41 reaches 0.8


@dataclass(frozen=True)
class Wavelets:
    """Morlet wavelets, the highest first.

    Attributes:
        centres: Centre frequencies in rad/sample, strictly falling, shape [bands].
        widths: Standard deviations of the Gaussian envelopes in samples (time), shape [bands].
        constant_q: Number of wavelets, from the first, that are of constant Q.
    """

    centres: NDArray[np.float64]
    widths: NDArray[np.float64]
    constant_q: int


def wavelets(t: int, q: int) -> Wavelets:
    """The wavelets that ScatNet's default rules give.

    Args:
        t: The longest time scale in samples.
        q: Filters an octave.

    >>> bank = wavelets(8192, 41)
    >>> bank.constant_q, len(bank.centres)
    (232, 290)

    Raises:
        AvscError: ``t`` is too short for ``q``: no filter is left.
    """
    ratio = 2 ** (-1 / q)
    sigma = SIGMA0 / (2 * (1 - ratio))
    overlap = SIGMA0 / (4 * sigma)
    j = 1 + _round(q * math.log2(t / (4 * q)))
    if j < 1:
        raise AvscError(
            f"wavelets with t = {t}, q = {q}",
            f"t of at least 4 q = {4 * q}, so that the widest filter fits into it",
            "set a longer scalogram.t or a smaller scalogram.q",
        )
    p = max(0, _round((ratio - overlap) / (1 - ratio)))
    octaves = ratio ** np.arange(j)
    geometric = (ratio + 1) / 2 * np.pi * octaves
    step = np.pi * ratio**j * (1 - overlap / ratio) / max(p, 1)
    linear = geometric[-1] - step * np.arange(1, p + 1)
    widths = np.concatenate([sigma / octaves, np.full(p, sigma / octaves[-1])])
    return Wavelets(np.concatenate([geometric, linear]), widths, j)


def centres(t: int, q: int) -> NDArray[np.float64]:
    """Centre frequencies in rad/sample, the highest first, shape [bands].

    >>> hz = centres(8192, 41) * 16000 / (2 * np.pi)
    >>> [round(float(hz[i]), 1) for i in (0, 231, 232, 289)]
    [7932.9, 159.7, 157.0, 2.7]
    """
    return wavelets(t, q).centres


def response(bank: Wavelets, omega: NDArray[np.float64]) -> NDArray[np.float64]:
    """The wavelets' frequency responses at ``omega`` rad/sample, shape [bands, len(omega)].

    Not normalised: about 1 at a wavelet's own centre.
    """
    centre, width = bank.centres[:, None], bank.widths[:, None]
    gaussian = np.exp(-0.5 * ((omega - centre) * width) ** 2)
    at_zero = np.exp(-0.5 * (centre * width) ** 2)
    corrected: NDArray[np.float64] = gaussian - at_zero * np.exp(-0.5 * (omega * width) ** 2)
    return corrected


def filter_bank(settings: ScalogramSettings) -> NDArray[np.float64]:
    """The bank on the bins of the 8192-point real FFT at 16 kHz, shape [bands, 4097].

    Rows go from the highest centre to the lowest. ``peak`` makes a row 1 at its centre (which is
    seldom a bin), so that a tone is equally loud in every band; ``sum`` makes a row add up to
    1, so that white noise is.

    Raises:
        AvscError: ``bands`` is not what ``t`` and ``q`` give, or the narrowest wavelets fall
            between the bins.
    """
    bank = wavelets(settings.t, settings.q)
    _check_bands(settings, bank)
    bins = np.linspace(0, np.pi, timebase.WINDOW // 2 + 1)
    rows = response(bank, bins)
    _check_bins(settings, bank, rows)
    # At its own centre a wavelet is 1 less the correction there, exp(-(centre * width)^2).
    peaks = 1 - np.exp(-((bank.centres * bank.widths) ** 2))
    scale = peaks if settings.row_norm == "peak" else rows.sum(axis=1)
    normalised: NDArray[np.float64] = rows / scale[:, None]
    return normalised


def _check_bands(settings: ScalogramSettings, bank: Wavelets) -> None:
    count = len(bank.centres)
    if count != settings.bands:
        raise AvscError(
            f"scalogram.bands = {settings.bands} with t = {settings.t}, q = {settings.q}",
            f"{count} bands: {bank.constant_q} of constant Q"
            f" and {count - bank.constant_q} of constant bandwidth",
            f"set scalogram.bands = {count}, or another t or q",
        )


def _check_bins(settings: ScalogramSettings, bank: Wavelets, rows: NDArray[np.float64]) -> None:
    empty = np.flatnonzero(rows.max(axis=1) < LEAST_PEAK)
    if len(empty):
        hz = bank.centres[empty[0]] * timebase.SAMPLE_RATE_HZ / (2 * np.pi)
        raise AvscError(
            f"with scalogram.t = {settings.t}, q = {settings.q} the wavelet at {hz:.2f} Hz and"
            f" {len(empty) - 1} others fall between the bins of the {timebase.WINDOW}-point FFT",
            f"no bin further from a centre than where the wavelet is {LEAST_PEAK}",
            "set a shorter scalogram.t",
        )


def _round(x: float) -> int:
    # Halves go up as in MATLAB; Python's round takes them to the even neighbour.
    return math.floor(x + 0.5)
