"""``predictions.csv``: a system's probabilities of each segment, in the challenge's format.

Tab-separated, UTF-8, a header line; ``filename`` is ``<clip id>_<second>`` (the sound file's name
in the unlabelled evaluation edition), ``scene_label`` the most probable scene, then one column a
scene. Numbers are written with all their bits. In files of other systems the columns may have any
order: they are found by their names.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc.errors import AvscError
from avsc.evaluate.segments import Segments
from avsc.files import write_text
from avsc.metrics import Probabilities, predicted

PREDICTIONS = "predictions.csv"
OWN_COLUMNS = ("filename", "scene_label")  # those that are no scene
SUM_TOLERANCE = 1e-3  # others may write four decimals
SHOWN = 3  # examples in a message
HEADER = "filename, scene_label and one column for each scene"


@dataclass(frozen=True)
class Predictions:
    """Rows of a file, in its order.

    Attributes:
        names: Names of the segments, n.
        labels: Predicted scenes as the column ``scene_label`` has them, n.
        scenes: Names of the scenes, C.
        probabilities: Probabilities with columns in the order of ``scenes``, [n, C].
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scenes: tuple[str, ...]
    probabilities: Probabilities

    def disagreeing(self) -> int:
        """Number of rows whose ``scene_label`` is less probable than another scene."""
        most = self.probabilities.max(axis=1)
        number = {scene: k for k, scene in enumerate(self.scenes)}
        own = self.probabilities[
            np.arange(len(self.labels)), [number[label] for label in self.labels]
        ]
        return int((own < most).sum())


def write_predictions(
    path: Path, names: Sequence[str], probabilities: Probabilities, scenes: Sequence[str]
) -> None:
    """Writes the file whole; ``probabilities`` is [n, C] in the order of ``scenes``."""
    lines = ["\t".join([*OWN_COLUMNS, *scenes])]
    for name, scene, row in zip(names, predicted(probabilities), probabilities, strict=True):
        numbers = [_number(float(share)) for share in row]
        lines.append("\t".join([name, scenes[scene], *numbers]))
    write_text(path, "\n".join(lines) + "\n")


def read_predictions(path: Path, scenes: Sequence[str] | None = None) -> Predictions:
    """Reads a file and checks every row.

    Args:
        path: Path of the file.
        scenes: Names of the scenes, in the order of the probabilities that are wanted; None for
            those of the file's header, sorted.

    Raises:
        AvscError: The file is not such a table, or a row's numbers are not probabilities.
    """
    lines = _lines(path)
    columns = _columns(path, lines[0], scenes)
    if scenes is None:
        scenes = sorted(name for name in columns if name not in OWN_COLUMNS)
    rows = [
        _row(path, number, line, columns, scenes)
        for number, line in enumerate(lines[1:], start=2)
        if line.strip()
    ]
    if not rows:
        raise AvscError(f"{path} has a header and no rows", "one row a segment", "write it again")
    names, labels, shares = zip(*rows, strict=True)
    return Predictions(names, labels, tuple(scenes), np.asarray(shares, np.float64))


def align(path: Path, read: Predictions, segments: Segments) -> Probabilities:
    """The probabilities in the order of a fold's segments, [n, C].

    Raises:
        AvscError: Segments are missing, doubled, or not of this fold.
    """
    doubled = [name for name, times in Counter(read.names).items() if times > 1]
    if doubled:
        raise AvscError(
            f"{path} has {len(doubled)} segments more than once, such as {_some(doubled)}",
            "each segment once",
            "remove the doubled rows",
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
            "predict the whole fold, or choose the right fold and store with --fold and --store",
        )
    return read.probabilities[[where[name] for name in segments.names]]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AvscError(
            f"cannot read {path}: {error.strerror}", "a predictions file", "check the path"
        ) from None
    except UnicodeDecodeError:
        raise AvscError(f"{path} is not text", "UTF-8, tab-separated", "write it again") from None
    # Not splitlines: names may hold what it takes for line ends in other scripts.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not text.strip():
        raise AvscError(f"{path} is empty", f"a header, {HEADER}", "write it again")
    return lines


def _columns(path: Path, header: str, scenes: Sequence[str] | None) -> dict[str, int]:
    names = [name.strip() for name in header.split("\t")]
    if len(names) == 1:
        used = next(
            (
                kind
                for mark, kind in ((",", "commas"), (";", "semicolons"), (" ", "spaces"))
                if mark in header
            ),
            "no tabs",
        )
        raise AvscError(
            f"the header of {path} is separated by {used}: {header[:80]}",
            "tabs between the columns",
            "write it with the tab as separator, as in pandas' to_csv(sep='\\t')",
        )
    wanted = {*OWN_COLUMNS, *(names if scenes is None else scenes)}
    unknown = [name for name in names if name not in wanted]
    missing = [name for name in (*OWN_COLUMNS, *(scenes or ())) if name not in names]
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if unknown or missing or doubled:
        faults = [
            f"{what} {', '.join(map(repr, which))}"
            for what, which in (("unknown", unknown), ("missing", missing), ("doubled", doubled))
            if which
        ]
        raise AvscError(
            f"columns of {path}: {'; '.join(faults)}",
            HEADER if scenes is None else f"{HEADER}: {', '.join(scenes)}",
            "correct the header",
        )
    if scenes is None and len(names) < len(OWN_COLUMNS) + 2:
        raise AvscError(f"columns of {path}: {', '.join(names)}", HEADER, "write it again")
    return {name: number for number, name in enumerate(names)}


def _row(
    path: Path, number: int, line: str, columns: dict[str, int], scenes: Sequence[str]
) -> tuple[str, str, list[float]]:
    fields = line.split("\t")
    where = f"{path} line {number}"
    if len(fields) != len(columns):
        raise AvscError(f"{where}: {len(fields)} fields", f"{len(columns)}", "correct the row")
    name, label = fields[columns["filename"]].strip(), fields[columns["scene_label"]].strip()
    if label not in scenes:
        raise AvscError(
            f"{where}: unknown scene {label!r}", f"one of {', '.join(scenes)}", "correct the row"
        )
    shares = [_share(where, scene, fields[columns[scene]]) for scene in scenes]
    total = math.fsum(shares)
    if abs(total - 1) > SUM_TOLERANCE:
        raise AvscError(
            f"{where}: the probabilities of {name} sum to {total:.6g}",
            f"1, to within {SUM_TOLERANCE:g}",
            "normalise them; apply a softmax to logits first",
        )
    return name, label, shares


def _share(where: str, scene: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:  # false for nan
        raise AvscError(
            f"{where}: the probability of {scene} is {text.strip()!r}",
            "a number from 0 to 1",
            "write finite probabilities with a decimal point",
        )
    return share


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
