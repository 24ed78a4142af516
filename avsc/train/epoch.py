"""One epoch of optimisation, and its one step: forward, loss, backward.

What a step does depends on nothing but the weights, the optimiser's state, the batch and (seed,
epoch, batch number, rank), from which dropout is seeded; so an epoch can be taken up again after
any step. Shape legend: n samples of a batch on this rank, C scenes.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from avsc.data.batch import Batch
from avsc.errors import AvscError
from avsc.recipe_sections import DistillRecipe
from avsc.scenes import UNLABELLED
from avsc.train.distributed import Ranks
from avsc.train.loss import summed_loss
from avsc.train.stopping import StopRequest

CHECK_EVERY = 8  # steps between looks at the losses, each of which waits for the device


@dataclass
class Tally:
    """What an epoch's steps came to so far.

    Attributes:
        sums: Loss, correct answers, samples, gradient norms and images over all ranks, as of the
            last check, float64 [5].
        steps: Number of steps.
        seconds: Time of these steps on this rank.
        waiting_s: Time of these in which the device waited for data.
    """

    sums: Tensor = field(default_factory=lambda: torch.zeros(5, dtype=torch.float64))
    steps: int = 0
    seconds: float = 0.0
    waiting_s: float = 0.0

    def state(self) -> dict[str, object]:
        """Plain values for a checkpoint; ``Tally(**state)`` restores them."""
        return asdict(self)


@dataclass(frozen=True)
class Optimization:
    """What takes the steps.

    Attributes:
        model: The model that is trained, wrapped for its ranks.
        optimizer: Optimiser of the parameters that ask for a gradient.
        schedule: Learning rate, by the fractional epoch.
        seed: Seed of the run's dropout.
        ranks: Processes of the run.
        class_weights: Weight of each class in the loss, [C]; None for no weights.
        distill: Weight and temperature of the soft targets, where batches have any.
    """

    model: nn.Module
    optimizer: SGD
    schedule: CosineAnnealingWarmRestarts
    seed: int
    ranks: Ranks
    class_weights: Tensor | None = None
    distill: DistillRecipe = field(default_factory=DistillRecipe)

    def step(self, batch: Batch) -> Tensor:
        """One step on a batch; its loss, correct answers and gradient norm, [3] on the device."""
        logits = self.model(batch.inputs)
        loss = summed_loss(logits, batch, self.class_weights, self.distill)
        self.optimizer.zero_grad(set_to_none=True)
        # Ranks average their gradients: this makes them those of the whole batch's mean.
        (loss * (self.ranks.world / batch.total)).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.get_total_norm(_gradients(self.model))
        self.optimizer.step()
        with torch.no_grad():
            correct = (logits.argmax(dim=1) == batch.labels).sum()
            return torch.stack([loss, correct.to(loss), norm.to(loss)]).double()

    def epoch(
        self,
        batches: Iterable[Batch],
        epoch: int,
        batches_per_epoch: int,
        tally: Tally,
        stop: StopRequest,
    ) -> Iterator[int]:
        """Takes a step on each batch and adds it to the tally.

        Args:
            batches: Batches of the epoch, from any number on.
            epoch: Number of the epoch, from 0.
            batches_per_epoch: Number of batches in a whole epoch.
            tally: Tally of the steps before these.
            stop: Request to stop; all ranks agree to it at a check.

        Yields:
            The number of batches done, whenever their losses are known to be finite.

        Raises:
            AvscError: A loss is not finite.
        """
        self.model.train()
        began = time.perf_counter() - tally.seconds
        recent: list[_Step] = []  # since the last check
        for batch in _timed(batches, tally, self.ranks.device):
            self.schedule.step(epoch + batch.number / batches_per_epoch)
            torch.manual_seed(step_seed(self.seed, epoch, batch.number, self.ranks.rank))
            found = self.step(batch)
            recent.append(_Step(batch.number, found, len(batch.labels), batch.images_encoded))
            is_last = batch.number + 1 == batches_per_epoch
            # Other ranks check when this one does: alone it may check as soon as it is asked to.
            if len(recent) == CHECK_EVERY or is_last or (stop.received and self.ranks.world == 1):
                self._check(tally, recent, epoch, stop)
                tally.seconds = time.perf_counter() - began
                yield batch.number + 1

    def _check(self, tally: Tally, recent: "list[_Step]", epoch: int, stop: StopRequest) -> None:
        """Moves the recent steps to the tally, and agrees with other ranks whether to stop.

        Raises:
            AvscError: A loss is not finite on some rank; all ranks raise.
        """
        loss, correct, norm = torch.stack([step.found for step in recent], dim=1)
        counts = torch.tensor([[step.samples, step.images] for step in recent]).to(loss)
        stopping = torch.full_like(loss, stop.received)
        columns = [loss, correct, counts[:, 0], norm, counts[:, 1], stopping]
        steps = self.ranks.summed(torch.stack(columns, dim=1)).cpu()  # [steps, 6]
        stop.agreed = bool(steps[0, 5])
        for step, sums in zip(recent, steps, strict=True):
            if not torch.isfinite(sums[0]):
                raise not_finite(f"the training loss is {float(sums[0])}", epoch, step.number)
            tally.sums = tally.sums + sums[:5]
        tally.steps += len(recent)
        recent.clear()


@dataclass(frozen=True)
class _Step:
    """A step on this rank; ``found`` stays on the device until the next check."""

    number: int
    found: Tensor  # float64 [3]: loss, correct answers, gradient norm
    samples: int
    images: int


def not_finite(what: str, epoch: int, batch: int | None = None) -> AvscError:
    """The error of a run that diverged; ``epoch`` and ``batch`` are counted from 0."""
    where = f"epoch {epoch + 1}" + ("" if batch is None else f", step {batch + 1}")
    return AvscError(
        f"{what} at {where}",
        "finite numbers; the checkpoints of before are kept",
        "train with a lower train.lr_max (a third of it, say)",
    )


def balanced_weights(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights with which each class that occurs counts the same, and a sample 1 on average.

    >>> (3 * balanced_weights(np.array([0, 0, 0, 2]))).tolist()
    [2.0, 0.0, 6.0]

    Args:
        labels: Label of each training sample, [n]; ``UNLABELLED`` ones do not count.
    """
    counts = np.bincount(labels[labels != UNLABELLED])
    weights = np.zeros(len(counts))
    weights[counts > 0] = counts.sum() / (np.count_nonzero(counts) * counts[counts > 0])
    return weights.astype(np.float32)


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """A seed for one step's dropout, below 2^63."""
    place = f"{seed} {epoch} {batch} {rank}".encode()
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little") >> 1


def _timed(batches: Iterable[Batch], tally: Tally, device: torch.device) -> Iterator[Batch]:
    """The batches; time spent waiting for them is counted while the device had nothing to do."""
    source = iter(batches)
    issued = torch.cuda.Event() if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    while True:
        if issued is not None:
            issued.record(torch.cuda.current_stream(device))
        asked = time.perf_counter()
        batch = next(source, None)
        if issued is None or issued.query():  # type: ignore[no-untyped-call]
            tally.waiting_s += time.perf_counter() - asked
        if batch is None:
            return
        yield batch


def _gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad for p in model.parameters() if p.grad is not None]
