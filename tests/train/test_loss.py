"""The training loss against its formula, written out in float64."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, rel_entr, softmax

from avsc.data.batch import Batch
from avsc.recipe_sections import DistillRecipe
from avsc.scenes import UNLABELLED
from avsc.train.loss import summed_loss

N, K = 7, 4
LOGITS = np.random.default_rng(0).normal(0, 3, (N, K))
LABELS = np.array([0, 1, 2, 3, 0, 1, 2])
TARGETS = softmax(np.random.default_rng(1).normal(0, 2, (N, K)), axis=1)
TARGETS[0] = [1, 0, 0, 0]  # a teacher may be sure


def _loss(
    logits: torch.Tensor, distill: DistillRecipe, weights: list[float] | None = None
) -> torch.Tensor:
    labels, audio = torch.from_numpy(LABELS), torch.zeros(N, 2, 3)
    targets = torch.from_numpy(TARGETS).to(logits.dtype)
    batch = Batch(0, N, np.arange(N), labels, audio, None, torch.arange(N), targets=targets)
    class_weights = None if weights is None else torch.tensor(weights, dtype=logits.dtype)
    return summed_loss(logits, batch, class_weights, distill)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 3.0]])
@pytest.mark.parametrize(("weight", "temperature"), [(0.3, 1.0), (0.5, 4.0), (1.0, 2.0)])
def test_the_loss_is_that_of_the_formula(
    weight: float, temperature: float, weights: list[float] | None
) -> None:
    hard = logsumexp(LOGITS, axis=1) - LOGITS[np.arange(N), LABELS]
    scaled = LOGITS / temperature
    student = scaled - logsumexp(scaled, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        soft = np.nansum(TARGETS * (np.log(TARGETS) - student), axis=1)
    wanted = (1 - weight) * hard + weight * temperature**2 * soft
    counts = np.ones(N) if weights is None else np.array(weights)[LABELS]
    found = _loss(
        torch.from_numpy(LOGITS), DistillRecipe(weight=weight, temperature=temperature), weights
    )
    assert float(found) == pytest.approx((wanted * counts).sum(), rel=1e-9)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 3.0]])
def test_a_sample_without_a_label_has_the_soft_targets_alone(weights: list[float] | None) -> None:
    logits, targets = torch.from_numpy(LOGITS), torch.from_numpy(TARGETS)
    labels = torch.from_numpy(LABELS).clone()
    labels[[2, 5]] = UNLABELLED
    batch = Batch(0, N, np.arange(N), labels, None, None, torch.arange(N), targets=targets)
    class_weights = None if weights is None else torch.tensor(weights).double()
    found = summed_loss(logits, batch, class_weights, DistillRecipe(weight=0.3, temperature=2.0))
    unlabelled = np.isin(np.arange(N), [2, 5])
    counts = np.ones(N) if weights is None else np.array(weights)[LABELS]
    hard = (logsumexp(LOGITS, axis=1) - LOGITS[np.arange(N), LABELS]) * counts
    if weights is not None:
        counts[unlabelled] = TARGETS[unlabelled] @ weights
    student = LOGITS / 2 - logsumexp(LOGITS / 2, axis=1, keepdims=True)
    soft = 4 * rel_entr(TARGETS, np.exp(student)).sum(axis=1) * counts
    wanted = np.where(unlabelled, soft, 0.7 * hard + 0.3 * soft).sum()
    assert float(found) == pytest.approx(wanted, rel=1e-9)


def test_at_a_high_temperature_the_gradient_is_the_difference_of_the_logits() -> None:
    """Hinton et al., 2015, section 2.1, for centred logits."""
    temperature = 100.0
    teacher = np.random.default_rng(2).normal(0, 1, (N, K))
    teacher -= teacher.mean(axis=1, keepdims=True)
    student = torch.from_numpy(LOGITS - LOGITS.mean(axis=1, keepdims=True)).requires_grad_()
    targets = torch.from_numpy(softmax(teacher / temperature, axis=1))
    batch = Batch(
        0, N, np.arange(N), torch.from_numpy(LABELS), None, None, torch.arange(N), targets=targets
    )
    loss = summed_loss(student, batch, None, DistillRecipe(weight=1.0, temperature=temperature))
    (gradient,) = torch.autograd.grad(loss, [student])
    wanted = (student.detach().numpy() - teacher) / K
    np.testing.assert_allclose(gradient.numpy(), wanted, atol=0.05 * np.abs(wanted).max())


def test_targets_that_are_the_labels_give_cross_entropy_at_temperature_1() -> None:
    sure = torch.nn.functional.one_hot(torch.from_numpy(LABELS), K).float()
    logits = torch.from_numpy(LOGITS).float()
    labels = torch.from_numpy(LABELS)
    losses = [
        summed_loss(
            logits,
            Batch(0, N, np.arange(N), labels, None, None, torch.arange(N), targets=targets),
            None,
            DistillRecipe(weight=0.7, temperature=1.0),
        )
        for targets in (sure, None)
    ]
    torch.testing.assert_close(losses[0], losses[1])
