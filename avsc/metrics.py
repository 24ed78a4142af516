"""Log-loss, accuracy, confusion and calibration of segment probabilities; pure arithmetic.

The paper's metric (that of the DCASE 2021 challenge, task 1B) is the mean of the class-wise
values ("macro" below), so that each scene has the same weight, whatever its number of clips. The
mean over all segments ("micro") is given too.

Shape legend: n segments, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]  # [n, C], rows sum to one
Labels = NDArray[np.int64]  # [n]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # scikit-learn's choice
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class; nan where it has no segment."""

    log_loss: float
    accuracy: float
    n: int


@dataclass(frozen=True)
class Scores:
    """All scores of a set of segments."""

    log_loss: float  # mean of the class-wise values
    accuracy: float
    log_loss_micro: float  # mean over segments
    accuracy_micro: float
    per_class: tuple[ClassScore, ...]
    n_segments: int


@dataclass(frozen=True)
class Calibration:
    """Reliability of the highest probability, in equal bins of [0, 1].

    Attributes:
        ece: Expected calibration error: |accuracy - confidence| averaged over segments.
        edges: Edges of the bins, [bins + 1].
        count: Number of segments in each bin, [bins].
        confidence: Mean highest probability in each bin, nan where empty, [bins].
        accuracy: Share of correct predictions in each bin, nan where empty, [bins].
    """

    ece: float
    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def segment_losses(
    probabilities: Probabilities, labels: Labels, clip: float = SMALLEST_PROBABILITY
) -> NDArray[np.float64]:
    """The negative log of each segment's probability of its own class, shape [n].

    Probabilities are clipped to [clip, 1 - clip]; by default as scikit-learn (1.5 and later)
    clips float64, so that a wrong prediction with probability 1 costs 36 instead of infinity, and
    scikit-learn gives the same number.
    """
    own = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    clipped = np.clip(own, clip, 1.0 - clip)
    return np.asarray(-np.log(clipped), np.float64)


def segment_correct(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """1 where the most probable class is the true one, else 0, shape [n]."""
    return np.asarray(predicted(probabilities) == labels, np.float64)


def predicted(probabilities: Probabilities) -> Labels:
    """The most probable class of each segment, the first of equals, shape [n]."""
    return np.asarray(np.argmax(probabilities, axis=1), np.int64)


def class_means(values: NDArray[np.float64], labels: Labels, classes: int) -> NDArray[np.float64]:
    """The mean of ``values`` within each class, nan where a class has none, shape [C].

    >>> class_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 2]), 3)
    array([ 2., nan,  5.])
    """
    count = np.bincount(labels, minlength=classes)
    total = np.bincount(labels, weights=values, minlength=classes)
    means = np.full(classes, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def log_loss(
    probabilities: Probabilities, labels: Labels, clip: float = SMALLEST_PROBABILITY
) -> float:
    """The paper's log-loss: the mean of the class-wise values, over the classes that have segments.

    >>> round(log_loss(np.full((4, 10), 0.1), np.array([0, 0, 0, 7])), 6)  # chance: log 10
    2.302585
    """
    losses = segment_losses(probabilities, labels, clip)
    return float(np.nanmean(class_means(losses, labels, np.shape(probabilities)[1])))


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """The paper's accuracy (0 to 1): the mean of the class-wise values, as for `log_loss`."""
    correct = segment_correct(probabilities, labels)
    return float(np.nanmean(class_means(correct, labels, np.shape(probabilities)[1])))


def score(
    probabilities: Probabilities, labels: Labels, clip: float = SMALLEST_PROBABILITY
) -> Scores:
    """All scores of at least one segment; ``clip`` is that of `segment_losses`."""
    losses = segment_losses(probabilities, labels, clip)
    correct = segment_correct(probabilities, labels)
    classes = np.shape(probabilities)[1]
    class_losses = class_means(losses, labels, classes)
    class_accuracies = class_means(correct, labels, classes)
    counts = np.bincount(labels, minlength=classes)
    return Scores(
        log_loss=float(np.nanmean(class_losses)),
        accuracy=float(np.nanmean(class_accuracies)),
        log_loss_micro=float(losses.mean()),
        accuracy_micro=float(correct.mean()),
        per_class=tuple(
            ClassScore(float(loss), float(share), int(n))
            for loss, share, n in zip(class_losses, class_accuracies, counts, strict=True)
        ),
        n_segments=len(labels),
    )


def score_by(
    groups: Sequence[str],
    probabilities: Probabilities,
    labels: Labels,
    clip: float = SMALLEST_PROBABILITY,
) -> dict[str, Scores]:
    """The scores of each group's segments, such as each city's; groups in alphabetical order."""
    names, number = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return {
        str(name): score(probabilities[number == k], labels[number == k], clip)
        for k, name in enumerate(names)
    }


def confusion(probabilities: Probabilities, labels: Labels) -> NDArray[np.int64]:
    """Counts of segments, rows their true and columns their predicted class, shape [C, C]."""
    classes = np.shape(probabilities)[1]
    pairs = labels * classes + predicted(probabilities)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def calibration(
    probabilities: Probabilities, labels: Labels, bins: int = CALIBRATION_BINS
) -> Calibration:
    """Expected calibration error and the bins of the reliability diagram."""
    highest = np.max(probabilities, axis=1)
    correct = segment_correct(probabilities, labels)
    # A confidence on an edge belongs to the bin below it, as in the usual definition (a, b].
    bin_of = np.clip(np.ceil(highest * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    confidence = class_means(highest, bin_of, bins)
    accuracies = class_means(correct, bin_of, bins)
    gap = np.where(count > 0, np.abs(accuracies - confidence), 0.0)
    return Calibration(
        ece=float((count * gap).sum() / len(labels)),
        edges=np.linspace(0.0, 1.0, bins + 1),
        count=count,
        confidence=confidence,
        accuracy=accuracies,
    )
