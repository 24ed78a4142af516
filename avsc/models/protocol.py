"""The segment protocol: the probabilities of a one-second segment (DESIGN section 5).

Training's validation, ``evaluate``, ``predict`` and the tests of exports all score by this one
function. Shape legend: s segments, m samples (pairs of an audio frame and its second's image), 2
channels, B bands, D features of the visual encoder, P of a pre-trained audio encoder, C scenes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from avsc.data.batch import Inputs
from avsc.models.scene_model import AudioVisualModel


class Samples(NamedTuple):
    """The samples of some segments, on the model's device; None for what a model does not use."""

    audio: Tensor | None  # float32 [m, 2, B]
    embedding: Tensor | None  # float32 [s, D], of each segment's image
    segment: Tensor  # int64 [m], each sample's segment among the s
    segments: int  # s
    present: Tensor | None = None  # bool [s, 2] each segment's sound and image; None for both
    tower: Tensor | None = None  # float32 [s, P], a pre-trained encoder's of each segment's sound


@torch.inference_mode()
def segment_probabilities(model: AudioVisualModel, samples: Samples) -> Tensor:
    """The mean over a segment's samples of the scenes' probabilities, float64 [s, C].

    Args:
        model: The model, in evaluation mode.
        samples: The segments' samples, one a segment at least.
    """
    logits = logits_of(model, samples)
    return mean_by_segment(torch.softmax(logits.double(), dim=1), samples)


@torch.inference_mode()
def logits_of(model: AudioVisualModel, samples: Samples) -> Tensor:
    """The scenes' logits of each sample, float32 [m, C], of a model in evaluation mode."""
    logits: Tensor = model(_inputs(samples))
    return logits


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
    return model.embed(_inputs(samples))


def _inputs(samples: Samples) -> Inputs:
    """The model's inputs of each sample: of its segment's image and sound, and its own frame."""

    def of_segments(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[samples.segment]

    return Inputs(
        samples.audio,
        embedding=of_segments(samples.embedding),
        present=of_segments(samples.present),
        tower=of_segments(samples.tower),
    )


def mean_by_segment(values: Tensor, samples: Samples) -> Tensor:
    """The mean of the rows [m, ...] of each segment, [s, ...]."""
    total = values.new_zeros((samples.segments, values.shape[1]))
    total.index_add_(0, samples.segment, values)
    return total / torch.bincount(samples.segment, minlength=samples.segments)[:, None]
