"""What the report shows: plain values, gathered by ``avsc.report.context``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc.evaluate.summary import Summary
from avsc.paper import Row


@dataclass(frozen=True)
class WorstSegment:
    """A segment with a high loss, and what was to be seen and heard."""

    name: str
    clip_seconds: int
    second: int
    scene: int  # the true one
    probabilities: NDArray[np.float64]  # [10]
    loss: float
    jpeg: bytes
    sound: bytes  # a PNG of the whole clip's feature


@dataclass(frozen=True)
class Projection:
    """Embeddings of segments in the plane."""

    title: str
    points: NDArray[np.float64]  # [m, 2]
    labels: NDArray[np.int64]  # [m]


@dataclass(frozen=True)
class Learning:
    """What the log of a run says, an epoch a value."""

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    best: int | None  # epoch, from 1


@dataclass(frozen=True)
class ReportData:
    """Everything on the page; what a system has not is None or empty."""

    title: str
    lead: str
    summary: Summary
    feature: str
    paper: Row | None
    official: bool  # whether the segments are the official test fold's
    learning: Learning | None
    worst: tuple[WorstSegment, ...]
    projections: tuple[Projection, ...]
    recipe: str
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
