"""A table of the paper beside what was measured here: for a terminal, Markdown and CSV. Pure."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from avsc.evaluate.bootstrap import Interval
from avsc.paper import Row
from avsc.report import formatting

Metric = Literal["log_loss", "accuracy"]
METRICS: tuple[Metric, ...] = ("log_loss", "accuracy")
TITLES: dict[Metric, str] = {"log_loss": "log-loss", "accuracy": "accuracy %"}
STAR = "\\*: the paper's number lies outside our 95 % interval (bootstrap over locations)."


@dataclass(frozen=True)
class Line:
    """One row of the paper's table and our scores of the same system.

    Attributes:
        row: What the paper says.
        scores: Our ``metrics.json``; None where there is none.
        status: ``measured``, ``the paper's alone``, or why there are no scores of ours.
    """

    row: Row
    scores: dict[str, Any] | None
    status: str


@dataclass(frozen=True)
class Cells:
    """One metric of a line; accuracies are in per cent."""

    paper: float
    ours: float
    interval: Interval

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
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
        lines: Its rows.
        notes: What a reader must know of our numbers, a sentence or two each.
        smoke: Whether our numbers mean nothing.
    """

    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    smoke: bool

    def title(self, metric: Metric | None = None) -> str:
        """The heading of the whole, or of one metric's part."""
        number = self.name.removeprefix("table")
        what = "" if metric is None else f": {TITLES[metric]}"
        smoke = " (SMOKE RUN, OUR NUMBERS MEAN NOTHING)" if self.smoke else ""
        return f"Table {number} of the paper, and ours{what}{smoke}"


def cells(line: Line, metric: Metric) -> Cells | None:
    """One metric of a line; None where we have not measured it."""
    if line.scores is None:
        return None
    factor = 100 if metric == "accuracy" else 1
    bounds = line.scores["intervals"][metric] or (math.nan, math.nan)
    paper = line.row.accuracy if metric == "accuracy" else line.row.log_loss
    interval = Interval(*(factor * bound for bound in bounds))
    return Cells(paper, factor * line.scores[metric], interval)


def for_terminal(table: Table, metric: Metric) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one metric; two such tables fit a terminal, one of both does not."""
    header = ["system", "paper", "ours", "95 %", "ours − paper"]
    return header, [[line.row.system, *_words(line, metric)] for line in table.lines]


def markdown(table: Table) -> str:
    """The table as a page of its own."""
    columns = [
        "system",
        *(f"{TITLES[m]}, {c}" for m in METRICS for c in ("paper", "ours", "95 %", "ours − paper")),
    ]
    rows = [
        [line.row.system, *(word for m in METRICS for word in _words(line, m))]
        for line in table.lines
    ]
    drawn = [_row(columns), _row([":--", *(["--:"] * (len(columns) - 1))]), *map(_row, rows)]
    notes = [f"- {note}" for note in (*table.notes, STAR)]
    return "\n".join([f"# {table.title()}", "", *drawn, "", *notes, ""])


def as_csv(table: Table) -> str:
    """The table for machines: a row a system, accuracies in per cent, empty where not measured."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = ("paper_{}", "{}", "{}_low", "{}_high", "{}_difference")
    columns = [name.format(metric) for metric in METRICS for name in names]
    writer.writerow(["table", "system", "recipe", *columns, "n_segments", "status", "smoke"])
    for line in table.lines:
        numbers = [number for metric in METRICS for number in _numbers(line, metric)]
        segments = "" if line.scores is None else line.scores["n_segments"]
        smoke = str(table.smoke).lower()
        row = [table.name, line.row.system, line.row.recipe or ""]
        writer.writerow([*row, *numbers, segments, line.status, smoke])
    return file.getvalue()


def _words(line: Line, metric: Metric) -> list[str]:
    published = line.row.accuracy if metric == "accuracy" else line.row.log_loss
    # Other people's systems are published with fewer digits: no more are claimed.
    shown = f"{published}"
    found = cells(line, metric)
    if found is None:
        return [shown, "" if line.row.recipe is None else line.status, "", ""]
    star = " *" if found.excludes_paper else ""
    if metric == "accuracy":
        share = Interval(found.interval.low / 100, found.interval.high / 100)
        gap, _ = formatting.per_cent_gap(found.difference / 100, share)
        ours = [formatting.per_cent(found.ours / 100), formatting.per_cent_bounds(share)]
    else:
        gap, _ = formatting.loss_gap(found.difference, found.interval)
        ours = [formatting.loss(found.ours), formatting.loss_bounds(found.interval)]
    return [shown, *ours, gap + star]


def _numbers(line: Line, metric: Metric) -> list[str]:
    published = line.row.accuracy if metric == "accuracy" else line.row.log_loss
    found = cells(line, metric)
    if found is None:
        return [f"{published}", "", "", "", ""]
    ours = (found.ours, found.interval.low, found.interval.high, found.difference)
    return [f"{published}", *("" if math.isnan(n) else f"{n:.6f}" for n in ours)]


def _row(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|").replace("*", "\\*") for cell in cells]
    return f"| {' | '.join(escaped)} |"
