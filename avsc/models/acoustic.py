"""The acoustic encoder AE: residual blocks along the bands of one audio frame (paper, table 1).

Shape legend: n audio frames, 2 channels (average, difference), B bands.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from avsc.errors import AvscError

Concat = Literal["all", "last"]

CHANNELS = (2, 4, 8, 16, 32)  # of the input and of each residual block
HIDDEN = 2048  # of the linear layers, at the paper's width
ACOUSTIC_FEATURES = 1024
DROPOUT = 0.5
FEWEST_BANDS = 24  # the fourth block's convolution needs three of the B // 8 that reach it


class ResidualBlock(nn.Module):
    """Convolution, normalisation, ReLU and pooling beside a strided shortcut.

    Both branches make ``length // 2`` of ``length``: the convolution takes two, the pooling halves
    what is left after adding two zeros; the shortcut halves at once.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels_in, channels_out, kernel_size=3)
        self.norm = nn.BatchNorm1d(channels_out)
        self.pool = nn.AvgPool1d(kernel_size=2, stride=2, padding=1)
        self.shortcut = nn.Conv1d(channels_in, channels_out, kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Halves the last axis: [n, channels_in, length] -> [n, channels_out, length // 2]."""
        residual = self.pool(torch.relu(self.norm(self.convolution(x))))
        result: Tensor = residual + self.shortcut(x)
        return result


class StandardisedEncoder(nn.Module):
    """An acoustic encoder that standardises its frames, and can be frozen.

    Args:
        bands: Number of bands of a frame.

    Attributes:
        features: Number of features of an embedding.
    """

    features: int
    mean: Tensor  # [2, B], of the run's training frames
    std: Tensor  # [2, B]

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.register_buffer("mean", torch.zeros(2, bands))
        self.register_buffer("std", torch.ones(2, bands))
        self._is_frozen = False

    def standardised(self, audio: Tensor) -> Tensor:
        """Frames with mean 0 and standard deviation 1 in each channel and band, [n, 2, B]."""
        return (audio - self.mean) / self.std

    def freeze(self) -> None:
        """Keeps weights and batch statistics as they are from here on, without dropout."""
        self._is_frozen = True
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "StandardisedEncoder":
        """Sets training mode, unless the encoder is frozen."""
        return super().train(mode and not self._is_frozen)


class AcousticEncoder(StandardisedEncoder):
    """AE: standardisation, four residual blocks, two linear layers.

    Args:
        bands: Number of bands of a frame, at least 24.
        concat: Input of the linear layers: the frame and every block's output (``all``: 2888
            values for 290 bands), or the frame and the last block's (``last``: 1156).
        width: Factor of the widths of the linear layers. The blocks stay as they are: they have
            3,640 of 8 million parameters.

    Raises:
        AvscError: There are too few bands for four halvings.
    """

    def __init__(self, bands: int, concat: Concat = "all", width: float = 1.0) -> None:
        super().__init__(bands)
        if bands < FEWEST_BANDS:
            raise AvscError(
                f"audio features of {bands} bands",
                f"at least {FEWEST_BANDS}, so that four blocks can halve them",
                "prepare the store with more bands",
            )
        self.concat = concat
        self.features = scaled(ACOUSTIC_FEATURES, width)
        hidden = scaled(HIDDEN, width)
        self.blocks = nn.ModuleList(
            ResidualBlock(wide_in, wide_out) for wide_in, wide_out in pairwise(CHANNELS)
        )
        self.head = nn.Sequential(
            nn.Linear(concatenated(bands, concat), hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(hidden, self.features),
            nn.BatchNorm1d(self.features),
            nn.ReLU(),
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Encodes frames as the store has them: float32 [n, 2, B] -> [n, features]."""
        outputs = [self.standardised(audio)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        kept = outputs if self.concat == "all" else [outputs[0], outputs[-1]]
        features: Tensor = self.head(torch.cat([x.flatten(1) for x in kept], dim=1))
        return features


def scaled(units: int, width: float) -> int:
    """Number of units of a layer at a width, one at least.

    >>> scaled(2048, 1.0), scaled(1024, 0.25), scaled(3, 0.01)
    (2048, 256, 1)
    """
    return max(1, round(units * width))


def concatenated(bands: int, concat: Concat) -> int:
    """Number of values that the acoustic encoder's linear layers see.

    >>> concatenated(290, "all"), concatenated(290, "last")
    (2888, 1156)
    """
    sizes = [channels * (bands >> depth) for depth, channels in enumerate(CHANNELS)]
    return sum(sizes) if concat == "all" else sizes[0] + sizes[-1]
