"""Systems scored side by side on the same rows, with paired intervals of their differences.

Shape legend: n rows (segments or clips), C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate import bootstrap
from avsc.evaluate.bootstrap import Intervals
from avsc.evaluate.labels import Labels, fold_of, is_official_test
from avsc.evaluate.predictions import Predictions
from avsc.evaluate.results import EVALUATION
from avsc.evaluate.scene_columns import scene_named
from avsc.evaluate.seeds import Spread
from avsc.evaluate.summary import Summary, summarise
from avsc.evaluate.systems import System, labels_of, load_systems, name_column_notes
from avsc.metrics import SMALLEST_PROBABILITY, Probabilities, Scores

# Smallest probabilities that others clip to: scikit-learn's of float64 since 1.5 and of float32
# since 1.3, and its default before.
USUAL_CLIPS = (SMALLEST_PROBABILITY, 1e-15, float(np.finfo(np.float32).eps))
MOVED = 5e-4  # of a log-loss: half a unit of the third decimal


@dataclass(frozen=True)
class LabelledRows:
    """The rows that are scored, see ``avsc.evaluate.summary.Labelled``."""

    scenes: tuple[str, ...]
    labels: metrics.Labels
    locations: tuple[str, ...]
    cities: tuple[str, ...]
    n_clips: int


@dataclass(frozen=True)
class Compared:
    """One system beside the first of the comparison.

    Attributes:
        name: Short name.
        path: What the user named.
        probabilities: Probabilities of each seed (of one where there are none), [n, C] each.
        summary: Scores; with seeds their mean.
        spread: Scores of the seeds; None without seeds.
        gap_log_loss: Log-loss less that of the first system.
        gap_accuracy: Accuracy less that of the first system.
        gap_intervals: Paired 95 % intervals of the differences.
        notes: What was recognised and assumed of its files.
        warnings: What makes its scores doubtful.
    """

    name: str
    path: Path
    probabilities: tuple[Probabilities, ...]
    summary: Summary
    spread: Spread | None
    gap_log_loss: float
    gap_accuracy: float
    gap_intervals: Intervals
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def scores(self) -> Scores:
        """Scores; with seeds their mean."""
        return self.summary.scores

    @property
    def intervals(self) -> Intervals:
        """95 % intervals of the scores."""
        return self.summary.intervals


@dataclass(frozen=True)
class Comparison:
    """Systems on the same rows.

    Attributes:
        systems: Systems; the first is what the others are compared with.
        rows: Rows that were scored.
        keys: Clip and second of each row; the second is -1 for a row a clip.
        unit: What a row is: ``segment`` or ``clip``.
        whole: Whether every segment of these clips is there, as far as their length is known.
        clip: Smallest probability of the log-loss.
        notes: What was scored, and by which labels.
    """

    systems: tuple[Compared, ...]
    rows: LabelledRows
    keys: tuple[tuple[str, int], ...]
    unit: str
    whole: bool
    clip: float
    notes: tuple[str, ...]

    @property
    def clips(self) -> tuple[str, ...]:
        """Ids of the clips."""
        return tuple(dict.fromkeys(clip for clip, _ in self.keys))


def compare(
    paths: Sequence[Path],
    labels: Labels | None = None,
    *,
    per_clip: bool = False,
    clip: float = SMALLEST_PROBABILITY,
    within: str = EVALUATION,
) -> Comparison:
    """Scores systems on the same rows; the first is the reference.

    Args:
        paths: Paths of runs, folders of seeds, evaluation folders or predictions files.
        labels: Labels of the clips; None for those in the ids, or in the evaluation's store.
        per_clip: Whether to average the segments of each clip.
        clip: Smallest probability of the log-loss.
        within: Folder of the evaluation in each run.

    Raises:
        AvscError: A path has no predictions, the rows differ, or they have no labels.
    """
    systems = load_systems(paths, labels, per_clip=per_clip, within=within)
    first = systems[0].first
    known = labels or labels_of(systems[0])
    rows = _labelled(systems[0], known)
    order = first.row_keys()
    aligned = [tuple(m.in_order(order, first.scenes) for m in s.members) for s in systems]
    sums = [
        bootstrap.mean_location_sums(some, rows.labels, rows.locations, clip) for some in aligned
    ]
    truth = [first.scenes[k] for k in rows.labels]
    compared: list[Compared] = []
    for k, (system, probabilities) in enumerate(zip(systems, aligned, strict=True)):
        scored = _summary(probabilities, rows, clip)
        reference = compared[0].scores if compared else scored.scores
        compared.append(
            Compared(
                system.name,
                system.path,
                probabilities,
                scored,
                _spread(probabilities, rows, clip),
                scored.scores.log_loss - reference.log_loss,
                scored.scores.accuracy - reference.accuracy,
                bootstrap.paired(sums[0], sums[k]),
                tuple(_file_notes(system, order, truth)),
                tuple(_clip_warnings(probabilities, rows, clip)),
            )
        )
    clips = tuple(dict.fromkeys(first.clips))
    missing = _missing_segments(first, known, clips)
    notes = _notes(first, known, clips, missing)
    return Comparison(tuple(compared), rows, tuple(order), first.unit, not missing, clip, notes)


def _labelled(system: System, known: Labels) -> LabelledRows:
    read = system.first
    absent = [clip for clip in dict.fromkeys(read.clips) if clip not in known.clips]
    if absent:
        raise AvscError(
            f"{read.path} has {len(absent):,} clips that have no label in {known.source}, such as "
            f"{absent[0]} ({read.where(absent[0])})",
            "a label for each clip",
            "name the labels of these clips with --labels",
        )
    number = {scene: k for k, scene in enumerate(read.scenes)}
    for scene in {known.clips[clip].scene for clip in read.clips} - number.keys():
        if meant := scene_named(scene, read.scenes):
            number[scene] = number[meant]
    strange = sorted({known.clips[clip].scene for clip in read.clips} - number.keys())
    if strange:
        raise AvscError(
            f"{known.source} has scenes that {read.path} has no column for: {', '.join(strange)}",
            f"scenes among {', '.join(read.scenes)}",
            "name the labels of this data set, or correct the header",
        )
    of_row = [known.clips[clip] for clip in read.clips]
    return LabelledRows(
        read.scenes,
        np.array([number[label.scene] for label in of_row], np.int64),
        tuple(label.location for label in of_row),
        tuple(label.city for label in of_row),
        len(set(read.clips)),
    )


def _summary(probabilities: Sequence[Probabilities], rows: LabelledRows, clip: float) -> Summary:
    """The scores; over all rows of all seeds at once, which gives the means over seeds."""
    seeds = len(probabilities)
    if seeds == 1:
        return summarise(probabilities[0], rows, clip)
    all_rows = replace(
        rows,
        labels=np.tile(rows.labels, seeds),
        locations=rows.locations * seeds,
        cities=rows.cities * seeds,
    )
    found = summarise(np.concatenate(probabilities), all_rows, clip)
    cities = {city: (_of_one(s, seeds), i) for city, (s, i) in found.cities.items()}
    return replace(found, scores=_of_one(found.scores, seeds), cities=cities)


def _of_one(scores: Scores, seeds: int) -> Scores:
    """Scores whose numbers of segments are those of one seed."""
    per_class = tuple(replace(one, n=one.n // seeds) for one in scores.per_class)
    return replace(scores, per_class=per_class, n_segments=scores.n_segments // seeds)


def _spread(
    probabilities: Sequence[Probabilities], rows: LabelledRows, clip: float
) -> Spread | None:
    if len(probabilities) == 1:
        return None
    scores = [metrics.score(some, rows.labels, clip) for some in probabilities]
    return Spread(tuple(s.log_loss for s in scores), tuple(s.accuracy for s in scores))


def _missing_segments(read: Predictions, known: Labels, clips: Sequence[str]) -> int:
    if read.seconds is None:
        return 0
    usual = max(read.seconds) + 1  # of clips whose length is not known
    wanted = sum(known.clips[clip].seconds or usual for clip in clips)
    return max(wanted - len(read.clips), 0)


def _notes(read: Predictions, known: Labels, clips: Sequence[str], missing: int) -> tuple[str, ...]:
    """What was scored: the fold, the source of the labels, and what is missing."""
    notes = [f"{len(read.clips):,} rows, one a {read.unit}: {fold_of(clips)}"]
    notes.append(f"labels from {known.source}")
    left_out = len(known.clips) - len(clips)
    if left_out and not is_official_test(clips):
        notes.append(f"{left_out:,} of {len(known.clips):,} labelled clips are not scored")
    if missing:
        notes.append(f"{missing:,} segments of these clips are missing and not scored")
    return tuple(notes)


def _file_notes(
    system: System, order: Sequence[tuple[str, int]], truth: Sequence[str]
) -> list[str]:
    true = dict(zip(order, truth, strict=True))
    notes: list[str] = [f"mean of {len(system.members)} seeds"] * (len(system.members) > 1)
    for member in system.members:
        notes += member.notes
        notes += name_column_notes(member, [true[key] for key in member.row_keys()])
    return list(dict.fromkeys(notes))


def _clip_warnings(
    probabilities: Sequence[Probabilities], rows: LabelledRows, clip: float
) -> list[str]:
    """Whether the log-loss hangs on the smallest probability."""
    own = np.concatenate([some[np.arange(len(rows.labels)), rows.labels] for some in probabilities])
    largest = max(clip, *USUAL_CLIPS)
    small = int((own < largest).sum())
    if not small:
        return []

    def loss(smallest: float) -> float:
        return float(
            np.mean([metrics.log_loss(some, rows.labels, smallest) for some in probabilities])
        )

    here = loss(clip)
    others = {usual: loss(usual) for usual in USUAL_CLIPS if usual != clip}
    moved = [
        f"{value:.4f} with {usual:.2g}"
        for usual, value in others.items()
        if abs(value - here) >= MOVED
    ]
    if not moved:
        return []
    return [
        f"in {small:,} rows the true scene has a probability of 0 or nearly; the log-loss "
        f"{here:.4f} hangs on the smallest probability {clip:.2g} (--clip): {', '.join(moved)}"
    ]
