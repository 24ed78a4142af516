"""``predictions.csv``: a system's probabilities of each segment, ours and other people's.

Ours has the challenge's format: tab-separated, UTF-8, a header line; ``filename`` is
``<clip id>_<second>`` (the sound file's name in the unlabelled evaluation edition),
``scene_label`` the most probable scene, then one column a scene. Numbers are written with all
their bits. Files of other systems are read whatever their separator, order of columns, names of
rows and number of decimals, and what was assumed is noted.

Shape legend: n rows, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avsc.errors import AvscError
from avsc.evaluate.labels import Labels
from avsc.evaluate.probability_cells import read_probabilities
from avsc.evaluate.row_ids import SECOND_COLUMNS, TAU_ID, RowIds, id_column, plain_name, row_ids
from avsc.evaluate.scene_columns import SceneColumns, scene_columns
from avsc.evaluate.segments import Segments
from avsc.evaluate.text_table import SEPARATORS, TextTable, read_table
from avsc.files import write_text
from avsc.metrics import Probabilities, predicted
from avsc.scenes import SCENES

PREDICTIONS = "predictions.csv"
OWN_COLUMNS = ("filename", "scene_label")  # those that are no scene
ANSWERS = ("scene_pred", "predicted")  # columns of others in files that are like ours
TAU_CLIP_SECONDS = 10
SHOWN = 3  # examples in a message


@dataclass(frozen=True)
class Predictions:
    """Rows of a file, in its order.

    Attributes:
        path: Path of the file.
        clips: Clip id of each row, n.
        seconds: Second of each row in its clip, n; None for a row a clip.
        cells: Names of the rows as the file has them, n.
        scenes: Names of the scenes, C.
        probabilities: Probabilities with columns in the order of ``scenes``, rows sum to 1, [n, C].
        scene_cells: Columns of scenes' names: title -> scene of each row ("" where it is none).
        notes: What was recognised, assumed and done.
        lines: Line of each row in the file, n.
        ours: Whether the file has the format that ``write_predictions`` gives it.
    """

    path: Path
    clips: tuple[str, ...]
    seconds: tuple[int, ...] | None
    cells: tuple[str, ...]
    scenes: tuple[str, ...]
    probabilities: Probabilities
    scene_cells: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
    lines: tuple[int, ...]
    ours: bool

    def where(self, clip: str) -> str:
        """The file and the first line of a clip, for a message."""
        return f"{self.path} line {self.lines[self.clips.index(clip)]}"

    @property
    def unit(self) -> str:
        """What a row is about: ``segment`` or ``clip``."""
        return "clip" if self.seconds is None else "segment"

    @property
    def names(self) -> tuple[str, ...]:
        """``<clip id>_<second>`` of each segment, or the clips as the file names them."""
        if self.seconds is None:
            return self.cells
        return tuple(f"{c}_{s}" for c, s in zip(self.clips, self.seconds, strict=True))

    def row_keys(self) -> list[tuple[str, int]]:
        """Clip and second of each row; the second is -1 for a row a clip."""
        return list(zip(self.clips, self.seconds or (-1,) * len(self.clips), strict=True))

    def in_order(self, order: Sequence[tuple[str, int]], scenes: Sequence[str]) -> Probabilities:
        """The probabilities of some rows and scenes, in their order, [len(order), C].

        Args:
            order: Clip and second of each row, as ``row_keys`` has them.
            scenes: Names of the scenes.
        """
        where = {key: row for row, key in enumerate(self.row_keys())}
        columns = [self.scenes.index(scene) for scene in scenes]
        return self.probabilities[[where[key] for key in order]][:, columns]

    def disagreeing(self, title: str = "scene_label") -> int:
        """Number of rows whose cell in a column of names is less probable than another scene."""
        number = {scene: k for k, scene in enumerate(self.scenes)}
        cells = self.scene_cells.get(title, ())
        rows = [k for k, scene in enumerate(cells) if scene]
        own = self.probabilities[rows, [number[cells[k]] for k in rows]]
        return int((own < self.probabilities[rows].max(axis=1)).sum())

    def per_clip(self) -> "Predictions":
        """The mean of each clip's segments: a row a clip, in the order of the file."""
        if self.seconds is None:
            return self
        order = {clip: k for k, clip in enumerate(dict.fromkeys(self.clips))}
        line_of = dict(zip(reversed(self.clips), reversed(self.lines), strict=True))
        where = np.array([order[clip] for clip in self.clips])
        total = np.zeros((len(order), len(self.scenes)))
        np.add.at(total, where, self.probabilities)
        count = np.bincount(where)[:, None]
        return replace(
            self,
            clips=tuple(order),
            seconds=None,
            cells=tuple(order),
            probabilities=total / count,
            scene_cells={},
            lines=tuple(line_of[clip] for clip in order),
            notes=(*self.notes, "averaged over the segments of each clip"),
        )


