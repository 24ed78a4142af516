"""A table of any dialect as text: separator, header, cells, and the line of each row."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avsc.errors import AvscError

SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
SHOWN_LINES = 3  # faulty lines in a message
SHOWN_CHARACTERS = 160  # of a line
A_TABLE = (
    "a header and rows, separated by tabs or commas: a clip's or segment's name and a column of "
    "probabilities for each scene"
)


@dataclass(frozen=True)
class TextTable:
    """Cells of a file, stripped of the spaces around them.

    Attributes:
        path: Path of the file.
        separator: Character between the columns.
        header: Names of the columns; empty for a column without one.
        rows: Cells of each row, as many as the header has.
        lines: Number of each row's line, counted from 1.
    """

    path: Path
    separator: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, number: int) -> list[str]:
        """The cells of a column."""
        return [row[number] for row in self.rows]

    def show(self, rows: Iterable[int]) -> str:
        """Some rows as a message shows them: the first few, each with its line."""
        chosen = list(rows)
        shown = [
            f"line {self.lines[row]}: {_short(self.separator.join(self.rows[row]))}"
            for row in chosen[:SHOWN_LINES]
        ]
        left = len(chosen) - len(shown)
        return "\n  ".join(["", *shown]) + (f"\n  and {left:,} more" if left else "")


def read_table(path: Path) -> TextTable:
    """Reads a table: tabs, commas, semicolons or bars; quotes, a BOM and any line ends.

    Raises:
        AvscError: It cannot be read, is not text, has no rows, or rows are of other lengths.
    """
    text = _text(path)
    first = next((line for line in text.split("\n") if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    if separator not in first:
        raise AvscError(
            f"{path} line 1 is no header of a table: {_short(first)}",
            A_TABLE,
            "write it with a separator, as pandas' to_csv does",
        )
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(tuple(cell.strip() for cell in cells))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise AvscError(
            f"{path} line {reader.line_num}: {error}", A_TABLE, "correct the line"
        ) from None
    return _checked(path, separator, rows, lines)


def rows_text(count: int) -> str:
    """A number of rows.

    >>> rows_text(1), rows_text(1200)
    ('1 row', '1,200 rows')
    """
    return "1 row" if count == 1 else f"{count:,} rows"


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AvscError(
            f"cannot read {path}: {error.strerror}", "a file of predictions", "check the path"
        ) from None
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        remedy = "save it as CSV in UTF-8 (a spreadsheet or an array file is no text)"
        raise AvscError(f"{path} is not UTF-8 text", A_TABLE, remedy)
    if not text.strip():
        raise AvscError(f"{path} is empty", A_TABLE, "write it again")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _checked(
    path: Path, separator: str, rows: list[tuple[str, ...]], lines: list[int]
) -> TextTable:
    header, rows, lines = rows[0], rows[1:], lines[1:]
    if not rows:
        raise AvscError(f"{path} has a header and no rows", A_TABLE, "write it again")
    if all(len(row) == len(header) + 1 for row in rows):
        header = ("", *header)  # the names of rows, as R writes them
    table = TextTable(path, separator, header, tuple(rows), tuple(lines))
    unlike = [k for k, row in enumerate(rows) if len(row) != len(header)]
    if unlike:
        raise AvscError(
            f"{rows_text(len(unlike))} of {path} with another number of cells:{table.show(unlike)}",
            f"{len(header)} cells in each row, as in the header, separated by "
            f"{SEPARATORS[separator]}",
            "correct the rows; an unclosed quotation mark takes what follows with it",
        )
    doubled = [name for name, times in Counter(header).items() if times > 1]
    if any(doubled):
        raise AvscError(
            f"{path} line 1: columns more than once: {', '.join(doubled)}",
            "each column once",
            "remove or rename one of them",
        )
    return table


def _short(line: str) -> str:
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
