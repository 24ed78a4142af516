"""Scores as tables; pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from avsc.evaluate.bootstrap import FEWEST_LOCATIONS
from avsc.evaluate.compare import Compared, Comparison
from avsc.evaluate.labels import is_official_test
from avsc.evaluate.leaderboard import Entry, Metric, own_entry, place, published, ranked
from avsc.evaluate.summary import Summary
from avsc.evaluate.temperature import Calibrated
from avsc.report import formatting
from avsc.report.table_formats import Column, Form, Table

SYSTEM = Column("system", "system")
COUNT = Column("n", "n", formatting.count)
LOSS = Column("log_loss", "log-loss", formatting.loss)
LOSS_BOUNDS = Column("log_loss_interval", "95 %", formatting.loss_bounds)
ACCURACY = Column("accuracy", "accuracy %", formatting.per_cent)
ACCURACY_BOUNDS = Column("accuracy_interval", "95 %", formatting.per_cent_bounds)
STAR = "*: the interval of the difference excludes 0"


def scores(summary: Summary, title: str) -> Table:
    """A row for each scene and one for their mean."""
    return Table(
        "scenes",
        title,
        (Column("scene", "scene"), COUNT, LOSS, LOSS_BOUNDS, ACCURACY, ACCURACY_BOUNDS),
        tuple(
            (
                row.name,
                row.n,
                row.log_loss,
                row.log_loss_interval,
                row.accuracy,
                row.accuracy_interval,
            )
            for row in (*summary.by_scene(), summary.overall())
        ),
    )


def scores_footer(summary: Summary) -> str:
    """The line under the table of scores."""
    found = summary.scores
    return (
        f"mean over all rows, scenes not weighted: log-loss "
        f"{formatting.loss(found.log_loss_micro)}, accuracy "
        f"{formatting.per_cent(found.accuracy_micro)} %; calibration error "
        f"{summary.calibration.ece:.3f}; {intervals_note(summary)}"
    )


def intervals_note(summary: Summary) -> str:
    """How the intervals are made, and what an unknown one means."""
    if not summary.n_locations:
        return "intervals are unknown: so are the locations"
    return (
        f"intervals by resampling {summary.n_locations} locations, unknown from fewer than "
        f"{FEWEST_LOCATIONS}"
    )


def of_comparison(found: Comparison, form: Form) -> list[Table]:
    """The tables of several systems, or of one."""
    one = found.systems[0]
    title = f"{found.rows.labels.size:,} {found.unit}s"
    if form == "csv":
        return [everything(found.systems)]
    tables = [everything(found.systems)] if form == "json" else []
    alone = len(found.systems) == 1
    if alone:
        tables.append(scores(one.summary, f"{one.name}, {title}"))
    elif form != "json":
        tables += [systems(found.systems, title), differences(found.systems)]
    if any(system.spread for system in found.systems):
        tables.append(seeds(found.systems))
    return tables


def temperature(fitted: Calibrated, run: str) -> Table:
    """Log-loss and calibration error on the validation clips, before and after."""
    title = (
        f"{run}: temperature {fitted.temperature:.4f}, fitted on {len(fitted.clips):,} validation "
        f"clips ({fitted.n_segments:,} segments)"
    )
    rows = (("before", 0), ("after", 1))
    return Table(
        "temperature",
        title,
        (Column("probabilities", "probabilities"), LOSS, Column("ece", "error", formatting.loss)),
        tuple((word, fitted.log_loss[k], fitted.ece[k]) for word, k in rows),
    )


def comparison_notes(found: Comparison, *, leaderboard: bool = False) -> list[str]:
    """What a reader must know of the numbers: rows, labels, files, clipping, intervals."""
    notes = list(found.notes)
    if len(found.systems) == 1:
        notes.append(scores_footer(found.systems[0].summary))
    else:
        notes.append(intervals_note(found.systems[0].summary))
    notes.append(f"probabilities are clipped to {found.clip:.2g} in the log-loss")
    for system in found.systems:
        notes.append(f"{system.name}: {'; '.join(system.notes)}")
        notes += [f"WARNING: {system.name}: {warning}" for warning in system.warnings]
    if leaderboard:
        notes += leaderboard_notes(found)
    return notes


def entries(found: Comparison) -> list[Entry]:
    """The results as entries of the leaderboard; none where they are of other clips."""
    if not is_official_test(found.clips):
        return []
    return [
        own_entry(
            system.name,
            system.scores.log_loss,
            system.scores.accuracy,
            found.unit if found.whole else f"{found.unit}, some missing",
            "not stated" if system.spread is None else "mean of seeds",
        )
        for system in found.systems
    ]


def leaderboard(found: Comparison, form: Form) -> Table:
    """The published results and ours, by accuracy; the official protocol first."""
    whole = leaderboard_table(entries(found))
    if form != "table":
        return whole
    # A terminal has no room for the sources.
    return replace(whole, columns=whole.columns[:-1], rows=tuple(row[:-1] for row in whole.rows))


def leaderboard_table(own: Sequence[Entry]) -> Table:
    """The published results and others, by accuracy; the official protocol first."""
    return Table(
        "leaderboard",
        "published results on the official test fold",
        (
            SYSTEM,
            Column("year", "year", formatting.or_dash),
            Column("log_loss", "log-loss", formatting.or_dash),
            Column("accuracy_per_cent", "accuracy %", formatting.or_dash),
            Column("kind", "kind"),
            Column("protocol", "protocol"),
            Column("source", "source"),
        ),
        tuple(
            (
                one.system,
                one.year,
                None if one.log_loss is None else round(one.log_loss, 4),
                round(one.accuracy, 2),
                one.kind,
                one.protocol,
                one.source,
            )
            for one in ranked([*published(), *own])
        ),
    )


def leaderboard_notes(found: Comparison) -> list[str]:
    """The places of the results among the published ones, or why they have none."""
    own = entries(found)
    if not own:
        return [
            "leaderboard: no place: these clips are not the official test fold of TAU Urban "
            "Audio-Visual Scenes 2021, by the digest of their ids"
        ]
    return [place_note(one) for one in own]


def place_note(own: Entry) -> str:
    """The place of one result, like with like."""
    words = []
    metrics: tuple[tuple[Metric, str], ...] = (("log_loss", "log-loss"), ("accuracy", "accuracy"))
    for metric, name in metrics:
        among, without = place(own, metric), place(own, metric, ensembles=False)
        if among and without:
            words.append(
                f"place {among[0]} of {among[1]} by {name} ({without[0]} of {without[1]} without "
                "ensembles)"
            )
    if not words:
        return (
            f"leaderboard: {own.system}: no place: no published result has its protocol, "
            f"{own.protocol!r}; the numbers above are for orientation only"
        )
    return (
        f"leaderboard: {own.system}: {', '.join(words)}, among results of the protocol "
        f"{own.protocol!r}"
    )


def systems(compared: Sequence[Compared], title: str) -> Table:
    """A row of scores for each system."""
    return Table(
        "systems",
        title,
        (SYSTEM, LOSS, LOSS_BOUNDS, ACCURACY, ACCURACY_BOUNDS),
        tuple(
            (
                system.name,
                system.scores.log_loss,
                system.intervals.log_loss,
                system.scores.accuracy,
                system.intervals.accuracy,
            )
            for system in compared
        ),
    )


def seeds(compared: Sequence[Compared]) -> Table:
    """Mean and standard deviation over seeds, of the systems that have seeds."""
    return Table(
        "seeds",
        "over seeds: mean ± standard deviation",
        (
            SYSTEM,
            Column("seeds", "seeds"),
            Column("log_loss_over_seeds", "log-loss", formatting.loss_spread),
            Column("accuracy_over_seeds", "accuracy %", formatting.per_cent_spread),
        ),
        tuple(
            (
                system.name,
                system.spread.n,
                [system.scores.log_loss, system.spread.log_loss_std],
                [system.scores.accuracy, system.spread.accuracy_std],
            )
            for system in compared
            if system.spread
        ),
    )


def differences(compared: Sequence[Compared]) -> Table:
    """A row for each system but the first: its differences to the first."""
    return Table(
        "differences",
        f"differences to {compared[0].name} ({STAR})",
        (
            SYSTEM,
            Column("log_loss_difference", "log-loss", formatting.loss_gap),
            Column("log_loss_difference_interval", "95 %", formatting.loss_gap_bounds),
            Column("accuracy_difference", "accuracy, points", formatting.per_cent_gap),
            Column("accuracy_difference_interval", "95 %", formatting.per_cent_gap_bounds),
        ),
        tuple((system.name, *_gaps(system)) for system in compared[1:]),
    )


def everything(compared: Sequence[Compared]) -> Table:
    """A row for each system with all of its numbers, for programs."""
    keys = (
        *("n", "log_loss", "log_loss_interval", "accuracy", "accuracy_interval"),
        *("log_loss_micro", "log_loss_micro_interval", "accuracy_micro"),
        *("accuracy_micro_interval", "ece", "seeds", "log_loss_std", "accuracy_std"),
        *("log_loss_difference", "log_loss_difference_interval"),
        *("accuracy_difference", "accuracy_difference_interval"),
    )
    return Table(
        "systems",
        "systems",
        (SYSTEM, *(Column(key, key) for key in keys)),
        tuple((system.name, *_numbers(system)) for system in compared),
    )


def _numbers(system: Compared) -> tuple[Any, ...]:
    found, bounds, spread = system.scores, system.intervals, system.spread
    return (
        found.n_segments,
        found.log_loss,
        bounds.log_loss,
        found.accuracy,
        bounds.accuracy,
        found.log_loss_micro,
        bounds.log_loss_micro,
        found.accuracy_micro,
        bounds.accuracy_micro,
        system.summary.calibration.ece,
        1 if spread is None else spread.n,
        None if spread is None else spread.log_loss_std,
        None if spread is None else spread.accuracy_std,
        *_gaps(system),
    )


def _gaps(system: Compared) -> tuple[Any, ...]:
    return (
        system.gap_log_loss,
        system.gap_intervals.log_loss,
        system.gap_accuracy,
        system.gap_intervals.accuracy,
    )
