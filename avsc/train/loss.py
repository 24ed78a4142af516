"""The training loss: with the labels and a teacher's soft targets, mixed as samples are; pure.

Shape legend: n samples of a batch on this rank, K scenes.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from avsc.data.batch import Batch
from avsc.recipe_sections import DistillRecipe
from avsc.scenes import UNLABELLED


def summed_loss(
    logits: Tensor, batch: Batch, class_weights: Tensor | None, distill: DistillRecipe
) -> Tensor:
    """The sum of a batch's losses, a scalar.

    A sample with the logits z, the label y and the soft targets q has the loss

        (1 - w) CE(y, softmax(z)) + w T^2 KL(q || softmax(z / T)),

    with the weight w and the temperature T. T^2 keeps the gradients of both parts of one size
    whatever T is [Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015,
    section 2]. KL differs from the paper's cross entropy with q by the entropy of q, which has no
    gradient. Without soft targets it is CE alone; of a clip without a label w is 1. Class weights
    multiply the whole: that of the label, or where there is none the mean by the soft targets.

    A sample that is mixed with another one has the losses with the labels and soft targets of both,
    in their shares: but for terms without a gradient, that with the mixed label and targets.

    Args:
        logits: Logits z, [n, K].
        batch: Labels y, soft targets q, which are probabilities at the temperature T, and mixup.
        class_weights: Weight of each scene, [K]; None for no weights.
        distill: Weight w and temperature T.
    """
    if batch.targets is None and batch.mix is None and class_weights is None:
        return cross_entropy(logits, batch.labels, reduction="sum")
    losses = _losses(logits, batch.labels, batch.targets, class_weights, distill)
    if batch.mix is not None:
        partner = batch.mix.partner
        targets = None if batch.targets is None else batch.targets[partner]
        others = _losses(logits, batch.labels[partner], targets, class_weights, distill)
        losses = torch.lerp(others, losses, batch.mix.share)
    return losses.sum()


def _losses(
    logits: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    class_weights: Tensor | None,
    distill: DistillRecipe,
) -> Tensor:
    """Each sample's loss with its label and soft targets, [n]."""
    losses = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none")
    if targets is None:
        return losses if class_weights is None else losses * class_weights[labels]
    student = log_softmax(logits / distill.temperature, dim=1)
    soft = distill.temperature**2 * kl_div(student, targets, reduction="none").sum(dim=1)
    unlabelled = labels == UNLABELLED
    weight = torch.full_like(losses, distill.weight).masked_fill(unlabelled, 1.0)
    losses = (1 - weight) * losses + weight * soft
    if class_weights is None:
        return losses
    return losses * torch.where(unlabelled, targets @ class_weights, class_weights[labels])
