"""A table of the paper beside our scores. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from avsc.evaluate.bootstrap import Interval
from avsc.paper import Row
from avsc.report import formatting, table_formats
from avsc.report.table_formats import Column, Form

STAR = "*: the paper's number lies outside our 95 % interval (bootstrap over locations)."


@dataclass(frozen=True)
class Metric:
    """A column of the table and how its numbers are written.

    Attributes:
        key: Name in ``metrics.json`` and in ``paper.toml``.
        title: Heading of the column.
        unit: Factor from our scores to the paper's unit; accuracies are in per cent there.
        value: Formats a score.
        bounds: Formats an interval of a score.
        gap: Formats a difference of scores.
    """

    key: str
    title: str
    unit: int
    value: Callable[[float], str]
    bounds: Callable[[Interval], str]
    gap: Callable[[float], str]


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


def shown(table: Table, form: Form) -> list[table_formats.Table]:
    """The tables that are printed: a terminal has no room for both metrics in one."""
    if form in ("csv", "json"):
        return [for_programs(table)]
    parts: list[tuple[Metric, ...]] = [METRICS]
    if form == "table":
        parts = [(metric,) for metric in METRICS]
    return [for_people(table, part) for part in parts]


def for_people(table: Table, metrics: Sequence[Metric] = METRICS) -> table_formats.Table:
    """The table with a row for each system, some of its metrics as text."""
    columns = [Column("system", "system")]
    for metric in metrics:
        before = "" if len(metrics) == 1 else f"{metric.title}, "
        words = (f"{before}paper", "ours", "95 %", "ours − paper")
        columns += [Column(f"{metric.key}_{word}", word) for word in words]
    rows = tuple(
        (line.row.system, *(cell for metric in metrics for cell in _cells(line, metric)))
        for line in table.lines
    )
    title = table.title(metrics[0] if len(metrics) == 1 else None)
    return table_formats.Table(table.name, title, tuple(columns), rows)


def for_programs(table: Table) -> table_formats.Table:
    """The table with all numbers, accuracies in per cent; None where not measured."""
    names = ("paper_{}", "{}", "{}_low", "{}_high", "{}_difference")
    keys = ["table", "system", "recipe"]
    keys += [name.format(metric.key) for metric in METRICS for name in names]
    keys += ["n_segments", "status", "smoke"]
    rows = []
    for line in table.lines:
        numbers = [number for metric in METRICS for number in _numbers(line, metric)]
        segments = None if line.scores is None else line.scores["n_segments"]
        end = (segments, line.status, str(table.smoke).lower())
        rows.append((table.name, line.row.system, line.row.recipe or "", *numbers, *end))
    columns = tuple(Column(key, key) for key in keys)
    return table_formats.Table(table.name, table.title(), columns, tuple(rows))


def markdown(table: Table) -> str:
    """The table as a page: both metrics in one table, and the notes."""
    page = table_formats.render([for_people(table)], "markdown", (*table.notes, f"\\{STAR}"))
    return f"# {table.title()}\n\n{page.partition(chr(10))[2].lstrip()}\n"


def as_csv(table: Table) -> str:
    """The table for programs: a row for each system."""
    return table_formats.render([for_programs(table)], "csv") + "\n"


def _published(line: Line, metric: Metric) -> float:
    published: float = getattr(line.row, metric.key)
    return published


def _cells(line: Line, metric: Metric) -> list[str]:
    # Other people's systems are published with fewer digits, so none are added here.
    published = f"{_published(line, metric)}"
    found = compare(line, metric)
    if found is None:
        return [published, "" if line.row.recipe is None else line.status, "", ""]
    gap = metric.gap(found.difference)
    star = " *" if found.excludes_paper else ""
    ours = metric.value(found.ours) + _spread(line, metric)
    return [published, ours, metric.bounds(found.interval), gap + star]


def _spread(line: Line, metric: Metric) -> str:
    """The standard deviation over seeds, where there are several."""
    std = ((line.scores or {}).get("seeds") or {}).get(f"{metric.key}_std")
    return "" if std is None else f" ± {metric.value(std)}"


def _numbers(line: Line, metric: Metric) -> list[float | None]:
    published = _published(line, metric)
    found = compare(line, metric)
    if found is None:
        return [published, None, None, None, None]
    ours = (found.ours, found.interval.low, found.interval.high, found.difference)
    return [published, *(None if math.isnan(one) else round(metric.unit * one, 6) for one in ours)]
