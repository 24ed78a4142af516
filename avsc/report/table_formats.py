"""Tables of results in any form: for a terminal, Markdown, LaTeX, CSV and JSON.

A table holds values; its columns say how a person reads them. CSV and JSON have the values
themselves: shares from 0 to 1, all digits, intervals as two numbers, null where unknown.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avsc.console import table, tell
from avsc.evaluate.bootstrap import Interval

Form = Literal["table", "markdown", "latex", "csv", "json"]


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: Name for programs.
        title: Heading for a person.
        show: Function that makes text of a value.
    """

    key: str
    title: str
    show: Callable[[Any], str] = str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        key: Name for programs.
        title: Heading for a person.
        columns: Columns.
        rows: Values of each row, one a column.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def header(self) -> list[str]:
        """The headings of the columns."""
        return [column.title for column in self.columns]

    def cells(self) -> list[list[str]]:
        """The rows as a person reads them."""
        return [
            [column.show(value) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]


def print_tables(tables: Sequence[Table], form: Form, notes: Sequence[str] = ()) -> None:
    """Prints tables on stdout; ``notes`` follow them, but in CSV."""
    if form != "table":
        print(render(tables, form, notes))
        return
    for one in tables:
        table(one.title, one.header(), one.cells())
    for note in notes:
        tell(note)


def render(tables: Sequence[Table], form: Form, notes: Sequence[str] = ()) -> str:
    """Tables as text, without a newline at the end.

    Args:
        tables: Tables, one after the other.
        form: Any form but ``table``. JSON is one object with a list of rows for each table.
        notes: Lines below the tables.
    """
    if form == "json":
        content: dict[str, Any] = {one.key: _records(one) for one in tables}
        content |= {"notes": list(notes)} if notes else {}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    if form == "csv":
        return "\n\n".join(map(_csv, tables))
    texts = [_markdown(one) if form == "markdown" else _latex(one) for one in tables]
    mark = "- " if form == "markdown" else "% "
    texts += ["\n".join(mark + note.replace("\n", " ") for note in notes)] if notes else []
    return "\n\n".join(texts)


def _records(one: Table) -> list[dict[str, Any]]:
    keys = [column.key for column in one.columns]
    return [dict(zip(keys, map(_plain, row), strict=True)) for row in one.rows]


def _plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Interval):
        return [value.low, value.high] if value.known else None
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _csv(one: Table) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    pairs = [any(isinstance(row[k], Interval) for row in one.rows) for k in range(len(one.columns))]
    header: list[str] = []
    for column, pair in zip(one.columns, pairs, strict=True):
        header += [f"{column.key}_low", f"{column.key}_high"] if pair else [column.key]
    writer.writerow(header)
    for row in one.rows:
        cells: list[Any] = []
        for value, pair in zip(row, pairs, strict=True):
            plain = _plain(value)
            ends = [value.low, value.high] if pair and plain else ["", ""]
            cells += ends if pair else ["" if plain is None else plain]
        writer.writerow(cells)
    return file.getvalue().removesuffix("\n")


def _markdown(one: Table) -> str:
    ruler = [":--", *(["--:"] * (len(one.columns) - 1))]
    rows = [_escaped(one.header()), ruler, *map(_escaped, one.cells())]
    return "\n".join([f"**{one.title}**", "", *(f"| {' | '.join(row)} |" for row in rows)])


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|").replace("*", "\\*") for cell in cells]


def _latex(one: Table) -> str:
    lines = [
        f"% {one.title}; needs \\usepackage{{booktabs}}",
        f"\\begin{{tabular}}{{l{'r' * (len(one.columns) - 1)}}}",
        "\\toprule",
        _latex_row(one.header()),
        "\\midrule",
        *map(_latex_row, one.cells()),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex_text, cells)) + " \\\\"


def _latex_text(cell: str) -> str:
    r"""Text with what LaTeX takes for commands escaped.

    >>> _latex_text("metro_station 95 %")
    'metro\\_station 95 \\%'
    """
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {mark: f"\\{mark}" for mark in "&%$#_{}"}
    special |= {"–": "--", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$"}
    return "".join(special.get(letter, letter) for letter in cell)
