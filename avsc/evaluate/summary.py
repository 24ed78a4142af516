"""All that is reported of a system's probabilities on a fold, and how ``metrics.json`` says it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc import metrics
from avsc.evaluate import bootstrap
from avsc.evaluate.bootstrap import Interval, Intervals
from avsc.evaluate.segments import Segments
from avsc.metrics import Calibration, ClassScore, Probabilities, Scores
from avsc.report import formatting
from avsc.scenes import SCENES


@dataclass(frozen=True)
class Summary:
    """Scores and their intervals.

    Attributes:
        scores: Over all segments.
        intervals: Their 95 % intervals.
        confusion: Counts, rows true, [10, 10].
        calibration: Reliability of the highest probability.
        cities: City -> (scores, intervals), in alphabetical order.
        n_locations: How many locations were resampled.
        n_clips: How many clips the segments come from.
    """

    scores: Scores
    intervals: Intervals
    confusion: NDArray[np.int64]
    calibration: Calibration
    cities: dict[str, tuple[Scores, Intervals]]
    n_locations: int
    n_clips: int


def summarise(probabilities: Probabilities, segments: Segments) -> Summary:
    """Scores labelled segments; ``probabilities`` is [n, 10] in their order."""
    sums, locations = bootstrap.location_sums(probabilities, segments.labels, segments.locations)
    city_at = dict(zip(segments.locations, segments.cities, strict=True))
    city_of = np.array([city_at[location] for location in locations])
    by_city = metrics.score_by(segments.cities, probabilities, segments.labels)
    return Summary(
        scores=metrics.score(probabilities, segments.labels),
        intervals=bootstrap.intervals(sums),
        confusion=metrics.confusion(probabilities, segments.labels),
        calibration=metrics.calibration(probabilities, segments.labels),
        cities={
            city: (scores, bootstrap.intervals(sums.of(city_of == city)))
            for city, scores in by_city.items()
        },
        n_locations=len(locations),
        n_clips=len(segments.rows),
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """The scores as ``metrics.json`` holds them; what is not known is null."""
    scores, intervals, found = summary.scores, summary.intervals, summary.calibration
    return {
        **_four(scores),
        "per_class": {
            scene: {"log_loss": _known(c.log_loss), "accuracy": _known(c.accuracy), "n": c.n}
            for scene, c in zip(SCENES, scores.per_class, strict=True)
        },
        "n_segments": scores.n_segments,
        "n_clips": summary.n_clips,
        "n_locations": summary.n_locations,
        "scenes": list(SCENES),
        "confusion": summary.confusion.tolist(),
        "intervals": {
            "level": bootstrap.LEVEL,
            "method": "percentile bootstrap over locations",
            "resamples": bootstrap.RESAMPLES,
            "seed": bootstrap.SEED,
            **_four_intervals(intervals),
            "per_class": {
                scene: {"log_loss": _pair(loss), "accuracy": _pair(right)}
                for scene, loss, right in zip(
                    SCENES, intervals.class_log_loss, intervals.class_accuracy, strict=True
                )
            },
        },
        "ece": found.ece,
        "reliability": {
            "edges": found.edges.tolist(),
            "count": found.count.tolist(),
            "confidence": [_known(v) for v in found.confidence],
            "accuracy": [_known(v) for v in found.accuracy],
        },
        "per_city": {
            city: {**_four(s), "n": s.n_segments, "intervals": _four_intervals(i)}
            for city, (s, i) in summary.cities.items()
        },
    }


def score_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Header and rows for a person: each scene, and their mean."""
    scores, found = summary.scores, summary.intervals
    header = ["scene", "n", "log-loss", "95 %", "accuracy %", "95 %"]
    mean = ClassScore(scores.log_loss, scores.accuracy, scores.n_segments)
    rows = [
        *zip(SCENES, scores.per_class, found.class_log_loss, found.class_accuracy, strict=True),
        ("mean of scenes", mean, found.log_loss, found.accuracy),
    ]
    return header, [_table_row(*row) for row in rows]


def closing_line(summary: Summary) -> str:
    """What stands under the table."""
    scores = summary.scores
    return (
        f"over all segments alike: log-loss {formatting.loss(scores.log_loss_micro)}, accuracy "
        f"{formatting.per_cent(scores.accuracy_micro)} %; calibration error "
        f"{summary.calibration.ece:.3f}; intervals by resampling {summary.n_locations} locations"
    )


def _table_row(name: str, score: ClassScore, loss: Interval, right: Interval) -> list[str]:
    return [
        name,
        f"{score.n:,}",
        formatting.loss(score.log_loss),
        formatting.loss_bounds(loss),
        formatting.per_cent(score.accuracy),
        formatting.per_cent_bounds(right),
    ]


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


def _known(value: float) -> float | None:
    # JSON has no nan, and readers in other languages refuse Python's.
    return None if math.isnan(value) else float(value)


def _pair(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [interval.low, interval.high]
