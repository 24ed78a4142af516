"""A run on the segments of a fold: its probabilities, and what its evaluation says of it.

Shape legend: n segments, C scenes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate import embeddings, environment, results, score
from avsc.evaluate.condition import Condition
from avsc.evaluate.embeddings import Embeddings
from avsc.evaluate.score import Protocol
from avsc.evaluate.segments import Segments
from avsc.evaluate.temperature import has_calibration, own_temperature, with_temperature
from avsc.metrics import Probabilities
from avsc.report.context import Contrast
from avsc.store.reader import Store
from avsc.train.load import Run


@dataclass(frozen=True)
class ScoredRun:
    """A run on the segments of a fold.

    Attributes:
        run: Run as it was trained.
        store: Store that holds the fold.
        segments: Segments of the fold.
        protocol: Protocol, see ``avsc.evaluate.score.score``.
        condition: What the run is given of each segment.
        temperature: Temperature of the run; None where it has none for these clips.
        calibrated: Whether the temperature is applied.
    """

    run: Run
    store: Store
    segments: Segments
    protocol: Protocol
    condition: Condition
    temperature: float | None
    calibrated: bool

    def probabilities(self, *, calibrated: bool) -> Probabilities:
        """Each segment's probabilities, float64 [n, C], with the temperature or without it."""
        run = self.run
        if calibrated and self.temperature is not None:
            run = with_temperature(run, self.temperature)
        return score.score(run, self.store, self.segments, self.protocol, self.condition)

    def contrast(self) -> Contrast | None:
        """The reliability the other way: without the temperature where it is applied, else with it.

        None where the run has no temperature for these clips.
        """
        if self.temperature is None:
            return None
        shares = self.probabilities(calibrated=not self.calibrated)
        reliability = metrics.calibration(shares, self.segments.labels)
        return Contrast(self.temperature, reliability, calibrated=not self.calibrated)

    def sample(self) -> Embeddings:
        """The joint embeddings of some segments."""
        chosen = embeddings.choose(len(self.segments.names))
        return Embeddings(
            names=tuple(self.segments.names[number] for number in chosen),
            labels=self.segments.labels[chosen],
            joint=score.embed(
                self.run,
                self.store,
                self.segments,
                self.protocol,
                chosen,
                condition=self.condition,
            ),
            acoustic_features=score.acoustic_features(self.run),
        )

    def about(self) -> dict[str, Any]:
        """What ``metrics.json`` says of the run."""
        return {
            "run": str(self.run.path.resolve()),
            "weights_sha256": results.weights_sha256(self.run.path),
            "strategy": self.run.recipe.train.strategy,
            "epoch": self.run.manifest.epoch,
            "hardware": environment.hardware(self.run.device),
            "temperature": self.temperature if self.calibrated else None,
            "condition": self.condition.words() or None,
        }


def usable_temperature(
    run: Path, store: Store, segments: Segments, *, calibrated: bool
) -> float | None:
    """The run's temperature; None where it has none for these clips, and none is asked for.

    Args:
        run: Folder of the run.
        store: Store that holds the fold.
        segments: Segments of the fold.
        calibrated: Whether the temperature is asked for.

    Raises:
        AvscError: It is asked for, and there is none for these clips.
    """
    if not calibrated and not has_calibration(run):
        return None
    try:
        return own_temperature(run, (store.clips[row].id for row in segments.rows))
    except AvscError:
        if calibrated:
            raise
        return None
