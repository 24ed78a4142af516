"""A table of recordings, ``clips.csv``: columns video and scene, and others that may be there.

Separated by commas, semicolons or tabs; any line ends, with or without a byte order mark. Paths are
relative to the table. ``start`` and ``end`` are seconds, or minutes and hours before colons. A
recording with an empty scene is unlabelled and in no fold: students learn from it.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from avsc.dataset.recordings import Listing, Recording, clean
from avsc.errors import AvscError
from avsc.folds import TEST, TRAIN
from avsc.scenes import composed

REQUIRED = ("video", "scene")
OPTIONAL = ("audio", "id", "location", "fold", "start", "end")
SEPARATORS = ",;\t"
ENDINGS = {".csv", ".tsv", ".txt"}
LOOKS_LIKE = (
    "a table with the columns video and scene, and perhaps audio, id, location, fold, start, end,"
    " separated by commas or tabs"
)
FOLD_WORDS = (TRAIN, TEST)
MORE = "\0"  # the column of cells that no column of the header has

Row = Mapping[str, str]


@dataclass
class _Faults:
    """Faults of a table's rows, found one row after the other."""

    path: Path
    found: list[AvscError] = field(default_factory=list)
    line: int = 0

    def add(self, got: str, expected: str, remedy: str) -> None:
        self.found.append(AvscError(f"{self.path}:{self.line}: {got}", expected, remedy))


def list_table(path: Path) -> Listing:
    """The recordings of a table; a row that is wrong is a fault of the listing.

    Raises:
        AvscError: It cannot be read, is no table, or lacks a column.
    """
    faults = _Faults(path)
    header, rows = _read(path)
    recordings: list[Recording] = []
    files = _Files(path.parent.resolve(), faults)
    for line, row in rows:
        faults.line = line
        recording = _recording(row, files, faults)
        if recording is not None:
            recordings.append(recording)
    recordings = _with_ids(recordings, "id" in header, faults)
    _check_folds(recordings, faults)
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL and name]
    notes = [f"columns that mean nothing here: {', '.join(unknown)}"] if unknown else []
    unlabelled = sum(not recording.scene for recording in recordings)
    if unlabelled:
        notes.append(
            f"{unlabelled} of {len(recordings)} recordings have no scene, so they are in no fold:"
            " students can learn from them (distill.unlabelled)"
        )
    ordered = sorted(recordings, key=lambda recording: recording.id)
    return Listing(files.root, "a table", tuple(ordered), tuple(notes), tuple(faults.found))


