"""The acoustic encoder, the scene classifier and the two as one scorer (DESIGN section 7).

Shape legend: n samples, 2 channels (average, difference), B bands, D features of the visual
encoder, C scenes.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from avsc.errors import AvscError
from avsc.scenes import SCENES

Concat = Literal["all", "last"]

CHANNELS = (2, 4, 8, 16, 32)  # of the input and of each residual block
HIDDEN = 2048
ACOUSTIC_FEATURES = 1024
CLASSIFIER_HIDDEN = 1024
DROPOUT = 0.5
FEWEST_BANDS = 24  # the fourth block's convolution needs three of the B // 8 that reach it


class ResidualBlock(nn.Module):
    """Convolution, normalisation, ReLU and pooling beside a strided shortcut.

    Both ways make ``length // 2`` of ``length``: the convolution takes two, the pooling halves
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
        straight = self.pool(torch.relu(self.norm(self.convolution(x))))
        result: Tensor = straight + self.shortcut(x)
        return result


class AcousticEncoder(nn.Module):
    """AE: four residual blocks over the bands of one audio frame, then two linear layers.

    Args:
        bands: Bands a frame has, at least 24.
        concat: Whether the linear layers see the input and every block's output (``all``: 2888
            values for 290 bands) or the input and the last block's (``last``: 1156).

    Raises:
        AvscError: Too few bands for four halvings.
    """

    def __init__(self, bands: int, concat: Concat = "all") -> None:
        super().__init__()
        if bands < FEWEST_BANDS:
            raise AvscError(
                f"audio features of {bands} bands",
                f"at least {FEWEST_BANDS}, so that four blocks can halve them",
                "prepare the store with more bands",
            )
        self.concat = concat
        self.blocks = nn.ModuleList(
            ResidualBlock(wide_in, wide_out) for wide_in, wide_out in pairwise(CHANNELS)
        )
        self.head = nn.Sequential(
            nn.Linear(concatenated(bands, concat), HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN, ACOUSTIC_FEATURES),
            nn.BatchNorm1d(ACOUSTIC_FEATURES),
            nn.ReLU(),
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Encodes standardised frames: [n, 2, B] -> [n, 1024]."""
        outputs = [audio]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        seen = outputs if self.concat == "all" else [outputs[0], outputs[-1]]
        features: Tensor = self.head(torch.cat([x.flatten(1) for x in seen], dim=1))
        return features


class SceneClassifier(nn.Sequential):
    """SC: [n, features] -> logits [n, C]."""

    def __init__(self, features: int, scenes: int = len(SCENES)) -> None:
        super().__init__(
            nn.Linear(features, CLASSIFIER_HIDDEN),
            nn.BatchNorm1d(CLASSIFIER_HIDDEN),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(CLASSIFIER_HIDDEN, scenes),
        )


class Scorer(nn.Module):
    """All that a run trains and keeps: standardisation, acoustic encoder, scene classifier.

    The visual encoder is not part of it: it is frozen, so it is neither optimised nor saved, and
    this module sees only its embeddings.

    Args:
        bands: Bands of an audio frame; None for a system that does not listen.
        visual_features: Length of an embedding; None for a system that does not look.
        concat: See ``AcousticEncoder``.
    """

    audio_mean: Tensor  # [2, B]
    audio_deviation: Tensor  # [2, B]

    def __init__(
        self, bands: int | None, visual_features: int | None, concat: Concat = "all"
    ) -> None:
        super().__init__()
        assert bands is not None or visual_features is not None
        self.bands = bands
        self.visual_features = visual_features
        self.acoustic = None if bands is None else AcousticEncoder(bands, concat)
        if bands is not None:
            self.register_buffer("audio_mean", torch.zeros(2, bands))
            self.register_buffer("audio_deviation", torch.ones(2, bands))
        acoustic_features = 0 if bands is None else ACOUSTIC_FEATURES
        self.classifier = SceneClassifier(acoustic_features + (visual_features or 0))
        self._acoustic_frozen = False

    def embed(self, audio: Tensor | None, embedding: Tensor | None) -> Tensor:
        """The joint embedding e = AE(a) ++ VE(v), [n, 1024 + D], of raw frames [n, 2, B]."""
        parts = []
        if self.acoustic is not None:
            assert audio is not None
            parts.append(self.acoustic((audio - self.audio_mean) / self.audio_deviation))
        if self.visual_features is not None:
            assert embedding is not None
            parts.append(embedding)
        return torch.cat(parts, dim=1)

    def forward(self, audio: Tensor | None, embedding: Tensor | None) -> Tensor:
        """Logits [n, C] of frames [n, 2, B] and embeddings [n, D]; None for what is unused."""
        logits: Tensor = self.classifier(self.embed(audio, embedding))
        return logits

    def freeze_acoustic(self) -> None:
        """Keeps the acoustic encoder as it is from here on: weights, statistics, no dropout."""
        assert self.acoustic is not None
        self._acoustic_frozen = True
        self.acoustic.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Scorer":
        """Sets training mode, except for an acoustic encoder that is frozen."""
        super().train(mode)
        if self._acoustic_frozen and self.acoustic is not None:
            self.acoustic.eval()
        return self


def concatenated(bands: int, concat: Concat) -> int:
    """How many values the acoustic encoder's linear layers see.

    >>> concatenated(290, "all"), concatenated(290, "last")
    (2888, 1156)
    """
    sizes = [channels * (bands >> depth) for depth, channels in enumerate(CHANNELS)]
    return sum(sizes) if concat == "all" else sizes[0] + sizes[-1]
