"""Which columns of a predictions file are probabilities, and which are scenes' names; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from avsc.errors import AvscError
from avsc.evaluate.row_ids import plain_name
from avsc.evaluate.text_table import TextTable

NEAR = 0.05
_AFFIX = re.compile(
    r"^(?:p|prob|proba|probability|score|pred|class|scene|softmax|output)[_(\[]+|[_)\]]+(?:p|prob|proba|probability|score)?$"
)


@dataclass(frozen=True)
class SceneColumns:
    """Columns by their meaning.

    Attributes:
        scenes: Scene -> number of its column, in the order of the probabilities.
        names: Columns whose cells are names of scenes: title -> scene of each row, "" where the
            cell is none.
        ignored: Titles of the other columns.
    """

    scenes: dict[str, int]
    names: dict[str, tuple[str, ...]]
    ignored: tuple[str, ...]


def scene_columns(
    table: TextTable, used: Sequence[int], wanted: Sequence[str], *, exact: bool
) -> SceneColumns:
    """Finds the columns of scenes by name, in any order and case.

    Args:
        table: The file.
        used: Numbers of columns that are known to be something else.
        wanted: Scenes that must have a column.
        exact: Whether there are no other scenes; else further columns of numbers from 0 to 1 are
            scenes too, if the rows do not add up without them.

    Raises:
        AvscError: A scene has no column.
    """
    free = [k for k in range(len(table.header)) if k not in used]
    plain = {k: plain_name(table.header[k]) for k in free}
    short = {k: _AFFIX.sub("", _AFFIX.sub("", name)) for k, name in plain.items()}
    scenes: dict[str, int] = {}
    for scene in wanted:
        found = [k for k in free if table.header[k] == scene]
        found = found or [k for k in free if plain[k] == plain_name(scene)]
        found = found or [k for k in free if _bare(short[k]) == _bare(scene)]
        if found:
            scenes[scene] = found[0]
    missing = [scene for scene in wanted if scene not in scenes]
    if missing:
        raise _missing(table, missing, wanted)
    left = [k for k in free if k not in scenes.values()]
    if not exact and not _add_up(table, list(scenes.values())):
        scenes |= {table.header[k]: k for k in left if _shares(table.column(k))}
        scenes = {scene: scenes[scene] for scene in sorted(scenes)}
    if len(scenes) < 2:
        raise _missing(table, [], ["two scenes or more"])
    names = {}
    for k in left:
        cells = tuple(scene_named(cell, tuple(scenes)) for cell in table.column(k))
        if sum(map(bool, cells)) > len(cells) / 2:
            names[table.header[k] or f"column {k + 1}"] = cells
    ignored = [table.header[k] for k in left if table.header[k] not in names]
    ignored = [name for name in ignored if name and name not in scenes]
    return SceneColumns(scenes, names, tuple(ignored))


@cache
def scene_named(cell: str, scenes: tuple[str, ...]) -> str:
    """The scene that a cell names, in any case and with any marks between its words; else "".

    >>> scene_named("Metro station", ("metro", "metro_station"))
    'metro_station'
    """
    if cell in scenes:
        return cell
    return next((scene for scene in scenes if _bare(scene) == _bare(cell)), "")


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _shares(cells: Sequence[str]) -> bool:
    try:
        return all(0 <= float(cell) <= 1 for cell in cells)
    except ValueError:
        return False


def _add_up(table: TextTable, columns: Sequence[int]) -> bool:
    """Whether the columns sum to 1 (or 100) in every row, as far as they are numbers."""
    try:
        sums = [sum(float(row[k]) for k in columns) for row in table.rows]
    except ValueError:
        return True  # the cells that are no numbers are shown later
    return any(all(abs(total / unit - 1) < NEAR for total in sums) for unit in (1, 100))


def _missing(table: TextTable, missing: Sequence[str], wanted: Sequence[str]) -> AvscError:
    numbered = [name for name in table.header if re.fullmatch(r"\d+(\.\d+)?", name)]
    if len(numbered) > 1:
        got = f"{table.path} line 1: columns with numbers for names: {', '.join(numbered[:12])}"
        remedy = "write the names of the scenes into the first line, in the order of the columns"
    else:
        there = ", ".join(map(repr, table.header))
        what = ", ".join(missing) or "the probabilities of scenes"
        got = f"{table.path} line 1: no column for {what}; there are {there}"
        remedy = "correct the header; a scene that was never predicted has probabilities of 0"
    return AvscError(got, f"a column for each scene: {', '.join(wanted)}", remedy)
