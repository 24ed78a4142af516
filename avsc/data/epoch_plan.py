"""The content of an epoch's batches, as a pure function of (seed, epoch), before anything is read.

Shape legend: T triples, U views of the epoch (an image and the triples that share it), n triples
and m images of a batch on this rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import augment, rng, sampler
from avsc.data.triples import Views

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BatchPlan:
    """The content of a batch.

    Attributes:
        number: Number of the batch within the epoch, from 0.
        total: Number of triples of the batch over all ranks.
        group: This rank's part of the epoch's views.
        part: This rank's part of the epoch's triples.
    """

    number: int
    total: int
    group: slice
    part: slice

    @property
    def images(self) -> int:
        """Number m of this rank's images."""
        return int(self.group.stop - self.group.start)


@dataclass(frozen=True)
class EpochPlan:
    """The order of an epoch.

    Attributes:
        view: Numbers of the views, in order, [U].
        index: Numbers of the triples, in the order of their views, [T].
        place: Position of each triple's view in ``view``, [T].
        offsets: The triples of the u-th view are those from offsets[u] to offsets[u + 1], [U + 1].
        bounds: Batch b has the views from bounds[b] to bounds[b + 1].
    """

    view: Ints
    index: Ints
    place: Ints
    offsets: Ints
    bounds: Ints

    def batches(self, first: int, rank: int, world: int) -> Iterator[BatchPlan]:
        """The batches from a number on, this rank's share of each."""
        for number in range(first, len(self.bounds) - 1):
            start, stop = self.bounds[number : number + 2].tolist()
            low = start + (stop - start) * rank // world  # as sampler.shard_of
            high = start + (stop - start) * (rank + 1) // world
            low_of_all, low_of_mine, high_of_mine, high_of_all = (
                int(self.offsets[u]) for u in (start, low, high, stop)
            )
            total = high_of_all - low_of_all
            yield BatchPlan(number, total, slice(low, high), slice(low_of_mine, high_of_mine))


@dataclass(frozen=True)
class EpochTables:
    """An epoch's numbers, brought to where they are used once; a step cuts out its part."""

    plan: EpochPlan
    where: Ints  # [U, 2] clip and second of each image
    uniform: NDArray[np.float64]  # [U, DRAWS]
    labels: Tensor  # [T]
    place: Tensor  # [T]
    present: Tensor | None  # [T, 2] sound and image; None for both of each sample
    audio_rows: Tensor | None  # [T]
    encoded_rows: Tensor | None  # [T]
    target_rows: Tensor | None  # [T]


def epoch_plan(views: Views, bounds: Ints, seed: int, epoch: int) -> EpochPlan:
    """Plans an epoch.

    Args:
        views: Views of the epoch.
        bounds: Where batches begin and end, see ``sampler.batch_bounds``.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
    """
    shuffled = sampler.epoch_order(len(views), seed, epoch)
    index, place = views.triples_of(shuffled)
    counts = np.bincount(place, minlength=len(shuffled))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return EpochPlan(shuffled, index, place, offsets, bounds)


def augmentation_draws(plan: EpochPlan, seed: int, epoch: int) -> NDArray[np.float64]:
    """Uniform draws of each view's augmentation, in the plan's order, [U, DRAWS]."""
    drawing = rng.generator(seed, epoch, rng.Purpose.AUGMENT)
    table: NDArray[np.float64] = drawing.random((len(plan.view), augment.DRAWS))
    return table[plan.view]


def bank_draws(plan: EpochPlan, views: int, seed: int, epoch: int) -> Ints:
    """Which of a bank's views each triple sees, in the plan's order, [T]; shared where views are.

    Args:
        plan: Plan of the epoch.
        views: Number of views of the bank.
        seed: Seed of the run.
        epoch: Number of the epoch.
    """
    drawing = rng.generator(seed, epoch, rng.Purpose.VIEW)
    table = drawing.integers(0, views, len(plan.view))
    return np.asarray(table[plan.view][plan.place], np.int64)
