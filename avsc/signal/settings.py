"""What the signal mathematics needs to know of a user's settings.

The store owns the settings themselves, with their defaults and limits; anything that has these
attributes will do here.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

Feature = Literal["scalogram", "fbank"]


class BankSettings(Protocol):
    """A filter bank over the bins of the FFT, and the logarithm behind it.

    Attributes:
        bands: Number of filters.
        spectrum: What the filters weigh.
        row_norm: What is 1 in each filter: its response at its centre, or the sum of its weights.
        log_floor: Least value of which a logarithm is taken.
    """

    bands: int
    spectrum: Literal["magnitude", "power"]
    row_norm: Literal["peak", "sum"]
    log_floor: float


class ScalogramSettings(BankSettings, Protocol):
    """ScatNet's Morlet bank: longest time scale ``t`` in samples, ``q`` filters an octave."""

    t: int
    q: int


class FBankSettings(BankSettings, Protocol):
    """Mel filters between two frequencies."""

    f_min_hz: float
    f_max_hz: float


class FeatureSettings(Protocol):
    """The features to compute and their banks."""

    @property
    def features(self) -> Sequence[Feature]: ...  # noqa: D102
    @property
    def scalogram(self) -> ScalogramSettings: ...  # noqa: D102
    @property
    def fbank(self) -> FBankSettings: ...  # noqa: D102
