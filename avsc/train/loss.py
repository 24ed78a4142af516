"""The training loss: cross entropy with the labels, mixed as the samples are; pure.

Shape legend: n samples of a batch on this rank, K scenes.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from avsc.data.batch import Batch


def summed_loss(logits: Tensor, batch: Batch, class_weights: Tensor | None) -> Tensor:
    """The sum of a batch's losses, a scalar.

    A sample that is mixed with another one has the losses of both labels, in the shares of the two:
    the cross entropy with the mixed label, as this is linear in the label. Class weights multiply
    the loss of each label.

    Args:
        logits: Logits, [n, K].
        batch: Labels, and how samples are mixed.
        class_weights: Weight of each scene, [K]; None for no weights.
    """
    if batch.mix is None and class_weights is None:
        return cross_entropy(logits, batch.labels, reduction="sum")
    losses = _losses(logits, batch.labels, class_weights)
    if batch.mix is not None:
        others = _losses(logits, batch.labels[batch.mix.partner], class_weights)
        losses = torch.lerp(others, losses, batch.mix.share)
    return losses.sum()


def _losses(logits: Tensor, labels: Tensor, class_weights: Tensor | None) -> Tensor:
    losses = cross_entropy(logits, labels, reduction="none")
    return losses if class_weights is None else losses * class_weights[labels]
