"""One epoch of optimisation: it knows batches, logits and labels, and nothing of scenes.

What a step does depends on nothing but the weights, the optimiser's state, the batch and (seed,
epoch, batch number, rank), from which dropout is seeded; so an epoch can be taken up again after
any step. Shape legend: n samples of a batch on this rank, C classes.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from avsc.errors import AvscError
from avsc.train.distributed import Ranks

CHECK_EVERY = 8  # steps between looks at the losses, each of which waits for the device


class Sampled(Protocol):
    """What the loop asks of a batch."""

    @property
    def number(self) -> int:
        """Within the epoch."""

    @property
    def total(self) -> int:
        """Samples of the batch over all ranks."""

    @property
    def labels(self) -> Tensor:
        """Int64 [n]."""


BatchT = TypeVar("BatchT", bound=Sampled)


@dataclass
class Tally:
    """What an epoch's steps came to so far.

    Attributes:
        sums: Loss, hits, samples, gradient norm and images over all ranks, as of the last check,
            float64 [5].
        steps: How many.
        seconds: They took on this rank.
        waiting_s: Of these, how long the device waited for data.
    """

    sums: Tensor
    steps: int = 0
    seconds: float = 0.0
    waiting_s: float = 0.0

    @classmethod
    def new(cls) -> "Tally":
        """Nothing yet."""
        return cls(torch.zeros(5, dtype=torch.float64))

    def state(self) -> dict[str, object]:
        """Plain values for a checkpoint; ``Tally(**state)`` restores them."""
        return asdict(self)


@dataclass(frozen=True)
class _Step:
    """A step on this rank; ``found`` stays on the device until the next check."""

    found: Tensor  # float64 [3]: loss, hits, gradient norm
    samples: int
    images: int


@dataclass(frozen=True)
class Epoch(Generic[BatchT]):
    """How an epoch's steps are made.

    Attributes:
        number: Counted from 0.
        seed: The run's.
        model: What is trained, wrapped for its ranks; ``forward`` calls it.
        forward: Logits [n, C] of a batch.
        optimizer: Of the model's trained parameters.
        rate: The learning rate of a batch number.
        images: How many images this rank encoded for a batch.
        ranks: Of the run.
        device: Where the model is.
        after_check: Called between steps with the batches done and the tally, when the losses
            so far are known to be finite.
    """

    number: int
    seed: int
    model: nn.Module
    forward: Callable[[BatchT], Tensor]
    optimizer: torch.optim.Optimizer
    rate: Callable[[int], float]
    images: Callable[[BatchT], int]
    ranks: Ranks
    device: torch.device
    after_check: Callable[[int, Tally], None] | None = None

    def run(self, batches: Iterable[BatchT], tally: Tally) -> None:
        """Takes a step on each batch and adds to the tally.

        Raises:
            AvscError: A loss is not finite.
        """
        self.model.train()
        began = time.perf_counter() - tally.seconds
        recent: list[_Step] = []  # since the last check
        for batch in _timed(batches, tally, self.device):
            recent.append(_Step(self._step(batch), len(batch.labels), self.images(batch)))
            if (batch.number + 1) % CHECK_EVERY == 0:
                self._check(tally, recent, batch.number)
                tally.seconds = time.perf_counter() - began
                if self.after_check is not None:
                    self.after_check(batch.number + 1, tally)
        self._check(tally, recent, batch.number)
        tally.seconds = time.perf_counter() - began

    def _step(self, batch: BatchT) -> Tensor:
        """One step of optimisation; loss, hits and gradient norm, [3] on the device."""
        rate = self.rate(batch.number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(step_seed(self.seed, self.number, batch.number, self.ranks.rank))
        logits = self.forward(batch)
        loss = nn.functional.cross_entropy(logits, batch.labels, reduction="sum")
        self.optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over ranks: this makes them those of the whole batch's mean.
        (loss * (self.ranks.world / batch.total)).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.get_total_norm(_gradients(self.model))
        self.optimizer.step()
        with torch.no_grad():
            hits = (logits.argmax(dim=1) == batch.labels).sum()
            return torch.stack([loss, hits.to(loss), norm.to(loss)]).double()

    def _check(self, tally: Tally, recent: "list[_Step]", last: int) -> None:
        """Adds the steps since the last check, of which batch ``last`` was the last.

        Raises:
            AvscError: A loss is not finite on some rank; all ranks raise.
        """
        if not recent:
            return
        loss, hits, norm = torch.stack([step.found for step in recent], dim=1)
        counts = torch.tensor([[step.samples, step.images] for step in recent]).to(loss)
        columns = [loss, hits, counts[:, 0], norm, counts[:, 1]]
        steps = self.ranks.summed(torch.stack(columns, dim=1)).cpu()  # [steps, 5]
        bad = (~torch.isfinite(steps[:, 0])).nonzero().flatten().tolist()
        if bad:
            batch = last - len(recent) + 1 + bad[0]
            what = f"the training loss is {float(steps[bad[0], 0])}"
            raise not_finite(what, self.number, batch)
        for step in steps:
            tally.sums = tally.sums + step
        tally.steps += len(recent)
        recent.clear()


def not_finite(what: str, epoch: int, batch: int | None = None) -> AvscError:
    """The error of a run that diverged; ``epoch`` and ``batch`` are counted from 0."""
    where = f"epoch {epoch + 1}" + ("" if batch is None else f", step {batch + 1}")
    return AvscError(
        f"{what} at {where}",
        "finite numbers; the checkpoints of before are kept",
        "train with a lower train.lr_max (a third of it, say)",
    )


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """A seed for one step's dropout, below 2^63."""
    place = f"{seed} {epoch} {batch} {rank}".encode()
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little") >> 1


def _timed(batches: Iterable[BatchT], tally: Tally, device: torch.device) -> Iterator[BatchT]:
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
