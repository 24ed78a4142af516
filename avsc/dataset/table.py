"""A data set's tab-separated tables, and the faults found in them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsc.dataset.layout import LOOKS_LIKE, Layout
from avsc.errors import AvscError

FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One row of a table; ``where`` names file and line for messages."""

    where: str
    cells: dict[str, str]


class Faults:
    """What is wrong with a data set: all of it is looked for, the first few are shown."""

    def __init__(self) -> None:
        self._found: list[AvscError] = []

    def add(self, got: str, expected: str, remedy: str) -> None:
        """Notes one fault, in an error's words."""
        self._found.append(AvscError(got, expected, remedy))

    def stop_if_any(self, root: Path) -> None:
        """Raises what was found.

        Raises:
            AvscError: There is a fault.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            raise self._found[0]
        shown = self._found[:FAULTS_SHOWN]
        remedies = dict.fromkeys(fault.remedy for fault in shown)
        rest = len(self._found) - len(shown)
        lines = [f"{len(self._found)} faults in the data set {root}:"]
        lines += [f"  {fault.one_line()}" for fault in shown]
        lines += [f"  and {rest} more"] if rest else []
        raise AvscError("\n".join(lines), "", "; ".join(remedies))


def read_table(
    layout: Layout, name: str, columns: Sequence[str], faults: Faults, remedy_if_absent: str = ""
) -> list[Row]:
    """The rows of a table: tab-separated with a header; any line ends, with or without a BOM.

    Args:
        layout: Where the table is.
        name: ``meta.csv`` or ``evaluation_setup/...``.
        columns: What the header must have; other columns are passed on unread.
        faults: Gets a fault for a header or row that does not fit.
        remedy_if_absent: What to do where there is no such table.

    Raises:
        AvscError: There is no such table, or it is not a text file.
    """
    if name not in layout.tables:
        got = f"there is no {name} below {layout.root}"
        raise AvscError(got, LOOKS_LIKE, remedy_if_absent)
    path = layout.tables[name]
    # Without quoting: a stray quotation mark must not swallow the lines after it.
    reader = csv.reader(
        io.StringIO(_text(path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    header = next(reader, [])
    missing = [column for column in columns if column not in header]
    if missing:
        _add_header_fault(path, header, missing, columns, faults)
        return []
    rows = []
    for cells in reader:
        where = f"{path}:{reader.line_num}"
        if len(cells) == len(header):
            rows.append(Row(where, dict(zip(header, cells, strict=True))))
        elif cells:
            got, expected = f"{len(cells)} tab-separated cells", f"{len(header)}, as in its header"
            faults.add(f"{where}: {got}", expected, "correct the row")
    if not rows:
        faults.add(f"{path} has no rows", "a row for each clip", "restore the file")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise AvscError(
            f"cannot read {path}: {reason}", "a tab-separated text file", "restore the file"
        ) from None


def _add_header_fault(
    path: Path, header: list[str], missing: list[str], columns: Sequence[str], faults: Faults
) -> None:
    wrong = next((mark for mark in (",", ";") if len(header) == 1 and mark in header[0]), None)
    expected = "tab-separated columns " + ", ".join(columns)
    if wrong:
        remedy = f"separate the columns by tabs instead of {wrong!r}"
        faults.add(f"{path}:1: columns separated by {wrong!r}", expected, remedy)
    else:
        got = f"{path}:1: no column {', '.join(missing)}; there are {', '.join(header) or 'none'}"
        faults.add(got, expected, "correct the header, or restore the file")
