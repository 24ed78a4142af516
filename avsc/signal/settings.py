"""What the signal mathematics needs to know of a user's settings.

The store owns the settings themselves, with their defaults and limits; anything that has these
attributes will do here.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

Feature = Literal["scalogram", "fbank"]


class BankSettings(Protocol):
    """A filter bank over the bins of the FFT, and the logarithm behind it."""

    @property
    def bands(self) -> int:
        """Number of filters."""

    @property
    def spectrum(self) -> Literal["magnitude", "power"]:
        """What the filters weigh."""

    @property
    def row_norm(self) -> Literal["peak", "sum"]:
        """What is 1 in each filter: its response at its centre, or the sum of its weights."""

    @property
    def log_floor(self) -> float:
        """Least value of which a logarithm is taken."""


class ScalogramSettings(BankSettings, Protocol):
    """ScatNet's Morlet bank."""

    @property
    def t(self) -> int:
        """Longest time scale in samples."""

    @property
    def q(self) -> int:
        """Filters an octave."""


class FBankSettings(BankSettings, Protocol):
    """Mel filters."""

    @property
    def f_min_hz(self) -> float:
        """Where the lowest filter begins."""

    @property
    def f_max_hz(self) -> float:
        """Where the highest filter ends."""


class FeatureSettings(Protocol):
    """The features of a store and their banks."""

    @property
    def features(self) -> Sequence[Feature]:
        """Features to compute."""

    @property
    def scalogram(self) -> ScalogramSettings:
        """Bank of the scalogram."""

    @property
    def fbank(self) -> FBankSettings:
        """Bank of the FBank."""
