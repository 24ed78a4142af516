"""95 % intervals by resampling locations; pure arithmetic.

The clips of one location are pieces of one recording, so their errors are correlated: resampling
segments or clips would make the intervals several times too narrow. Locations are drawn with
replacement, as many as there are. The scores of a resample need only the sums of each location, so
2,000 resamples of 36,450 segments are one small matrix product. With fewer than about ten
locations a scene, percentile intervals are still somewhat too narrow; with fewer than five they
say nothing (one location gives an interval of no width), and are unknown.

Shape legend: n segments, L locations, C classes, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsc.metrics import (
    SMALLEST_PROBABILITY,
    Labels,
    Probabilities,
    segment_correct,
    segment_losses,
)

RESAMPLES = 2000
SEED = 20210601
LEVEL = 0.95
FEWEST_LOCATIONS = 5

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The bounds of a 95 % interval; nan where it is unknown (see ``FEWEST_LOCATIONS``)."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether it has bounds."""
        return self.low == self.low and self.high == self.high


UNKNOWN = Interval(np.nan, np.nan)


@dataclass(frozen=True)
class LocationSums:
    """Sums of each location, all [L, C]."""

    count: Float  # number of segments of the class
    loss: Float  # sum of their log-losses
    correct: Float  # number of correct predictions

    def of(self, wanted: NDArray[np.bool_]) -> "LocationSums":
        """The sums of some locations, such as a city's; ``wanted`` is [L]."""
        return LocationSums(self.count[wanted], self.loss[wanted], self.correct[wanted])


@dataclass(frozen=True)
class Replicates:
    """Scores of each resample, [R], and by class, [R, C]; nan where a class was not drawn."""

    log_loss: Float
    accuracy: Float
    log_loss_micro: Float
    accuracy_micro: Float
    class_log_loss: Float
    class_accuracy: Float

    def minus(self, other: "Replicates") -> "Replicates":
        """Differences on the same resamples: those of the paired bootstrap."""
        return replace(
            self, **{name: values - getattr(other, name) for name, values in vars(self).items()}
        )


@dataclass(frozen=True)
class Intervals:
    """The intervals of all scores; the last two have one for each class."""

    log_loss: Interval
    accuracy: Interval
    log_loss_micro: Interval
    accuracy_micro: Interval
    class_log_loss: tuple[Interval, ...]
    class_accuracy: tuple[Interval, ...]


def location_sums(
    probabilities: Probabilities,
    labels: Labels,
    locations: Sequence[str],
    clip: float = SMALLEST_PROBABILITY,
) -> tuple[LocationSums, list[str]]:
    """The sums of each location, and the keys of the locations in the same alphabetical order."""
    names, where = np.unique(np.asarray(locations, dtype=np.str_), return_inverse=True)
    classes = np.shape(probabilities)[1]
    cell = where * classes + labels

    def total(values: Float) -> Float:
        flat = np.bincount(cell, weights=values, minlength=len(names) * classes)
        return np.asarray(flat, np.float64).reshape(len(names), classes)

    sums = LocationSums(
        total(np.ones(len(labels))),
        total(segment_losses(probabilities, labels, clip)),
        total(segment_correct(probabilities, labels)),
    )
    return sums, [str(name) for name in names]


def mean_location_sums(
    of_seeds: Sequence[Probabilities],
    labels: Labels,
    locations: Sequence[str],
    clip: float = SMALLEST_PROBABILITY,
) -> LocationSums:
    """The sums of each location, mean over seeds: their scores are means of the seeds' scores."""
    found = [location_sums(some, labels, locations, clip)[0] for some in of_seeds]
    return LocationSums(
        found[0].count,
        np.mean([sums.loss for sums in found], axis=0),
        np.mean([sums.correct for sums in found], axis=0),
    )


def draw(locations: int, resamples: int = RESAMPLES, seed: int = SEED) -> Float:
    """The number of times each resample draws each location, [R, L]; rows sum to L."""
    random = np.random.default_rng(seed)
    shares = np.full(locations, 1.0 / locations)
    return random.multinomial(locations, shares, size=resamples).astype(np.float64)


def replicate(sums: LocationSums, drawn: Float) -> Replicates:
    """The scores of every resample."""
    count, loss, correct = drawn @ sums.count, drawn @ sums.loss, drawn @ sums.correct  # [R, C]
    class_loss, class_accuracy = _ratio(loss, count), _ratio(correct, count)
    segments = count.sum(axis=1)
    return Replicates(
        log_loss=np.nanmean(class_loss, axis=1),
        accuracy=np.nanmean(class_accuracy, axis=1),
        log_loss_micro=loss.sum(axis=1) / segments,
        accuracy_micro=correct.sum(axis=1) / segments,
        class_log_loss=class_loss,
        class_accuracy=class_accuracy,
    )


def summarise(replicates: Replicates, count: Float) -> Intervals:
    """The percentile interval of every score, unknown where too few locations were resampled.

    Args:
        replicates: Scores of each resample.
        count: Number of segments of each location and class, [L, C].
    """
    enough = int((count.sum(axis=1) > 0).sum()) >= FEWEST_LOCATIONS
    of_class = (count > 0).sum(axis=0) >= FEWEST_LOCATIONS
    return Intervals(
        log_loss=_interval(replicates.log_loss, enough),
        accuracy=_interval(replicates.accuracy, enough),
        log_loss_micro=_interval(replicates.log_loss_micro, enough),
        accuracy_micro=_interval(replicates.accuracy_micro, enough),
        class_log_loss=tuple(map(_interval, replicates.class_log_loss.T, of_class)),
        class_accuracy=tuple(map(_interval, replicates.class_accuracy.T, of_class)),
    )


def intervals(sums: LocationSums, resamples: int = RESAMPLES, seed: int = SEED) -> Intervals:
    """95 % intervals of one system's scores."""
    return summarise(replicate(sums, draw(len(sums.count), resamples, seed)), sums.count)


def paired(
    first: LocationSums, other: LocationSums, resamples: int = RESAMPLES, seed: int = SEED
) -> Intervals:
    """95 % intervals of ``other`` less ``first``, both scored on the same resamples.

    Both must be sums of the same segments; their counts are then the same.
    """
    assert np.array_equal(first.count, other.count), "paired systems have the same segments"
    drawn = draw(len(first.count), resamples, seed)
    return summarise(replicate(other, drawn).minus(replicate(first, drawn)), first.count)


def _ratio(total: Float, count: Float) -> Float:
    share = np.full(total.shape, np.nan)
    np.divide(total, count, out=share, where=count > 0)
    return share


def _interval(values: Float, enough: bool) -> Interval:
    known = values[~np.isnan(values)]
    if not enough or len(known) == 0:
        return UNKNOWN
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))
