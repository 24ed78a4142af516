"""The content of an evaluation's report as plain values, gathered from run, store and scores.

``avsc.report.pages`` makes the page of it. Shape legend: n segments, m of them in a map, F frames
of a clip, B bands, C scenes.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsc import metrics, paper
from avsc.evaluate import embeddings
from avsc.evaluate.embeddings import Embeddings
from avsc.evaluate.labels import is_official_test
from avsc.evaluate.leaderboard import Entry, own_entry
from avsc.evaluate.segments import Segments
from avsc.evaluate.summary import Summary
from avsc.metrics import Calibration, Probabilities
from avsc.paper import Row
from avsc.recipe_keys import to_toml
from avsc.scenes import SCENES
from avsc.store.reader import Store
from avsc.store.schema import Feature
from avsc.train.log import read_log

if TYPE_CHECKING:
    from avsc.train.load import Run

MOST_WORST = 10
PROTOCOLS = {
    "segment": "each cut out of its clip by itself",
    "context": "each with the frames of its clip that are centred in it",
    None: "scored by another system",
}


@dataclass(frozen=True)
class WorstSegment:
    """A segment with a high loss, and the picture and sound it was scored on.

    Attributes:
        name: Segment name, ``<clip id>_<second>``.
        clip_seconds: Length of its clip in seconds.
        second: Number of its second in the clip.
        scene: True scene.
        probability: Probability of the true scene.
        others: The likeliest other scenes with their probabilities, at most two.
        loss: Log-loss.
        jpeg: Picture as a JPEG file.
        sound: Feature of the whole clip as a PNG file.
    """

    name: str
    clip_seconds: int
    second: int
    scene: str
    probability: float
    others: tuple[tuple[str, float], ...]
    loss: float
    jpeg: bytes
    sound: bytes


@dataclass(frozen=True)
class Projection:
    """A map of embeddings.

    Attributes:
        title: Name of the embedding.
        points: Places in the plane, [m, 2].
        labels: Scenes by number, [m].
    """

    title: str
    points: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Learning:
    """The log of a run, a value an epoch.

    Attributes:
        train_loss: Training losses.
        validation_loss: Validation losses.
        validation_accuracy: Validation accuracies, shares.
        best: Number of the best epoch, from 1.
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    best: int | None


@dataclass(frozen=True)
class Contrast:
    """The reliability with, or without, the run's temperature: the other way than the report's.

    Attributes:
        temperature: Temperature of the run.
        calibration: Reliability of the highest probability.
        calibrated: Whether this one is with the temperature.
    """

    temperature: float
    calibration: Calibration
    calibrated: bool


@dataclass(frozen=True)
class ReportData:
    """The content of the page; what a system lacks is None or empty.

    Attributes:
        title: Title of the page.
        lead: A sentence below the title.
        summary: Scores.
        feature: Name of the audio feature that is shown.
        paper: The paper's row of the same recipe.
        official: Whether the segments are those of the official test fold.
        learning: Learning curves.
        worst: Segments with the highest losses.
        projections: Maps of embeddings.
        recipe: Resolved recipe as TOML.
        facts: Names and values about system and data.
        environment: Names and values about software and machine.
        contrast: Reliability the other way, calibrated or not; None for a run without temperature.
        entry: The result as an entry of the leaderboard; None for other clips.
    """

    title: str
    lead: str
    summary: Summary
    feature: str
    paper: Row | None
    official: bool
    learning: Learning | None
    worst: tuple[WorstSegment, ...]
    projections: tuple[Projection, ...]
    recipe: str
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    contrast: Contrast | None = None
    entry: Entry | None = None

    @property
    def chance_loss(self) -> float:
        """The log-loss of equal probabilities."""
        return math.log(len(self.summary.scenes))


