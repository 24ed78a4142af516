"""The loss of a step, against PyTorch's cross entropy with whole distributions."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from avsc.data.batch import Batch, Mix
from avsc.recipe_sections import DistillRecipe
from avsc.train.loss import summed_loss

LABELS = torch.tensor([0, 3, 1, 1, 2])
MIX = Mix(torch.tensor([1, 0, 4, 2, 3]), torch.tensor([1.0, 0.5, 0.8, 0.9, 0.7]))
NONE = DistillRecipe()


def batch(mix: Mix | None = None, targets: torch.Tensor | None = None) -> Batch:
    none = torch.arange(len(LABELS))
    index = np.arange(len(LABELS))
    return Batch(0, len(LABELS), index, LABELS, None, None, none, targets=targets, mix=mix)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.2, 3.0, 0.7])])
def test_a_mixed_sample_has_the_cross_entropy_with_its_mixed_label(
    weights: torch.Tensor | None,
) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    hot = one_hot(LABELS, 4).float()
    label = MIX.share[:, None] * hot + (1 - MIX.share[:, None]) * hot[MIX.partner]
    torch.testing.assert_close(label.sum(dim=1), torch.ones(5))
    # For whole distributions PyTorch's weights multiply each scene's part, as they do here.
    wanted = cross_entropy(logits, label, weight=weights, reduction="sum")
    mixed = summed_loss(logits, batch(MIX), weights, NONE)
    torch.testing.assert_close(mixed, wanted)
    alone = cross_entropy(logits, LABELS, weight=weights, reduction="sum")
    torch.testing.assert_close(summed_loss(logits, batch(), weights, NONE), alone)
    assert summed_loss(logits, batch(MIX), weights, NONE) != summed_loss(
        logits, batch(), weights, NONE
    )


def test_a_mixed_sample_descends_to_its_mixed_soft_targets() -> None:
    random = torch.Generator().manual_seed(1)
    targets = torch.softmax(torch.randn(5, 4, generator=random), dim=1)
    logits = torch.randn(5, 4, generator=random).requires_grad_()
    only_soft = DistillRecipe(weight=1.0, temperature=2.0)
    summed_loss(logits, batch(MIX, targets), None, only_soft).backward()  # type: ignore[no-untyped-call]
    mixed = MIX.of(targets)
    wanted = 2.0 * (torch.softmax(logits.detach() / 2.0, dim=1) - mixed)  # of T^2 CE(mixed, z / T)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, wanted)
