"""Scores as tables for a terminal: header and rows; pure."""

from collections.abc import Sequence

from avsc.evaluate.compare import Compared
from avsc.evaluate.summary import Summary
from avsc.report import formatting

Table = tuple[list[str], list[list[str]]]


def scores(summary: Summary) -> Table:
    """A row for each scene and one for their mean."""
    return ["scene", "n", "log-loss", "95 %", "accuracy %", "95 %"], [
        [
            row.name,
            f"{row.n:,}",
            formatting.loss(row.log_loss),
            formatting.loss_bounds(row.log_loss_interval),
            formatting.per_cent(row.accuracy),
            formatting.per_cent_bounds(row.accuracy_interval),
        ]
        for row in (*summary.by_scene(), summary.overall())
    ]


def scores_footer(summary: Summary) -> str:
    """The line under the table of scores."""
    found = summary.scores
    return (
        f"mean over all segments: log-loss {formatting.loss(found.log_loss_micro)}, accuracy "
        f"{formatting.per_cent(found.accuracy_micro)} %; calibration error "
        f"{summary.calibration.ece:.3f}; intervals by resampling {summary.n_locations} locations"
    )


def systems(compared: Sequence[Compared]) -> Table:
    """A row of scores for each system."""
    return ["system", "log-loss", "95 %", "accuracy %", "95 %"], [
        [
            system.name,
            formatting.loss(system.scores.log_loss),
            formatting.loss_bounds(system.intervals.log_loss),
            formatting.per_cent(system.scores.accuracy),
            formatting.per_cent_bounds(system.intervals.accuracy),
        ]
        for system in compared
    ]


def differences(compared: Sequence[Compared]) -> Table:
    """A row for each system but the first: its differences to the first."""
    return ["system", "log-loss", "95 %", "accuracy, points", "95 %"], [
        [
            system.name,
            *formatting.loss_gap(system.gap_log_loss, system.gap_intervals.log_loss),
            *formatting.per_cent_gap(system.gap_accuracy, system.gap_intervals.accuracy),
        ]
        for system in compared[1:]
    ]