def gather(
    title: str,
    store: Store,
    segments: Segments,
    probabilities: Probabilities,
    *,
    summary: Summary,
    about: dict[str, Any],
    run: "Run | None" = None,
    sample: Embeddings | None = None,
    contrast: Contrast | None = None,
) -> ReportData:
    """Gathers the content of a report.

    Args:
        title: Title of the page.
        store: Store with pictures and sound of the worst segments.
        segments: Segments of the fold.
        probabilities: Probabilities of the segments, [n, C].
        summary: Scores of these probabilities.
        about: Content of ``metrics.json`` besides the scores.
        run: Scored run; None for the predictions of another system.
        sample: Embeddings to map.
        contrast: Reliability with the run's temperature, or without it.
    """
    feature: Feature = store.settings.features[0]
    if run is not None and run.uses_frames:
        feature = run.recipe.audio.feature
    official = is_official_test(store.clips[row].id for row in segments.rows)
    protocol = about["protocol"] or "segment"
    scores = summary.scores
    return ReportData(
        title=title,
        lead=_lead(segments, summary, about, run),
        summary=summary,
        feature=feature,
        paper=paper.row_of(run.recipe) if run is not None and segments.scenes == SCENES else None,
        official=official,
        learning=None if run is None else learning(run.path),
        worst=worst(store, segments, probabilities, feature),
        projections=() if sample is None else _projections(sample),
        recipe="" if run is None else to_toml(run.recipe),
        facts=_facts(segments, about, run),
        environment=(
            *((name, str(value)) for name, value in about["versions"].items()),
            *((name, str(value)) for name, value in about["hardware"].items()),
        ),
        contrast=contrast,
        entry=own_entry(title, scores.log_loss, scores.accuracy, protocol) if official else None,
    )


def worst(
    store: Store, segments: Segments, probabilities: Probabilities, feature: Feature
) -> tuple[WorstSegment, ...]:
    """The segments with the highest losses, at most one of a clip."""
    from avsc.report.figures import feature_png

    losses = metrics.segment_losses(probabilities, segments.labels)
    order = np.argsort(-losses, kind="stable")
    _, first = np.unique(segments.clip[order], return_index=True)
    found = []
    for number in order[np.sort(first)[:MOST_WORST]]:
        clip = int(segments.clip[number])
        second = int(number - segments.first[clip])
        row, label, shares = (
            int(segments.rows[clip]),
            segments.labels[number],
            probabilities[number],
        )
        frames = store.audio(feature, [row])[0, : store.frames([row])[0], 0]  # [F, B]
        likeliest = [k for k in np.argsort(-shares)[:2] if k != label]
        found.append(
            WorstSegment(
                name=segments.names[number],
                clip_seconds=int(segments.seconds[clip]),
                second=second,
                scene=segments.scenes[label],
                probability=float(shares[label]),
                others=tuple((segments.scenes[k], float(shares[k])) for k in likeliest),
                loss=float(losses[number]),
                jpeg=bytes(store.jpeg(row, second)),
                sound=feature_png(frames, feature),
            )
        )
    return tuple(found)


def _lead(segments: Segments, summary: Summary, about: dict[str, Any], run: "Run | None") -> str:
    how = PROTOCOLS[about["protocol"]]
    scored = (
        f"{len(segments.names):,} one-second segments of the {segments.fold} fold "
        f"({summary.n_clips:,} clips of {summary.n_locations:,} locations), {how}."
    )
    if about.get("condition"):
        scored += f" Condition: {about['condition']}."
    if run is None:
        return scored
    return f"Strategy {run.recipe.train.strategy} with {' and '.join(run.inputs)}: {scored}"


def learning(run: Path) -> Learning | None:
    """The log of a run's folder; None where there is none."""
    rows = read_log(run)
    if not rows:
        return None
    losses = [row["val_loss"] for row in rows]
    return Learning(
        train_loss=tuple(row["train_loss"] for row in rows),
        validation_loss=tuple(row["val_loss"] for row in rows),
        validation_accuracy=tuple(row["val_accuracy"] for row in rows),
        best=1 + losses.index(min(losses)),
    )


def _projections(sample: Embeddings) -> tuple[Projection, ...]:
    if len(sample.labels) < embeddings.FEWEST:
        return ()
    return tuple(
        Projection(title, embeddings.project(values), sample.labels)
        for title, values in sample.parts().items()
    )


def _facts(
    segments: Segments, about: dict[str, Any], run: "Run | None"
) -> tuple[tuple[str, str], ...]:
    facts = [
        ("fold", segments.fold),
        ("protocol", about["protocol"] or "of another system"),
        ("condition", about.get("condition") or "as recorded"),
        ("left out", f"{segments.quarantined} quarantined clips"),
        ("store", f"{about['store']['path']}, {about['store']['sha256'][:12]}"),
    ]
    if run is None:
        return (("predictions", about["predictions"]), *facts)
    of_run = [("run", about["run"]), ("strategy", run.recipe.train.strategy)]
    if run.manifest.visual is not None:
        visual = run.manifest.visual
        of_run.append(("visual encoder", f"{visual.model}, weights {visual.sha256[:12]}"))
    if run.manifest.best_epoch is not None and run.manifest.best_loss is not None:
        of_run.append(
            (
                "best epoch",
                f"{run.manifest.best_epoch}, validation loss {run.manifest.best_loss:.4f}",
            )
        )
    return (*of_run, *facts)
