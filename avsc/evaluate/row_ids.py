"""Which clip, and which second of it, a row of a predictions file is about; pure.

Files name their rows in many ways: a clip's id, a path of its sound or picture, an id with the
second behind it, a column of seconds beside it, or the same clip as often as it has seconds.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from avsc.errors import AvscError
from avsc.evaluate.text_table import TextTable, rows_text

ID_COLUMNS = (
    *("filename", "file_name", "aid", "vid", "clip_id", "clip", "id", "file", "filename_audio"),
    *("audio_filename", "filename_video", "video_filename", "audio", "video", "name", "fname"),
    *("path", "audio_path", "video_path", "key", "wav", "uid", "item", "sample", "recording"),
)
SECOND_COLUMNS = (
    *("second", "sec", "seconds", "segment", "segment_id", "seg", "segment_index", "start"),
    *("start_time", "start_s", "start_sec", "begin", "onset", "time", "time_s", "offset", "chunk"),
    *("segment_number", "slice", "window", "frame", "t", "index_in_clip"),
)
# "3 s" and "3-4" are 3.
_START = re.compile(r"(?<=\d)\s*(?:s|ms|sec)?(?:\s*[-–:]\s*[\d.]+)?\s*(?:s|ms|sec)?$")
# TAU's clips: <scene>-<city>-<location>-<segment>.
TAU_ID = re.compile(r"[^-\s]+-[^-\s]+-[A-Za-z0-9]+-[A-Za-z0-9]+")
_ENDING = re.compile(r"\.(?!\d+$)[A-Za-z0-9]{1,5}$")
_SECOND = re.compile(
    r"[_\-. #@:]+(?:seg(?:ment)?|sec(?:ond)?|s|t|chunk)?[_\-]?(\d+(?:\.\d+)?)s?$", re.I
)


@dataclass(frozen=True)
class RowIds:
    """The rows of a file by clip and second.

    Attributes:
        clips: Clip id of each row.
        seconds: Second of each row, from 0; None for a row a clip.
        notes: What was assumed.
    """

    clips: tuple[str, ...]
    seconds: tuple[int, ...] | None
    notes: tuple[str, ...]


def plain_name(header: str) -> str:
    """A column's name without case, spaces and dashes.

    >>> plain_name(" Shopping-Mall ")
    'shopping_mall'
    """
    return re.sub(r"[\s\-]+", "_", header.strip().lower())


def id_column(table: TextTable, known: Collection[str]) -> int:
    """The column that names clips or segments: by its name, else by what its cells are.

    Args:
        table: The file.
        known: Clip ids of the labels; empty where there are none.

    Raises:
        AvscError: There is none.
    """
    names = [plain_name(name) for name in table.header]
    wanted = [names.index(name) for name in ID_COLUMNS if name in names]
    first = [0] if not table.header[0] else []
    others = [k for k in range(len(names)) if k not in wanted + first]
    for number in (*wanted, *first, *others):
        if _names_clips(table.column(number), known):
            return number
    for number in (*wanted, *first):
        if not all(_is_number(cell) for cell in table.column(number)):
            return number
    if wanted:  # numbers are ids too, where the column says that they are
        return wanted[0]
    raise AvscError(
        f"{table.path} line 1: no column names the clips: {', '.join(table.header)}",
        "a column filename, aid, filename_audio, filename_video, id or clip with the clips' ids",
        "name the column of the ids",
    )


def row_ids(
    table: TextTable,
    column: int,
    known: Collection[str],
    clip_seconds: int | None,
    *,
    as_written: bool = False,
) -> RowIds:
    """Finds each row's clip and second.

    Args:
        table: The file.
        column: Number of the column that names clips or segments.
        known: Clip ids of the labels; empty where there are none.
        clip_seconds: Number of seconds of a clip; None where unknown.
        as_written: Whether ids that are not like TAU's keep folders and endings.

    Raises:
        AvscError: A row has no name, or a clip or segment has several rows.
    """
    cells = table.column(column)
    empty = [k for k, cell in enumerate(cells) if not cell or cell.lower() in ("nan", "none")]
    if empty:
        raise AvscError(
            f"{rows_text(len(empty))} of {table.path} with no name in the column "
            f"{table.header[column]!r}:{table.show(empty)}",
            "the id of a clip or segment in every row",
            "correct the rows",
        )
    bases = _bases(cells, known, as_written)
    parts = _split(bases, known)
    if parts is not None:
        clips, numbers = parts
        seconds, notes = _from_zero(table, numbers, f"the names in {table.header[column]!r}")
        return _unique(table, RowIds(clips, seconds, notes))
    beside = _second_column(table, column, bases)
    if beside is not None:
        number, values = beside
        seconds, notes = _from_zero(table, values, f"the column {table.header[number]!r}")
        return _unique(table, RowIds(tuple(bases), seconds, notes))
    return _by_order(table, bases, clip_seconds)


def base_name(cell: str) -> str:
    """A name without folders and the endings of a file.

    >>> base_name("audio/park-lyon-1-2.wav_3"), base_name("park-lyon-1-2.mp4"), base_name("0.wav")
    ('park-lyon-1-2_3', 'park-lyon-1-2', '0')
    """
    name = re.split(r"[/\\]", cell)[-1]
    name = re.sub(r"\.(?:wav|mp4|flac|npy|h5|hdf5|jpg|png|avi|mkv|mov)(?=[_\-. #@:])", "", name)
    return _ENDING.sub("", name)


def _bases(cells: list[str], known: Collection[str], as_written: bool) -> list[str]:
    if known and any(cell in known or _SECOND.sub("", cell) in known for cell in cells):
        return cells
    bases = [base_name(cell) for cell in cells]
    return cells if as_written and not all(map(TAU_ID.match, bases)) else bases


def _names_clips(cells: Sequence[str], known: Collection[str]) -> bool:
    bases = [base_name(cell) for cell in cells[:200]]
    split = [name for base in bases if (name := _SECOND.sub("", base)) != base]
    if known:
        return any(base in known for base in bases) or any(name in known for name in split)
    return all(TAU_ID.match(base) for base in bases)


def _split(
    bases: Sequence[str], known: Collection[str]
) -> tuple[tuple[str, ...], tuple[float, ...]] | None:
    """Clips and seconds where the names have both; None where they are clips alone."""
    if known and any(base in known for base in bases):
        return None
    matches = [_SECOND.search(base) for base in bases]
    pairs = [
        (base[: found.start()], float(found[1]))
        for base, found in zip(bases, matches, strict=True)
        if found
    ]
    if len(pairs) < len(bases):
        return None
    clips, numbers = zip(*pairs, strict=True)
    if known:
        whole = any(clip in known for clip in clips)
    elif all(TAU_ID.fullmatch(base) for base in bases):
        whole = False
    else:
        whole = all(TAU_ID.fullmatch(clip) for clip in clips) or _count_from_zero(pairs)
    return (clips, numbers) if whole else None


def _count_from_zero(pairs: Sequence[tuple[str, float]]) -> bool:
    """Whether the numbers of every clip are 0, 1, 2, ...: names of clips may end in one too."""
    numbers: dict[str, set[float]] = {}
    for clip, number in pairs:
        numbers.setdefault(clip, set()).add(number)
    return all(found == set(range(len(found))) for found in numbers.values())


def _second_column(
    table: TextTable, column: int, bases: Sequence[str]
) -> tuple[int, list[float]] | None:
    """The column of seconds: of numbers that tell the rows of a clip apart."""
    if len(set(bases)) == len(bases):
        return None
    names = [plain_name(name) for name in table.header]
    for name in SECOND_COLUMNS:
        if name not in names or names.index(name) == column:
            continue
        number = names.index(name)
        cells = [_START.sub("", cell) for cell in table.column(number)]
        if all(_is_number(cell) for cell in cells):
            values = [float(cell) for cell in cells]
            if len(set(values)) > 1:
                return number, values
    return None


def _from_zero(
    table: TextTable, numbers: Sequence[float], source: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Seconds from 0, from what a file counts: seconds from 0 or 1, middles, milliseconds."""
    low = min(numbers)
    ways = (
        (1.0, 0.0, "seconds"),
        (1.0, 0.5, "middles of seconds"),
        (1000.0, 0.0, "milliseconds"),
        (1000.0, 500.0, "middles of seconds in milliseconds"),
    )
    thousands = max(numbers) >= 1000
    for unit, shift, what in ways[2:] if thousands else ways[:2]:
        rest = [(number - shift) / unit for number in numbers]
        if all(value == int(value) >= 0 for value in rest):
            start = 1 if low == 1 and not shift else 0
            seconds = tuple(int(value) - start for value in rest)
            counted = f"{what} from {start}" if what == "seconds" else what
            return seconds, (f"a row a segment: {counted}, from {source}",)
    raise AvscError(
        f"{table.path}: {source} count no whole seconds: from {low:g} to {max(numbers):g}",
        "the number of each one-second segment in its clip, or its start in seconds",
        "give a row each second; for longer or overlapping windows give a row a clip",
    )


