"""A training batch: the inputs of the model and the labels.

Shape legend: 2 channels, B bands, D features of the visual encoder, P of a pre-trained audio
encoder, K scenes; n triples and m images of a batch on this rank; Z the side of an image.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Mix(NamedTuple):
    """Mixup: each sample of a batch with another one of it, in shares whose sum is 1."""

    partner: Tensor  # int64 [n] place of the other sample in the batch
    share: Tensor  # float32 [n] of the sample itself, a half at least

    def of(self, values: Tensor) -> Tensor:
        """The mixed values of all samples, float32 [n, ...]."""
        share = self.share.view(-1, *[1] * (values.ndim - 1))
        return torch.lerp(values[self.partner], values, share)


class Inputs(NamedTuple):
    """A model's inputs of n samples; None for an input that the model does not use.

    The image comes either as ``images`` to encode or as the ``embedding`` of the stored image.
    """

    audio: Tensor | None = None  # float32 [n, 2, B]
    images: Tensor | None = None  # uint8 [m, 3, Z, Z]
    image_index: Tensor | None = None  # int64 [n] each sample's image among the m
    embedding: Tensor | None = None  # float32 [n, D]
    present: Tensor | None = None  # bool [n, 2] sound and image; None: all samples have both
    mix: Mix | None = None  # of all embeddings; ``audio`` is mixed already
    tower: Tensor | None = None  # float32 [n, P] a pre-trained encoder's embedding of the sound

    def mixed(self, embedding: Tensor) -> Tensor:
        """Embeddings of all samples, mixed where there is a mix."""
        return embedding if self.mix is None else self.mix.of(embedding)


@dataclass(frozen=True)
class Batch:
    """One rank's share of a batch, on the loader's device."""

    number: int  # of the batch within the epoch, from 0
    total: int  # number of triples of the batch over all ranks
    index: NDArray[np.int64]  # [n] numbers of the triples
    labels: Tensor  # int64 [n]
    audio: Tensor | None  # float32 [n, 2, B]
    images: Tensor | None  # uint8 [m, 3, Z, Z], channels last in memory
    image_index: Tensor  # int64 [n] each triple's image among the m
    embedding: Tensor | None = None  # float32 [n, D] of the stored images
    present: Tensor | None = None  # bool [n, 2] sound and image; None: none was dropped
    targets: Tensor | None = None  # float32 [n, K] soft targets of teachers; None: labels alone
    mix: Mix | None = None  # of embeddings and labels; ``audio`` is mixed already
    tower: Tensor | None = None  # float32 [n, P] a pre-trained encoder's embedding of the sound

    @property
    def inputs(self) -> Inputs:
        """The model's part of the batch."""
        images = self.images, self.image_index, self.embedding
        return Inputs(self.audio, *images, self.present, self.mix, self.tower)

    @property
    def images_encoded(self) -> int:
        """Number of images that the model encodes; number of triples where it encodes none."""
        return len(self.labels) if self.images is None else len(self.images)
