"""All scores of a system's probabilities on a fold, and ``metrics.json``.

Shape legend: n segments, C scenes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avsc import metrics
from avsc.evaluate import bootstrap
from avsc.evaluate.bootstrap import Interval, Intervals
from avsc.metrics import SMALLEST_PROBABILITY, Calibration, Labels, Probabilities, Scores


class Labelled(Protocol):
    """Segments (or clips) whose scenes are known, such as ``Segments``."""

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes, C."""

    @property
    def labels(self) -> Labels:
        """Scenes by number, [n]."""

    @property
    def locations(self) -> Sequence[str]:
        """Keys of the locations, n; empty text where unknown."""

    @property
    def cities(self) -> Sequence[str]:
        """Cities, n; empty text where unknown."""

    @property
    def n_clips(self) -> int:
        """Number of clips."""


@dataclass(frozen=True)
class GroupScore:
    """Scores of a group of segments: those of a scene or of a city, or all.

    Attributes:
        name: Name of the group.
        n: Number of segments.
        log_loss: Log-loss; nan where there is no segment.
        accuracy: Accuracy, a share; nan where there is no segment.
        log_loss_interval: 95 % interval of the log-loss.
        accuracy_interval: 95 % interval of the accuracy.
    """

    name: str
    n: int
    log_loss: float
    accuracy: float
    log_loss_interval: Interval
    accuracy_interval: Interval


@dataclass(frozen=True)
class Summary:
    """Scores and their intervals.

    Attributes:
        scenes: Names of the classes, C.
        scores: Scores of all segments.
        intervals: 95 % intervals of these scores.
        confusion: Counts, rows true, [C, C].
        calibration: Reliability of the highest probability.
        cities: City -> (scores, intervals), in alphabetical order.
        n_locations: Number of known locations, which were resampled.
        n_clips: Number of clips of the segments.
    """

    scenes: tuple[str, ...]
    scores: Scores
    intervals: Intervals
    confusion: NDArray[np.int64]
    calibration: Calibration
    cities: dict[str, tuple[Scores, Intervals]]
    n_locations: int
    n_clips: int

    def overall(self) -> GroupScore:
        """The mean of the scenes."""
        return _group("mean of scenes", self.scores, self.intervals)

    def by_scene(self) -> list[GroupScore]:
        """The scores of each scene."""
        return [
            GroupScore(scene, score.n, score.log_loss, score.accuracy, loss, accuracy)
            for scene, score, loss, accuracy in zip(
                self.scenes,
                self.scores.per_class,
                self.intervals.class_log_loss,
                self.intervals.class_accuracy,
                strict=True,
            )
        ]

    def by_city(self) -> list[GroupScore]:
        """The scores of each city; none where no city is known."""
        if not any(self.cities):
            return []
        return [_group(city or "unknown", *found) for city, found in self.cities.items()]


def summarise(
    probabilities: Probabilities, segments: Labelled, clip: float = SMALLEST_PROBABILITY
) -> Summary:
    """Scores labelled segments.

    Args:
        probabilities: Probabilities in the order of the segments, [n, C].
        segments: The segments.
        clip: Smallest probability of the log-loss, see ``avsc.metrics.segment_losses``.
    """
    sums, locations = bootstrap.location_sums(
        probabilities, segments.labels, segments.locations, clip
    )
    city_at = dict(zip(segments.locations, segments.cities, strict=True))
    city_of = np.array([city_at[location] for location in locations])
    by_city = metrics.score_by(segments.cities, probabilities, segments.labels, clip)
    return Summary(
        scenes=segments.scenes,
        scores=metrics.score(probabilities, segments.labels, clip),
        intervals=bootstrap.intervals(sums),
        confusion=metrics.confusion(probabilities, segments.labels),
        calibration=metrics.calibration(probabilities, segments.labels),
        cities={
            city: (scores, bootstrap.intervals(sums.of(city_of == city)))
            for city, scores in by_city.items()
        },
        n_locations=sum(map(bool, locations)),
        n_clips=segments.n_clips,
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """The scores as ``metrics.json`` holds them; an unknown number is null."""
    scores, found, scenes = summary.scores, summary.calibration, summary.by_scene()
    return {
        **_four(scores),
        "per_class": {
            scene.name: {
                "log_loss": known(scene.log_loss),
                "accuracy": known(scene.accuracy),
                "n": scene.n,
            }
            for scene in scenes
        },
        "n_segments": scores.n_segments,
        "n_clips": summary.n_clips,
        "n_locations": summary.n_locations,
        "scenes": list(summary.scenes),
        "confusion": summary.confusion.tolist(),
        "intervals": {
            "level": bootstrap.LEVEL,
            "method": "percentile bootstrap over locations",
            "resamples": bootstrap.RESAMPLES,
            "seed": bootstrap.SEED,
            **_four_intervals(summary.intervals),
            "per_class": {
                scene.name: {
                    "log_loss": _pair(scene.log_loss_interval),
                    "accuracy": _pair(scene.accuracy_interval),
                }
                for scene in scenes
            },
        },
        "ece": found.ece,
        "reliability": {
            "edges": found.edges.tolist(),
            "count": found.count.tolist(),
            "confidence": [known(v) for v in found.confidence],
            "accuracy": [known(v) for v in found.accuracy],
        },
        "per_city": {
            city: {**_four(s), "n": s.n_segments, "intervals": _four_intervals(i)}
            for city, (s, i) in summary.cities.items()
        },
    }


def _group(name: str, scores: Scores, intervals: Intervals) -> GroupScore:
    return GroupScore(
        name,
        scores.n_segments,
        scores.log_loss,
        scores.accuracy,
        intervals.log_loss,
        intervals.accuracy,
    )


def _four(scores: Scores) -> dict[str, float]:
    return {
        "log_loss": scores.log_loss,
        "accuracy": scores.accuracy,
        "log_loss_micro": scores.log_loss_micro,
        "accuracy_micro": scores.accuracy_micro,
    }


def _four_intervals(found: Intervals) -> dict[str, list[float] | None]:
    return {
        "log_loss": _pair(found.log_loss),
        "accuracy": _pair(found.accuracy),
        "log_loss_micro": _pair(found.log_loss_micro),
        "accuracy_micro": _pair(found.accuracy_micro),
    }


def known(value: float) -> float | None:
    """A number as JSON has it, which has no nan (readers in other languages refuse Python's)."""
    return None if math.isnan(value) else float(value)


def _pair(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [interval.low, interval.high]
