"""Do sound and picture of a second tell the same scene? Scores of the answers; pure arithmetic.

The answer is the probability that the scenes of sound and picture agree, where one modality knows
nothing of the other: the sum over the scenes of p(scene | sound) p(scene | picture). Seconds below
a threshold are said to be swapped.

Shape legend: n rows (segments or clips), C scenes, G classes, L locations, R resamples, S seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsc.evaluate import bootstrap
from avsc.evaluate.bootstrap import UNKNOWN, Interval
from avsc.metrics import Probabilities

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Detection:
    """How well swapped rows are told from matching ones.

    Attributes:
        n: Number of rows.
        swapped: Number of swapped rows.
        threshold: Agreement below which a row is said to be swapped; None for the mean of several
            seeds, each of which has its own.
        f1: F1 of the swapped rows.
        f1_interval: Its 95 % interval by resampling locations.
        precision: Share of the rows said to be swapped that are.
        recall: Share of the swapped rows that are found.
        f1_matching: F1 of the matching rows.
        average_precision: Average precision of the swapped rows, without a threshold.
        f1_always: F1 of saying of every row that it is swapped.
    """

    n: int
    swapped: int
    threshold: float | None
    f1: float
    f1_interval: Interval
    precision: float
    recall: float
    f1_matching: float
    average_precision: float
    f1_always: float

    def below(self, scores: Floats) -> Bools:
        """Whether each row is said to be swapped, [n], by its agreement, [n]."""
        assert self.threshold is not None
        return np.asarray(scores < self.threshold, np.bool_)


def agreement(sound: Probabilities, picture: Probabilities, classes: Ints | None = None) -> Floats:
    """The probability that two modalities' scenes agree, [n].

    Args:
        sound: Probabilities by the sound, [n, C].
        picture: Probabilities by the picture, [n, C].
        classes: Class of each scene, [C], where scenes of one class agree; None for the scenes.

    >>> agreement(np.array([[0.5, 0.5, 0.0]]), np.array([[0.2, 0.4, 0.4]]))
    array([0.3])
    """
    if classes is not None:
        to_class = np.eye(int(classes.max()) + 1)[classes]  # [C, G]
        sound, picture = sound @ to_class, picture @ to_class
    return np.asarray((sound * picture).sum(axis=1), np.float64)


def fit_threshold(scores: Floats, swapped: Bools) -> float:
    """The threshold with the highest F1 of the swapped rows, midway between two scores.

    Args:
        scores: Agreement of each row, [n].
        swapped: Whether each row is swapped, [n]; some are.
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, levels = precision_recall_curve(swapped, -scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = float(-levels[int(np.argmax(f1[:-1]))])
    above = scores[scores > best]
    return (best + float(above.min())) / 2 if len(above) else best + 1.0


def detect(scores: Floats, swapped: Bools, threshold: float, locations: Sequence[str]) -> Detection:
    """Scores the decisions of a threshold.

    Args:
        scores: Agreement of each row, [n].
        swapped: Whether each row is swapped, [n]; some are.
        threshold: Agreement below which a row is said to be swapped.
        locations: Location of each row's picture, n; empty text where unknown.
    """
    from sklearn.metrics import average_precision_score

    cells = _cells(swapped, scores < threshold)
    right, missed, false, kept = cells.sum(axis=0).tolist()
    return Detection(
        n=len(scores),
        swapped=int(swapped.sum()),
        threshold=threshold,
        f1=_f1(right, missed, false),
        f1_interval=_f1_interval([cells], locations),
        precision=right / max(right + false, 1.0),
        recall=right / max(right + missed, 1.0),
        f1_matching=_f1(kept, false, missed),
        average_precision=float(average_precision_score(swapped, -scores)),
        f1_always=_f1(float(swapped.sum()), 0.0, float((~swapped).sum())),
    )


def mean_detection(
    seeds: Sequence[Detection], scores: Sequence[Floats], swapped: Bools, locations: Sequence[str]
) -> Detection:
    """The mean of the scores of several seeds; its interval is that of the mean F1.

    Args:
        seeds: Detection of each seed, S.
        scores: Agreement of each row by each seed, S times [n].
        swapped: Whether each row is swapped, [n].
        locations: Location of each row's picture, n; empty text where unknown.
    """

    def mean(score: str) -> float:
        return float(np.mean([getattr(one, score) for one in seeds]))

    cells = [_cells(swapped, one.below(some)) for one, some in zip(seeds, scores, strict=True)]
    return replace(
        seeds[0],
        threshold=None,
        f1=mean("f1"),
        f1_interval=_f1_interval(cells, locations),
        precision=mean("precision"),
        recall=mean("recall"),
        f1_matching=mean("f1_matching"),
        average_precision=mean("average_precision"),
    )


def clip_means(scores: Floats, seconds: Ints) -> Floats:
    """The mean of each clip's segments, [K]; ``seconds`` are their numbers, [K]."""
    clip = np.repeat(np.arange(len(seconds)), seconds)
    return np.asarray(np.bincount(clip, weights=scores) / seconds, np.float64)


def _cells(swapped: Bools, said: Bools) -> Floats:
    """Swapped and found, swapped and missed, falsely found, left in peace: 0 or 1, [n, 4]."""
    pairs = [swapped & said, swapped & ~said, ~swapped & said, ~swapped & ~said]
    return np.stack(pairs, axis=1).astype(np.float64)


def _f1(right: float, missed: float, false: float) -> float:
    return 2 * right / max(2 * right + missed + false, 1.0)


def _f1_interval(cells: Sequence[Floats], locations: Sequence[str]) -> Interval:
    """The interval of the F1, mean over the cells of each seed, [n, 4]."""
    names, where = np.unique(np.asarray(locations, np.str_), return_inverse=True)
    if len(names) < bootstrap.FEWEST_LOCATIONS:
        return UNKNOWN
    drawn = bootstrap.draw(len(names))
    of_seeds = []
    for some in cells:
        sums = np.zeros((len(names), some.shape[1]))  # [L, 4]
        np.add.at(sums, where, some)
        right, missed, false, _ = (drawn @ sums).T  # [R] each
        of_seeds.append(2 * right / np.maximum(2 * right + missed + false, 1.0))
    tail = (1 - bootstrap.LEVEL) / 2
    low, high = np.quantile(np.mean(of_seeds, axis=0), [tail, 1 - tail])
    return Interval(float(low), float(high))
