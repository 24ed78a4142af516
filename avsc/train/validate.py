"""Segment probabilities of clips, and the validation loss they give (DESIGN section 5).

Shape legend: n clips, S seconds, f frames of a segment, 2 channels, B bands, D features of the
visual encoder, C scenes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc import metrics
from avsc.models.scene_model import Scorer

AT_ONCE = 512  # segments


@dataclass(frozen=True)
class Segments:
    """The one-second segments of some clips, on the scorer's device.

    Attributes:
        audio: [n, S, f, 2, B]; None for a system that does not listen.
        embedding: [n, S, D]; None for a system that does not look.
        labels: Each clip's scene, [n].
    """

    audio: Tensor | None
    embedding: Tensor | None
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Validation:
    """How a model does on what is held out.

    Attributes:
        loss: For a run the paper's log-loss (the mean of the class-wise values) over segments.
        accuracy: Likewise; for an encoder that is fine-tuned, top-1 over images.
        top5: Of such an encoder only.
    """

    loss: float
    accuracy: float
    top5: float | None = None


def validate(scorer: Scorer, segments: Segments) -> Validation:
    """Scores the validation clips as the test fold is scored."""
    probabilities = segment_probabilities(scorer, segments)  # [n, S, C]
    seconds, classes = probabilities.shape[1:]
    flat = probabilities.reshape(-1, classes)
    labels = np.repeat(segments.labels, seconds)
    return Validation(metrics.log_loss(flat, labels), metrics.accuracy(flat, labels))


@torch.inference_mode()
def segment_probabilities(scorer: Scorer, segments: Segments) -> NDArray[np.float64]:
    """The mean over a segment's frames of the scene probabilities, float64 [n, S, C].

    The scorer is left in the mode it was in.
    """
    was_training = scorer.training
    scorer.eval()
    audio = None if segments.audio is None else segments.audio.flatten(0, 1)
    embedding = None if segments.embedding is None else segments.embedding.flatten(0, 1)
    some = audio if audio is not None else embedding
    assert some is not None
    parts = []
    for first in range(0, len(some), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        parts.append(
            _of_segments(
                scorer,
                None if audio is None else audio[part],
                None if embedding is None else embedding[part],
            )
        )
    scorer.train(was_training)
    probabilities = torch.cat(parts).cpu().numpy()
    return np.asarray(probabilities.reshape(len(segments.labels), -1, probabilities.shape[1]))


def _of_segments(scorer: Scorer, audio: Tensor | None, embedding: Tensor | None) -> Tensor:
    """Float64 [m, C] of frames [m, f, 2, B] and embeddings [m, D]."""
    frames = 1 if audio is None else audio.shape[1]
    logits = scorer(
        None if audio is None else audio.flatten(0, 1),
        None if embedding is None else embedding.repeat_interleave(frames, dim=0),
    )
    probabilities = torch.softmax(logits.double(), dim=1)
    return probabilities.view(-1, frames, probabilities.shape[1]).mean(dim=1)
