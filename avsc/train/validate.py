"""What is held out of a training, and how a model does on it.

Shape legend: n segments or images, f frames of a segment, 2 channels, B bands, D features of the
visual encoder, P of a pre-trained audio encoder, C scenes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avsc import metrics
from avsc.data.batch import Inputs
from avsc.data.eval_images import iter_eval_images
from avsc.data.image_folder import LabelledImages
from avsc.models.image_classifier import ImageClassifier
from avsc.models.protocol import Samples, segment_probabilities
from avsc.models.scene_model import AudioVisualModel
from avsc.models.visual import ImageConfig
from avsc.train.distributed import Ranks

SEGMENTS_AT_ONCE = 640
TOP = 5


@dataclass(frozen=True)
class ValidationScores:
    """How a model does on what is held out.

    Attributes:
        loss: For a run, the paper's log-loss over segments (the mean of the class-wise values);
            for an encoder that is fine-tuned, the cross-entropy over images.
        accuracy: For a run, likewise class-wise over segments; for an encoder, top-1 over images.
        top5: Top-5 accuracy over images; None for a run.
    """

    loss: float
    accuracy: float
    top5: float | None = None


@dataclass(frozen=True)
class HeldOutSegments:
    """The segments of a run's validation clips, on its device; scored as the test fold is.

    Attributes:
        audio: Frames of the one-second segments, [n, f, 2, B]; None without sound.
        embedding: Embeddings of the plain images, [n, D]; None without pictures.
        labels: Each segment's scene, [n].
        ranks: Processes of the run; the first one scores.
        tower: A pre-trained audio encoder's embeddings of the segments, [n, P], or None.
    """

    audio: Tensor | None
    embedding: Tensor | None
    labels: NDArray[np.int64]
    ranks: Ranks
    tower: Tensor | None = None

    def validate(self, model: nn.Module) -> ValidationScores:
        """Scores a model by the segment protocol; the same result on every rank."""
        assert isinstance(model, AudioVisualModel)
        scores = [0.0, 0.0]
        if self.ranks.writes:
            probabilities = self.probabilities(model)
            scores = [
                metrics.log_loss(probabilities, self.labels),
                metrics.accuracy(probabilities, self.labels),
            ]
        # Rank 0's on all, so that all stop at the same epoch.
        return ValidationScores(*self.ranks.from_first(scores))

    def probabilities(self, model: AudioVisualModel) -> NDArray[np.float64]:
        """Each segment's probabilities, float64 [n, C]; leaves the model in its mode."""
        was_training = model.training
        model.eval()
        starts = range(0, len(self.labels), SEGMENTS_AT_ONCE)
        batches = (self._samples(slice(first, first + SEGMENTS_AT_ONCE)) for first in starts)
        parts = [segment_probabilities(model, samples).cpu() for samples in batches]
        model.train(was_training)
        return np.asarray(torch.cat(parts).numpy())

    def _samples(self, some_of: slice) -> Samples:
        audio = None if self.audio is None else self.audio[some_of]  # [s, f, 2, B]
        embedding = None if self.embedding is None else self.embedding[some_of]
        tower = None if self.tower is None else self.tower[some_of]
        some = next(x for x in (audio, embedding, tower) if x is not None)
        frames = 1 if audio is None else audio.shape[1]
        segment = torch.arange(len(some), device=some.device).repeat_interleave(frames)
        frames_of_all = None if audio is None else audio.flatten(0, 1)
        return Samples(frames_of_all, embedding, segment, len(some), tower=tower)


@dataclass(frozen=True)
class HeldOutImages:
    """The validation images of an encoder's fine-tuning.

    Attributes:
        images: The split.
        config: Image size and normalisation of the encoder's weights.
        ranks: Processes of the fine-tuning; each scores its share.
        threads: Number of decoding threads.
    """

    images: LabelledImages
    config: ImageConfig
    ranks: Ranks
    threads: int

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> ValidationScores:
        """Scores a model: mean cross-entropy, top-1, top-5; leaves it in evaluation mode.

        Raises:
            AvscError: An image cannot be decoded.
        """
        assert isinstance(model, ImageClassifier)
        device = self.ranks.device
        mine = self.images.share(self.ranks.rank, self.ranks.world)
        labels = torch.from_numpy(mine.labels).to(device)
        sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, top-1, top-5, images
        model.eval()
        for first, some in iter_eval_images(mine, len(mine), 1, self.config, threads=self.threads):
            logits = model(Inputs(images=some.to(device)))
            sums += _sums(logits, labels[first : first + len(some)])
        loss, top1, top5, count = self.ranks.summed(sums).tolist()
        return ValidationScores(loss / count, top1 / count, top5 / count)


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    loss = nn.functional.cross_entropy(logits, labels, reduction="sum").double()
    best = logits.topk(min(TOP, logits.shape[1]), dim=1).indices == labels[:, None]
    count = torch.tensor(float(len(labels)), dtype=torch.float64, device=logits.device)
    return torch.stack([loss, best[:, 0].sum().double(), best.sum().double(), count])
