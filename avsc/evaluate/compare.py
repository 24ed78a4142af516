"""Systems side by side on the same segments, with paired intervals of their differences.

Shape legend: n segments, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate import bootstrap
from avsc.evaluate.bootstrap import Intervals, LocationSums
from avsc.evaluate.predictions import PREDICTIONS, SHOWN, Predictions, read_predictions
from avsc.evaluate.results import EVALUATION, METRICS, read_metrics
from avsc.metrics import Labels, Probabilities, Scores
from avsc.scenes import SCENES, ClipName
from avsc.store.layout import StoredClip
from avsc.store.reader import Store


@dataclass(frozen=True)
class Compared:
    """One system beside the first of the comparison.

    Attributes:
        name: Short name.
        scores: Scores.
        intervals: 95 % intervals of the scores.
        gap_log_loss: Log-loss less that of the first system.
        gap_accuracy: Accuracy less that of the first system.
        gap_intervals: Paired 95 % intervals of the differences.
    """

    name: str
    scores: Scores
    intervals: Intervals
    gap_log_loss: float
    gap_accuracy: float
    gap_intervals: Intervals


@dataclass(frozen=True)
class _System:
    name: str
    path: Path
    probabilities: Probabilities  # [n, C], in the order of the first system's segments
    sums: LocationSums


def compare(paths: Sequence[Path]) -> list[Compared]:
    """Compares systems that were scored on the same segments; the first is the reference.

    Args:
        paths: Paths of runs, evaluation folders or predictions files, at least two.

    Raises:
        AvscError: A path has no predictions, the segments differ, or they have no labels.
    """
    files = [predictions_of(path) for path in paths]
    first = read_predictions(files[0])
    read = [first, *(read_predictions(file, first.scenes) for file in files[1:])]
    names = first.names
    labels, locations = truth(files[0], first)
    systems = []
    for name, file, found in zip(_names(paths), files, read, strict=True):
        probabilities = _aligned(files[0], names, file, found)
        sums, _ = bootstrap.location_sums(probabilities, labels, locations)
        systems.append(_System(name, file, probabilities, sums))
    return [_compared(system, systems[0], labels) for system in systems]


def predictions_of(path: Path) -> Path:
    """The predictions file of a run, of an evaluation folder, or the file itself.

    Raises:
        AvscError: There is none.
    """
    for candidate in (path / EVALUATION / PREDICTIONS, path / PREDICTIONS, path):
        if candidate.is_file():
            return candidate
    raise AvscError(
        f"{path} has no predictions" if path.exists() else f"{path} does not exist",
        f"a run with {EVALUATION}/{PREDICTIONS}, or a predictions file",
        f"score it first: avsc evaluate {path}" if path.is_dir() else "check the path",
    )


def truth(path: Path, read: Predictions) -> tuple[Labels, list[str]]:
    """Scene numbers [n] and location keys [n] of a file's segments.

    TAU's clips have them in their names; those of other data sets are looked up in the store that
    ``metrics.json`` beside the file names.

    Raises:
        AvscError: They are in neither.
    """
    clips = {} if read.scenes == SCENES else _clips_of(path.with_name(METRICS))
    number = {scene: k for k, scene in enumerate(read.scenes)}
    labels, locations = np.empty(len(read.names), np.int64), []
    for row, name in enumerate(read.names):
        clip_id, mark, second = name.rpartition("_")
        clip = clips[clip_id] if clip_id in clips else ClipName.parse(clip_id) if mark else None
        if clip is None or not second.isdecimal() or clip.scene not in number:
            raise AvscError(
                f"{path}: segment {name!r}",
                "<clip id>_<second>, whose clip id has scene and location",
                "compare predictions of labelled clips; the evaluation edition has no labels",
            )
        labels[row] = number[clip.scene]
        locations.append(f"{clip.city}-{clip.location}")
    return labels, locations


def _clips_of(metrics_file: Path) -> dict[str, StoredClip]:
    """The clips of the store that an evaluation is of, by id."""
    named = read_metrics(metrics_file.parent)["store"]
    store = Store.open(named["path"])
    if store.sha256 != named["sha256"]:
        raise AvscError(
            f"{store.place} is not the store that {metrics_file} is of any more",
            "the store as it was evaluated: it knows each clip's scene and location",
            "evaluate again, then compare",
        )
    return {clip.id: clip for clip in store.clips}


def _compared(system: _System, first: _System, labels: Labels) -> Compared:
    scores = metrics.score(system.probabilities, labels)
    return Compared(
        name=system.name,
        scores=scores,
        intervals=bootstrap.intervals(system.sums),
        gap_log_loss=scores.log_loss - metrics.log_loss(first.probabilities, labels),
        gap_accuracy=scores.accuracy - metrics.accuracy(first.probabilities, labels),
        gap_intervals=bootstrap.paired(first.sums, system.sums),
    )


def _aligned(first: Path, names: Sequence[str], path: Path, found: Predictions) -> Probabilities:
    where = {name: number for number, name in enumerate(found.names)}
    only_first = [name for name in names if name not in where]
    wanted = set(names)
    only_other = [name for name in found.names if name not in wanted]
    if only_first or only_other or len(where) < len(found.names):
        raise AvscError(
            f"{first} and {path} have different segments: {len(only_first)} only in the first"
            f"{_examples(only_first)}, {len(only_other)} only in the other{_examples(only_other)}, "
            f"{len(found.names) - len(where)} doubled",
            "the same segments, each once, so that differences can be paired",
            "evaluate both runs on the same fold of the same store",
        )
    return found.probabilities[[where[name] for name in names]]


def _examples(names: Sequence[str]) -> str:
    return f" (such as {', '.join(names[:SHOWN])})" if names else ""


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names of the systems: the folders' own, or the whole paths where those repeat."""
    short = [path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]