def _read(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise AvscError(f"cannot read {path}: {error.strerror}", LOOKS_LIKE, "check it") from None
    except UnicodeDecodeError:
        raise AvscError(
            f"{path} is not UTF-8 text", LOOKS_LIKE, "save it again as CSV in UTF-8"
        ) from None
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise AvscError(f"{path}:{reader.line_num}: {error}", LOOKS_LIKE, "correct it") from None
    numbered = [(line, row) for line, row in numbered if any(row)]
    header = [name.lower() for name in numbered[0][1]] if numbered else []
    missing = [name for name in REQUIRED if name not in header]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if missing or twice:
        got = f"no column {' and '.join(missing)}" if missing else f"column {twice[0]} twice"
        raise AvscError(
            f"{path}:1: {got}; there are {', '.join(filter(None, header)) or 'none'}",
            LOOKS_LIKE,
            "name the columns in the first line",
        )
    if len(numbered) == 1:
        raise AvscError(f"{path} has no rows", LOOKS_LIKE, "add a row for each recording")
    return header, [(line, _cells(header, row)) for line, row in numbered[1:]]


def _cells(header: list[str], row: list[str]) -> Row:
    """A row's cells by column; cells that are too many are those of the column MORE."""
    cells = dict(zip(header, row + [""] * len(header), strict=False))
    return cells | {MORE: " ".join(row[len(header) :])}


class _Files:
    """Files that rows name, inside the table's folder."""

    def __init__(self, root: Path, faults: _Faults) -> None:
        self.root = root
        self._faults = faults

    def find(self, column: str, name: str) -> str:
        """The POSIX path of a file relative to the table's folder; "" if it is at fault."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            self._faults.add(
                f"{column} {name!r} leads out of the table's folder",
                f"a path below {self.root}",
                "put the table in a folder above all files, or link their folder beside it"
                " (ln -s); links are followed",
            )
            return ""
        file = self.root / path
        if not file.is_file():
            remedy = "correct the path, which counts from the table's folder, or remove the row"
            if "\\" in name:
                remedy = "write / between folders"
            elif file.is_symlink():
                remedy = "mend the symbolic link"
            self._faults.add(f"there is no file {file}", f"the file of {column}", remedy)
            return ""
        return str(path)


def _recording(row: Row, files: _Files, faults: _Faults) -> Recording | None:
    """The recording of a row; None if something is wrong with it."""
    before = len(faults.found)
    if row[MORE]:
        faults.add(
            f"more cells than the header has columns: {row[MORE]!r}",
            "a cell for each column",
            "put quotation marks around a cell with a comma in it",
        )
        return None
    if not row["video"]:
        faults.add("no video", "a video in each row", "fill it in, or remove the row")
    if not row["scene"] and row.get("fold"):
        faults.add(
            f"no scene, in the fold {row['fold']}",
            "a scene for each recording of a fold",
            "fill it in; or empty the cell of the fold too, if the scene is not known",
        )
    video = files.find("video", row["video"]) if row["video"] else ""
    audio = files.find("audio", row["audio"]) if row.get("audio") else video
    start_s = _time(row.get("start", ""), "start", faults) or 0.0
    end_s = _time(row.get("end", ""), "end", faults)
    if end_s is not None and end_s - start_s < 1:
        faults.add(
            f"it ends at {end_s:g} s and begins at {start_s:g} s",
            "a second at least",
            "correct start or end, or remove the row",
        )
    if len(faults.found) > before:
        return None
    fold = row.get("fold")
    if fold is not None and fold.lower() in FOLD_WORDS:
        fold = fold.lower()
    where = f"{faults.path}:{faults.line}"
    name, location = clean(row.get("id", "")), composed(clean(row.get("location", "")))
    scene = composed(row["scene"])
    return Recording(name, scene, location, fold, audio, video, where, start_s, end_s)


def _time(text: str, column: str, faults: _Faults) -> float | None:
    """Seconds of a cell such as 12.5, 1:30 or 1:02:03; None for an empty one."""
    if not text:
        return None
    try:
        parts = [float(part) for part in text.split(":")]
        seconds = 0.0
        for part in parts:
            seconds = 60 * seconds + part
        if len(parts) > 3 or min(parts) < 0 or not math.isfinite(seconds):
            raise ValueError
    except ValueError:
        faults.add(f"{column} is {text!r}", "seconds, such as 12.5 or 1:30", "correct it")
        return None
    return seconds


def _with_ids(recordings: list[Recording], named: bool, faults: _Faults) -> list[Recording]:
    """The recordings with ids: the table's, or their videos' names; each once."""
    several = _repeated([recording.video for recording in recordings])
    stems = _repeated([_stem(recording.video) for recording in recordings])
    found, first = [], dict[str, str]()
    for recording in recordings:
        video = recording.video
        name = recording.id if named else ""
        if not name:
            short = _stem(video)
            # Two endings of one name tell them apart; two parts of one file, their starts.
            name = video if short in stems and video not in several else short
            name += f"+{recording.start_s:g}" if video in several else ""
        if name in first:
            faults.line = int(recording.where.rpartition(":")[2])
            faults.add(
                f"clip {name!r} again, first at {first[name]}",
                "each clip once",
                "remove the row, or give it another id, start or end",
            )
            continue
        first[name] = recording.where
        location = recording.location or clean(str(PurePosixPath(video).with_suffix("")))
        found.append(replace(recording, id=clean(name), location=location))
    return found


def _stem(video: str) -> str:
    return str(PurePosixPath(video).with_suffix(""))


def _repeated(names: list[str]) -> set[str]:
    seen, again = set[str](), set[str]()
    for name in names:
        (again if name in seen else seen).add(name)
    return again


def _check_folds(recordings: list[Recording], faults: _Faults) -> None:
    folds = {recording.fold for recording in recordings if recording.fold}
    others = sorted(fold for fold in folds if fold not in FOLD_WORDS)
    known = sorted(fold for fold in folds if fold in FOLD_WORDS)
    if known and others:
        faults.line = 1
        faults.add(
            f"folds {', '.join([*known, *others][:8])}",
            "the folds train and test, or names of several folds for cross-validation",
            "call clips for validation train (training holds out its own), and leave the cells of"
            " clips empty that belong to no fold",
        )
