"""A table of the paper beside our scores: for a terminal, as Markdown and as CSV. Pure."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from avsc.evaluate.bootstrap import Interval
from avsc.paper import Row
from avsc.report import formatting

STAR = "\\*: the paper's number lies outside our 95 % interval (bootstrap over locations)."


@dataclass(frozen=True)
class Metric:
    """A column of the table and how its numbers are written.

    Attributes:
        key: Name in ``metrics.json`` and in ``paper.toml``.
        title: Heading of the column.
        unit: Factor from our scores to the paper's unit; accuracies are in per cent there.
        value: Formats a score.
        bounds: Formats an interval of a score.
        gap: Formats a difference of scores and its interval.
    """

    key: str
    title: str
    unit: int
    value: Callable[[float], str]
    bounds: Callable[[Interval], str]
    gap: Callable[[float, Interval], tuple[str, str]]


LOG_LOSS = Metric(
    "log_loss", "log-loss", 1, formatting.loss, formatting.loss_bounds, formatting.loss_gap
)
ACCURACY = Metric(
    "accuracy",
    "accuracy %",
    100,
    formatting.per_cent,
    formatting.per_cent_bounds,
    formatting.per_cent_gap,
)
METRICS = (LOG_LOSS, ACCURACY)


@dataclass(frozen=True)
class Line:
    """One row of the paper's table and our scores of the same system.

    Attributes:
        row: Row of the paper.
        scores: Content of our ``metrics.json``; None where there is none.
        status: ``measured``, ``the paper's alone``, or the reason why we have no scores.
    """

    row: Row
    scores: dict[str, Any] | None
    status: str


@dataclass(frozen=True)
class Comparison:
    """One metric of a line, in the unit of our scores.

    Attributes:
        paper: Score of the paper.
        ours: Our score.
        interval: 95 % interval of our score; NaN where there is none.
    """

    paper: float
    ours: float
    interval: Interval

    @property
    def difference(self) -> float:
        """Our score less the paper's."""
        return self.ours - self.paper

    @property
    def excludes_paper(self) -> bool:
        """Whether the paper's number lies outside our interval."""
        return self.paper < self.interval.low or self.paper > self.interval.high


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        name: ``table2`` and so on.
        lines: Rows of the table.
        notes: What a reader must know of our numbers, a sentence or two each.
        smoke: Whether our numbers mean nothing.
    """

    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    smoke: bool

    def title(self, metric: Metric | None = None) -> str:
        """The heading of the whole table, or of one metric's part."""
        number = self.name.removeprefix("table")
        part = "" if metric is None else f": {metric.title}"
        smoke = " (SMOKE RUN, OUR NUMBERS MEAN NOTHING)" if self.smoke else ""
        return f"Table {number} of the paper, and ours{part}{smoke}"


def compare(line: Line, metric: Metric) -> Comparison | None:
    """One metric of a line; None where we have no scores."""
    if line.scores is None:
        return None
    low, high = line.scores["intervals"][metric.key] or (math.nan, math.nan)
    paper = _published(line, metric) / metric.unit
    return Comparison(paper, line.scores[metric.key], Interval(low, high))


def for_terminal(table: Table, metric: Metric) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one metric; two such tables fit a terminal, one of both does not."""
    header = ["system", "paper", "ours", "95 %", "ours − paper"]
    return header, [[line.row.system, *_cells(line, metric)] for line in table.lines]


def markdown(table: Table) -> str:
    """The table as a page of its own."""
    columns = ("paper", "ours", "95 %", "ours − paper")
    header = ["system", *(f"{metric.title}, {name}" for metric in METRICS for name in columns)]
    rows = [
        [line.row.system, *(cell for metric in METRICS for cell in _cells(line, metric))]
        for line in table.lines
    ]
    ruler = [":--", *(["--:"] * (len(header) - 1))]
    notes = [f"- {note}" for note in (*table.notes, STAR)]
    return "\n".join(
        [f"# {table.title()}", "", *map(_markdown_row, [header, ruler, *rows]), "", *notes, ""]
    )


def as_csv(table: Table) -> str:
    """The table for machines: a row a system, accuracies in per cent, empty where not measured."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = ("paper_{}", "{}", "{}_low", "{}_high", "{}_difference")
    columns = [name.format(metric.key) for metric in METRICS for name in names]
    writer.writerow(["table", "system", "recipe", *columns, "n_segments", "status", "smoke"])
    for line in table.lines:
        numbers = [number for metric in METRICS for number in _numbers(line, metric)]
        segments = "" if line.scores is None else line.scores["n_segments"]
        smoke = str(table.smoke).lower()
        row = [table.name, line.row.system, line.row.recipe or ""]
        writer.writerow([*row, *numbers, segments, line.status, smoke])
    return file.getvalue()


def _published(line: Line, metric: Metric) -> float:
    published: float = getattr(line.row, metric.key)
    return published


def _cells(line: Line, metric: Metric) -> list[str]:
    # Other people's systems are published with fewer digits, so none are added here.
    published = f"{_published(line, metric)}"
    found = compare(line, metric)
    if found is None:
        return [published, "" if line.row.recipe is None else line.status, "", ""]
    gap, _ = metric.gap(found.difference, found.interval)
    star = " *" if found.excludes_paper else ""
    return [published, metric.value(found.ours), metric.bounds(found.interval), gap + star]


def _numbers(line: Line, metric: Metric) -> list[str]:
    published = f"{_published(line, metric)}"
    found = compare(line, metric)
    if found is None:
        return [published, "", "", "", ""]
    ours = (found.ours, found.interval.low, found.interval.high, found.difference)
    return [published, *("" if math.isnan(one) else f"{metric.unit * one:.6f}" for one in ours)]


def _markdown_row(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|").replace("*", "\\*") for cell in cells]
    return f"| {' | '.join(escaped)} |"
