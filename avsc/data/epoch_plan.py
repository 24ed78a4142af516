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
from avsc.data.augment_audio import SoundDraws
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
        paired: Whether ranks share batches by pairs of views, as mixup needs it.
    """

    view: Ints
    index: Ints
    place: Ints
    offsets: Ints
    bounds: Ints
    paired: bool = False

    def batches(self, first: int, rank: int, world: int) -> Iterator[BatchPlan]:
        """The batches from a number on, this rank's share of each."""
        size = 2 if self.paired else 1
        for number in range(first, len(self.bounds) - 1):
            start, stop = self.bounds[number : number + 2].tolist()
            units = (stop - start) // size
            low = start + size * (units * rank // world)  # as sampler.shard_of
            high = start + size * (units * (rank + 1) // world) if rank + 1 < world else stop
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
    second_rows: Tensor | None  # [T] of the second of each triple's sound
    sound: SoundDraws | None  # [T]; None for sound as the store has it


def epoch_plan(
    views: Views, bounds: Ints, seed: int, epoch: int, paired: bool = False
) -> EpochPlan:
    """Plans an epoch.

    Args:
        views: Views of the epoch.
        bounds: Where batches begin and end, see ``sampler.batch_bounds``.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        paired: See ``EpochPlan``.
    """
    shuffled = sampler.epoch_order(len(views), seed, epoch)
    index, place = views.triples_of(shuffled)
    counts = np.bincount(place, minlength=len(shuffled))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return EpochPlan(shuffled, index, place, offsets, bounds, paired)


def partners(plan: EpochPlan) -> Ints:
    """Each triple's partner in mixup, a place in the plan's order, [T].

    It has the view beside the triple's own in the random order of the epoch: of a batch's views
    each even one and the next are a pair, and where their number is odd the last three are a ring.
    So the partner is in the same batch, and by ``paired`` on the same rank, where its image is
    encoded in any case.
    """
    bounds = plan.bounds
    batch = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))  # [U]
    count, within = np.diff(bounds)[batch], np.arange(len(batch)) - bounds[batch]
    beside = within ^ 1
    in_ring = (count % 2 == 1) & (within >= count - 3)
    ring = np.where(within == count - 1, np.maximum(count - 3, 0), within + 1)
    view = bounds[batch] + np.where(in_ring, ring, beside)  # [U] a permutation
    theirs, sizes = view[plan.place], np.diff(plan.offsets)
    nth = np.arange(len(plan.index)) - plan.offsets[plan.place]  # among the triples of its view
    return np.asarray(plan.offsets[theirs] + nth % sizes[theirs], np.int64)


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
