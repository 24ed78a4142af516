"""The loss of a step, against PyTorch's cross entropy with whole distributions."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from avsc.data.batch import Batch, Mix
from avsc.train.loss import summed_loss

LABELS = torch.tensor([0, 3, 1, 1, 2])
MIX = Mix(torch.tensor([1, 0, 4, 2, 3]), torch.tensor([1.0, 0.5, 0.8, 0.9, 0.7]))


def batch(mix: Mix | None = None) -> Batch:
    none = torch.arange(len(LABELS))
    return Batch(0, len(LABELS), np.arange(len(LABELS)), LABELS, None, None, none, mix=mix)


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
    torch.testing.assert_close(summed_loss(logits, batch(MIX), weights), wanted)
    alone = cross_entropy(logits, LABELS, weight=weights, reduction="sum")
    torch.testing.assert_close(summed_loss(logits, batch(), weights), alone)
    assert summed_loss(logits, batch(MIX), weights) != summed_loss(logits, batch(), weights)
