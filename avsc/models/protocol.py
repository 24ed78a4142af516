"""The segment protocol: the probabilities of a one-second segment (DESIGN section 5).

Training's validation, ``evaluate``, ``predict`` and the tests of exports all score by this one
function. Shape legend: s segments, m samples (pairs of an audio frame and its second's image), 2
channels, B bands, D features of the visual encoder, C scenes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from avsc.models.scene_model import AudioVisualModel


class Samples(NamedTuple):
    """The samples of some segments, on the model's device; None for what a model does not use."""

    audio: Tensor | None  # float32 [m, 2, B]
    embedding: Tensor | None  # float32 [s, D], of each segment's image
    segment: Tensor  # int64 [m], each sample's segment among the s
    segments: int  # s
    present: Tensor | None = None  # bool [s, 2] each segment's sound and image; None for both


@torch.inference_mode()
def segment_probabilities(model: AudioVisualModel, samples: Samples) -> Tensor:
    """The mean over a segment's samples of the scenes' probabilities, float64 [s, C].

    Args:
        model: The model, in evaluation mode.
        samples: The segments' samples, one a segment at least.
    """
    embedding, present = (
        _by_sample(samples.embedding, samples),
        _by_sample(samples.present, samples),
    )
    logits = model(samples.audio, embedding=embedding, present=present)
    return mean_by_segment(torch.softmax(logits.double(), dim=1), samples)


@torch.inference_mode()
def segment_embeddings(model: AudioVisualModel, samples: Samples) -> Tensor:
    """The mean over a segment's samples of e = AE(a) ++ VE(v), float64 [s, 1024 + D].

    Args:
        model: The model, in evaluation mode.
        samples: The segments' samples, one a segment at least.
    """
    return mean_by_segment(sample_embeddings(model, samples).double(), samples)


@torch.inference_mode()
def sample_embeddings(model: AudioVisualModel, samples: Samples) -> Tensor:
    """Each sample's e = AE(a) ++ VE(v), float32 [m, 1024 + D], of a model in evaluation mode."""
    embedding, present = (
        _by_sample(samples.embedding, samples),
        _by_sample(samples.present, samples),
    )
    return model.embed(samples.audio, embedding=embedding, present=present)


def _by_sample(values: Tensor | None, samples: Samples) -> Tensor | None:
    return None if values is None else values[samples.segment]


def mean_by_segment(values: Tensor, samples: Samples) -> Tensor:
    """The mean of the rows [m, ...] of each segment, [s, ...]."""
    total = values.new_zeros((samples.segments, values.shape[1]))
    total.index_add_(0, samples.segment, values)
    return total / torch.bincount(samples.segment, minlength=samples.segments)[:, None]
