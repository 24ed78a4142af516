"""The training loss: cross entropy with the labels, and with a teacher's soft targets; pure.

Shape legend: n samples of a batch on this rank, K scenes.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from avsc.data.batch import Batch
from avsc.recipe_sections import DistillRecipe


def summed_loss(
    logits: Tensor, batch: Batch, class_weights: Tensor | None, distill: DistillRecipe
) -> Tensor:
    """The sum of a batch's losses, a scalar.

    A sample with the logits z, the label y and the soft targets q has the loss

        (1 - w) CE(y, softmax(z)) + w T^2 KL(q || softmax(z / T)),

    with the weight w and the temperature T. T^2 keeps the gradients of both parts of one size
    whatever T is [Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015,
    section 2]. KL differs from the paper's cross entropy with q by the entropy of q, which has no
    gradient. Without soft targets it is CE alone. Class weights multiply the whole.

    Args:
        logits: Logits z, [n, K].
        batch: Labels y and soft targets q, which are probabilities at the temperature T.
        class_weights: Weight of each scene, [K]; None for no weights.
        distill: Weight w and temperature T.
    """
    if batch.targets is None and class_weights is None:
        return cross_entropy(logits, batch.labels, reduction="sum")
    losses = cross_entropy(logits, batch.labels, reduction="none")
    if batch.targets is not None:
        student = log_softmax(logits / distill.temperature, dim=1)
        divergence = kl_div(student, batch.targets, reduction="none").sum(dim=1)
        soft = distill.temperature**2 * divergence
        losses = (1 - distill.weight) * losses + distill.weight * soft
    if class_weights is not None:
        losses = losses * class_weights[batch.labels]
    return losses.sum()
