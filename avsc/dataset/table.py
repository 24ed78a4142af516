"""A data set's tab-separated tables, and what is wrong with their rows."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avsc.dataset.layout import LOOKS_LIKE, MEDIA, Layout
from avsc.errors import AvscError

if TYPE_CHECKING:
    import pandas as pd

AUDIO, VIDEO, SCENE = "filename_audio", "filename_video", "scene_label"
FILES = {AUDIO: "audio", VIDEO: "video"}  # columns and the folders of their files
FAULTS_SHOWN = 5


def read_table(
    layout: Layout, name: str, columns: Sequence[str], faults: list[AvscError], remedy: str = ""
) -> "pd.DataFrame":
    """Reads a table: tab-separated with a header; any line ends, with or without a BOM.

    Args:
        layout: Layout of the data set.
        name: Name of the table, ``meta.csv`` or ``evaluation_setup/...``.
        columns: Columns that the header must have; others are allowed.
        faults: List to which each faulty row is added.
        remedy: What the user can do where there is no such table.

    Returns:
        The table's columns of text, and two more: ``clip`` (the id that a row's file names share)
        and ``where`` (file and line, for messages). Faulty rows are left out.

    Raises:
        AvscError: There is no such table, it is no table, or a column is missing.
    """
    if name not in layout.tables:
        raise AvscError(f"there is no {name} below {layout.root}", LOOKS_LIKE, remedy)
    path = layout.tables[name]
    rows = _read(path, columns)
    rows["where"] = [f"{path}:{line + 1}" for line in rows.index]
    rows["clip"] = ""
    for column in [column for column in FILES if column in rows]:
        rows = _named_clips(rows, column, faults)
    again = rows.duplicated("clip")
    rows["first"] = rows.groupby("clip")["where"].transform("first")
    got = "clip {clip} again, first at {first}"
    faults += row_faults(rows[again], got, "each clip once", "remove the repeated row")
    return rows[~again]


def row_faults(rows: "pd.DataFrame", got: str, expected: str, remedy: str) -> list[AvscError]:
    """One fault a row; ``{column}`` in a text stands for the row's cell of that column."""
    return [
        AvscError(f"{where}: {got.format_map(cells)}", expected.format_map(cells), remedy)
        for where, cells in zip(rows["where"], rows.to_dict("records"), strict=True)
    ]


def raise_faults(faults: Sequence[AvscError], root: Path) -> None:
    """Raises what is wrong with a data set in one message: the first few faults and their number.

    Raises:
        AvscError: There is a fault.
    """
    if not faults:
        return
    if len(faults) == 1:
        raise faults[0]
    shown = faults[:FAULTS_SHOWN]
    lines = [f"{len(faults)} faults in the data set {root}:"]
    lines += [f"  {fault.one_line()}" for fault in shown]
    lines += [f"  and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
    raise AvscError("\n".join(lines), "", "; ".join(dict.fromkeys(f.remedy for f in shown)))


def _read(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """The rows of a table with their lines' numbers, counted from 0, for index."""
    import pandas as pd

    try:
        cells = pd.read_csv(
            path,
            sep="\t",
            header=None,
            dtype=str,
            keep_default_na=False,
            # A stray quotation mark must not swallow the lines after it.
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
            skip_blank_lines=False,  # so that lines can be counted
        )
    except pd.errors.EmptyDataError:
        cells = pd.DataFrame([[""]])
    except (OSError, ValueError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise AvscError(
            f"cannot read {path}: {reason.strip()}",
            "a tab-separated table, each row of as many cells as its header",
            "correct or restore the file",
        ) from None
    header = cells.iloc[0].tolist()
    if missing := [column for column in columns if column not in header]:
        raise _header_error(path, header, missing, columns)
    rows = cells.iloc[1:].set_axis(header, axis="columns")
    rows = rows[(rows != "").any(axis="columns")]
    if rows.empty:
        raise AvscError(f"{path} has no rows", "a row for each clip", "restore the file")
    return rows


def _header_error(
    path: Path, header: list[str], missing: list[str], columns: Sequence[str]
) -> AvscError:
    expected = "tab-separated columns " + ", ".join(columns)
    for mark in (",", ";"):
        if len(header) == 1 and mark in header[0]:
            remedy = f"separate the columns by tabs instead of {mark!r}"
            return AvscError(f"{path}:1: columns separated by {mark!r}", expected, remedy)
    got = f"{path}:1: no column {', '.join(missing)}; there are {', '.join(header) or 'none'}"
    return AvscError(got, expected, "correct the header, or restore the file")


def _named_clips(rows: "pd.DataFrame", column: str, faults: list[AvscError]) -> "pd.DataFrame":
    """The rows whose file in ``column`` is that of a clip, the same as in the columns before."""
    folder = FILES[column]
    ending = MEDIA[folder]
    # One folder deep and nothing else: neither an absolute path nor .. leads out of the data set.
    clip = rows[column].str.extract(rf"^{folder}/([^/\\]+)\.(?i:{ending[1:]})$", expand=False)
    faults += row_faults(
        rows[clip.isna()],
        f"{column} is {{{column}!r}}",
        f"{folder}/<clip id>{ending}, inside the data set",
        "correct the path; absolute paths and .. are never followed",
    )
    other = clip.notna() & (rows["clip"] != "") & (rows["clip"] != clip)
    faults += row_faults(
        rows[other],
        f"the sound of clip {{clip}} is paired with {{{column}}}",
        "sound and picture of the same clip",
        "correct the row",
    )
    return rows.assign(clip=clip)[clip.notna() & ~other]