def _unique(table: TextTable, ids: RowIds) -> RowIds:
    seconds = ids.seconds or (0,) * len(ids.clips)
    _refuse_repeats(table, list(zip(ids.clips, seconds, strict=True)))
    return ids


def _refuse_repeats(table: TextTable, keys: Sequence[object]) -> None:
    seen: set[object] = set()
    again = []
    for k, key in enumerate(keys):
        if key in seen:
            again.append(k)
        seen.add(key)
    if again:
        raise AvscError(
            f"{table.path} has {rows_text(len(again))} of clips or segments that it had before:"
            f"{table.show(again)}",
            "each clip once, or each segment of it once",
            "remove the repeated rows",
        )


def _by_order(table: TextTable, bases: Sequence[str], clip_seconds: int | None) -> RowIds:
    counts = Counter(bases)
    usual = Counter(counts.values()).most_common(1)[0][0]
    if usual == 1:
        _refuse_repeats(table, bases)
        return RowIds(tuple(bases), None, ("a row a clip",))
    most = clip_seconds if clip_seconds is not None else usual
    seen: Counter[str] = Counter()
    seconds = []
    for base in bases:
        seconds.append(seen[base])
        seen[base] += 1
    over = [k for k, second in enumerate(seconds) if second >= most]
    if over or usual == 2 != clip_seconds:
        rows = over or [k for k, second in enumerate(seconds) if second]
        raise AvscError(
            f"{table.path} has more rows of a clip than it has seconds, or rows twice:"
            f"{table.show(rows)}",
            f"a row a clip, or at most {most} rows a clip, one for each second",
            "remove the repeated rows, or add a column `second`",
        )
    note = f"a row a segment: the {usual} rows of a clip are taken for its seconds, in their order"
    return RowIds(tuple(bases), tuple(seconds), (note,))


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", cell, re.I) is not None
