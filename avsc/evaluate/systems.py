"""What can be scored and compared: runs, folders of seeds, evaluations, predictions files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc.errors import AvscError
from avsc.evaluate.labels import ClipLabel, Labels, labels_from_ids, read_labels
from avsc.evaluate.predictions import PREDICTIONS, SHOWN, Predictions, read_predictions
from avsc.evaluate.results import EVALUATION, METRICS, read_metrics
from avsc.evaluate.row_ids import TAU_ID
from avsc.evaluate.seeds import seed_folders
from avsc.metrics import predicted

SURE = 0.99  # share of rows in which a column of answers agrees with the most probable scene


@dataclass(frozen=True)
class System:
    """A system's predictions.

    Attributes:
        name: Short name.
        path: What the user named.
        members: Predictions of each seed; of one where there are no seeds.
    """

    name: str
    path: Path
    members: tuple[Predictions, ...]

    @property
    def first(self) -> Predictions:
        """The predictions of the first seed."""
        return self.members[0]


def load_systems(
    paths: Sequence[Path],
    labels: Labels | None = None,
    *,
    per_clip: bool = False,
    within: str = EVALUATION,
) -> list[System]:
    """Reads the predictions of systems, all of the same rows.

    Args:
        paths: Paths of runs, folders of seeds, evaluation folders or predictions files.
        labels: Labels of the clips; None where the ids have them.
        per_clip: Whether to average the segments of each clip.
        within: Folder of the evaluation in each run.

    Raises:
        AvscError: A path has no predictions, or the systems are not of the same segments.
    """
    systems = []
    for name, path in zip(names_of(paths), paths, strict=True):
        members = [
            read_predictions(file, labels=labels) for file in predictions_files(path, within)
        ]
        if per_clip:
            members = [member.per_clip() for member in members]
        systems.append(System(name, path, tuple(members)))
    everything = [member for system in systems for member in system.members]
    for other in everything[1:]:
        _require_same_rows(everything[0], other)
    return systems


def predictions_files(path: Path, within: str = EVALUATION) -> list[Path]:
    """The predictions file of a run, an evaluation folder or the file itself; one for each seed.

    Raises:
        AvscError: There is none.
    """
    seeds = seed_folders(path)
    return [predictions_of(one, within) for one in seeds or [path]]


def predictions_of(path: Path, within: str = EVALUATION) -> Path:
    """The predictions file of a run, of an evaluation folder, or the file itself.

    Raises:
        AvscError: There is none.
    """
    for candidate in (path / within / PREDICTIONS, path / PREDICTIONS, path):
        if candidate.is_file():
            return candidate
    raise AvscError(
        f"{path} has no predictions" if path.exists() else f"{path} does not exist",
        f"a run with {within}/{PREDICTIONS}, or a predictions file",
        f"score it first: avsc evaluate {path}" if path.is_dir() else "check the path",
    )


def names_of(paths: Sequence[Path]) -> list[str]:
    """Short names of systems: as many of the last parts of their paths as tell them apart.

    >>> names_of([Path("/x/a/pred.csv"), Path("/x/b/pred.csv")])
    ['a/pred.csv', 'b/pred.csv']
    """
    parts = [path.absolute().parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def labels_of(system: System) -> Labels:
    """The labels of a system's clips where the user named none.

    They are in ids such as TAU's, in the store that an evaluation is of, or in a column of the
    file beside one of answers.

    Raises:
        AvscError: They are nowhere.
    """
    read = system.first
    clips = list(dict.fromkeys(read.clips))
    named = [c for c in clips if TAU_ID.fullmatch(c) and c.split("-")[0] in read.scenes]
    if len(named) > len(clips) / 2:
        return labels_from_ids(clips, read.where)
    if (read.path.parent / METRICS).is_file():
        store = read_metrics(read.path.parent).get("store") or {}
        if store.get("path"):
            return read_labels(store["path"], store.get("sha256"))
    title = _column_of_truth(read)
    if title is not None:
        cells = zip(read.clips, read.scene_cells[title], strict=True)
        return Labels(
            f"its own column {title!r} (the other column of scenes has the answers)",
            {clip: ClipLabel(scene) for clip, scene in cells},
        )
    return labels_from_ids(clips, read.where)  # which says what is missing


def name_column_notes(read: Predictions, truth: Sequence[str]) -> list[str]:
    """What each column of scenes' names is, by agreement with the labels and the probabilities.

    Args:
        read: Predictions.
        truth: True scene of each row, n.
    """
    answers = _answers(read)
    notes = []
    for title, cells in read.scene_cells.items():
        if read.ours and not read.disagreeing(title):
            continue  # the answer, as it should be
        count = len(cells)
        true = sum(a == b for a, b in zip(cells, truth, strict=True))
        own = sum(a == b for a, b in zip(cells, answers, strict=True))
        if true == own == count:
            notes.append(f"column {title!r}: the scene, true and answered alike")
        elif true == count:
            notes.append(f"column {title!r}: the true scene")
        elif own >= true:
            less = read.disagreeing(title)
            ties = (
                f"; {less:,} rows name another than the most probable scene, which counts here "
                f"(accuracy of the named ones over all rows {100 * true / count:.2f} %)"
            )
            notes.append(f"column {title!r}: the system's answer{ties if less else ''}")
        else:
            notes.append(
                f"column {title!r}: the true scene, but other than the labels in "
                f"{count - true:,} of {count:,} rows; the labels count"
            )
    return notes


def _column_of_truth(read: Predictions) -> str | None:
    """The column of true scenes beside one of answers; None where that cannot be told."""
    answers = _answers(read)
    agreed = {
        title: np.mean([a == b for a, b in zip(cells, answers, strict=True)])
        for title, cells in read.scene_cells.items()
        if all(cells)
    }
    others = [title for title, share in agreed.items() if share < SURE]
    return others[0] if len(agreed) == 2 and len(others) == 1 else None


def _answers(read: Predictions) -> list[str]:
    return [read.scenes[k] for k in predicted(read.probabilities)]


def _require_same_rows(first: Predictions, other: Predictions) -> None:
    if first.unit != other.unit:
        raise AvscError(
            f"{first.path} has a row a {first.unit}, {other.path} a row a {other.unit}",
            "systems with the same rows, so that differences can be paired",
            "average the segments of each clip: avsc score --per clip FILE FILE",
        )
    if set(first.scenes) != set(other.scenes):
        raise AvscError(
            f"{first.path} and {other.path} have different scenes: "
            f"{', '.join(sorted(set(first.scenes) ^ set(other.scenes)))} in one of them only",
            "the same scenes",
            "compare systems of one data set",
        )
    mine, theirs = dict.fromkeys(first.row_keys()), dict.fromkeys(other.row_keys())
    if mine.keys() == theirs.keys():
        return
    only_first = [_named(key) for key in mine if key not in theirs]
    only_other = [_named(key) for key in theirs if key not in mine]
    raise AvscError(
        f"{first.path} and {other.path} have different {first.unit}s: {len(only_first):,} only in "
        f"the first{_examples(only_first)}, {len(only_other):,} only in the other"
        f"{_examples(only_other)}",
        f"the same {first.unit}s, so that differences can be paired",
        "score both on the same fold of the same data",
    )


def _named(key: tuple[str, int]) -> str:
    clip, second = key
    return clip if second < 0 else f"{clip}_{second}"


def _examples(names: Sequence[str]) -> str:
    return f" (such as {', '.join(names[:SHOWN])})" if names else ""