def write_predictions(
    path: Path, names: Sequence[str], probabilities: Probabilities, scenes: Sequence[str]
) -> None:
    """Writes the file whole; ``probabilities`` is [n, C] in the order of ``scenes``."""
    lines = ["\t".join([*OWN_COLUMNS, *scenes])]
    for name, scene, row in zip(names, predicted(probabilities), probabilities, strict=True):
        numbers = [_number(float(share)) for share in row]
        lines.append("\t".join([name, scenes[scene], *numbers]))
    write_text(path, "\n".join(lines) + "\n")


def read_predictions(
    path: Path, scenes: Sequence[str] | None = None, labels: Labels | None = None
) -> Predictions:
    """Reads a file of any system and checks every row.

    Args:
        path: Path of the file.
        scenes: Scenes of the data set, all of them; None where they are not known.
        labels: Labels of the clips, whose ids tell a clip's number from a second; None where
            there are none.

    Raises:
        AvscError: The file is no such table, rows are repeated, or a row's numbers are not
            probabilities. All faulty rows are counted, and the first shown with their lines.
    """
    table = read_table(path)
    clips = {} if labels is None else labels.clips
    number = id_column(table, clips)
    lengths = [label.seconds for label in clips.values() if label.seconds]
    clip_seconds = max(lengths, default=None)
    if clip_seconds is None and all(map(TAU_ID.search, table.column(number))):
        clip_seconds = TAU_CLIP_SECONDS
    ids = row_ids(table, number, clips, clip_seconds, as_written=_is_ours(table))
    columns = _columns(table, number, ids, scenes, labels)
    probabilities, done = read_probabilities(table, list(columns.scenes.values()))
    ours = _is_ours(table)
    titles = [f"{SEPARATORS[table.separator]} between the columns"]
    titles += [f"clips from the column {table.header[number]!r}"] if table.header[number] else []
    what = ids.notes if ours else (*ids.notes, *titles)
    unused = [f"not used: {', '.join(columns.ignored)}"] if columns.ignored else []
    return Predictions(
        path,
        ids.clips,
        ids.seconds,
        tuple(table.column(number)),
        tuple(columns.scenes),
        probabilities,
        columns.names,
        (*what, *done, *unused),
        table.lines,
        ours,
    )


def align(path: Path, read: Predictions, segments: Segments) -> Probabilities:
    """The probabilities in the order of a fold's segments, [n, C].

    Raises:
        AvscError: Segments are missing, or not of this fold.
    """
    if read.seconds is None and len(segments.names) > segments.n_clips:
        raise AvscError(
            f"{path} has a row a clip",
            "a row a segment, one for each second of each clip",
            f"score clips without pictures: avsc score {path} --labels STORE",
        )
    where = {name: number for number, name in enumerate(read.names)}
    unknown = sorted(where.keys() - set(segments.names))
    missing = [name for name in segments.names if name not in where]
    if unknown or missing:
        faults = []
        if missing:
            faults.append(f"lacks {len(missing)} segments, such as {_some(missing)}")
        if unknown:
            faults.append(f"has {len(unknown)} that are not of the fold, such as {_some(unknown)}")
        raise AvscError(
            f"{path} {' and '.join(faults)}",
            f"the {len(segments.names)} segments of the fold {segments.fold!r}, named "
            f"<clip id>_<second> like {segments.names[0]}",
            "predict the whole fold, or choose the right fold and store with --fold and --store; "
            "`avsc score` takes a part of a fold",
        )
    return read.probabilities[[where[name] for name in segments.names]]


def _is_ours(table: TextTable) -> bool:
    return table.header[:2] == OWN_COLUMNS and table.separator == "\t"


def _columns(
    table: TextTable,
    number: int,
    ids: RowIds,
    scenes: Sequence[str] | None,
    labels: Labels | None,
) -> SceneColumns:
    plain = [plain_name(name) for name in table.header]
    used = [number]
    if ids.seconds is not None:
        used += [k for k, name in enumerate(plain) if name in SECOND_COLUMNS]
    if scenes is not None:
        return scene_columns(table, used, scenes, exact=True)
    if _is_ours(table):
        own = sorted(name for name in table.header[2:] if plain_name(name) not in ANSWERS)
        return scene_columns(table, used, own, exact=True)
    named = {clip.split("-")[0] for clip in ids.clips if TAU_ID.fullmatch(clip)}
    if labels is not None:
        named = {labels.clips[clip].scene for clip in ids.clips if clip in labels.clips}
    wanted = SCENES if set(SCENES) <= set(plain) else sorted(named)
    return scene_columns(table, used, wanted, exact=False)


def _number(share: float) -> str:
    """The shortest text that keeps all bits, with at least 9 significant digits.

    >>> _number(0.5), _number(1 / 3), _number(2.5e-9)
    ('0.500000000', '0.3333333333333333', '2.50000000e-09')
    """
    short = repr(share)
    digits = short.partition("e")[0].replace(".", "").lstrip("0")
    return short if len(digits) >= 9 else f"{share:#.9g}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN])
