"""Cells of a predictions file as probabilities: rounded ones are normalised, others refused; pure.

Shape legend: n rows, C scenes.
"""

import math
from collections.abc import Sequence

import numpy as np

from avsc.errors import AvscError
from avsc.evaluate.text_table import TextTable, rows_text
from avsc.metrics import Probabilities

USUAL_DECIMALS = 3  # of rounded probabilities, also where they are written with more
MOST_TOLERANCE = 0.05
UNSAID = 1e-6  # float32 sums are no further from 1


def read_probabilities(
    table: TextTable, columns: Sequence[int]
) -> tuple[Probabilities, tuple[str, ...]]:
    """The probabilities, [n, C], rows summing to 1, and notes of what was done to them.

    Args:
        table: The file.
        columns: Numbers of the scenes' columns.

    Raises:
        AvscError: Cells are no numbers, or the numbers are no probabilities.
    """
    values = _numbers(table, columns)
    sums = values.sum(axis=1)
    notes = []
    if values.min() >= 0 and np.abs(sums / 100 - 1).max() <= MOST_TOLERANCE:
        values, sums = values / 100, sums / 100
        notes.append("per cent: divided by 100")
    tolerance = _tolerance(table, columns, 100 if notes else 1)
    wrong = (values < 0).any(axis=1) | (values > 1 + 1e-9).any(axis=1)
    wrong |= np.abs(sums - 1) > tolerance
    if wrong.any():
        raise _no_probabilities(table, values, np.flatnonzero(wrong).tolist(), tolerance)
    if np.abs(sums - 1).max() > 1e-9:
        if np.abs(sums - 1).max() > UNSAID:
            notes.append(f"sums between {sums.min():.4g} and {sums.max():.4g}: normalised")
        values = values / sums[:, None]
    return values, tuple(notes)


def _numbers(table: TextTable, columns: Sequence[int]) -> Probabilities:
    values = np.full((len(table.rows), len(columns)), np.nan)
    for k, cells in enumerate(table.rows):
        for j, column in enumerate(columns):
            try:
                values[k, j] = float(cells[column])
            except ValueError:
                continue
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist()
    if wrong:
        row = wrong[0]
        j = int(np.flatnonzero(~np.isfinite(values[row]))[0])
        cell = table.rows[row][columns[j]]
        comma = "," in cell and "." not in cell
        raise AvscError(
            f"{rows_text(len(wrong))} of {table.path} with cells that are no numbers, such as "
            f"{cell!r} for {table.header[columns[j]]}:{table.show(wrong)}",
            "a finite number for each scene, with a decimal point",
            "write decimal points instead of commas" if comma else "complete the rows",
        )
    return values


def _tolerance(table: TextTable, columns: Sequence[int], unit: int) -> float:
    """How far a row's sum may be from 1 by rounding each of its cells."""
    written = max(_decimals(row[k]) for row in table.rows[:1000] for k in columns)
    decimals = min(written + round(math.log10(unit)), USUAL_DECIMALS)
    return min(len(columns) * 0.5 * 10.0**-decimals, MOST_TOLERANCE) + 1e-9


def _decimals(cell: str) -> int:
    """The number of decimals of a cell.

    >>> _decimals("0.25"), _decimals("1"), _decimals("2.5e-07")
    (2, 0, 8)
    """
    number, _, power = cell.lower().partition("e")
    return max(len(number.partition(".")[2]) - int(power or 0), 0)


def _no_probabilities(
    table: TextTable, values: Probabilities, wrong: Sequence[int], tolerance: float
) -> AvscError:
    total = math.fsum(values[wrong[0]])
    most = len(wrong) > len(values) / 2
    logits = most and (values < 0).any() and (values > 0).any()
    logarithms = (values <= 0).all() and np.abs(np.exp(values).sum(axis=1) - 1).max() < 0.05
    if logarithms:
        what, remedy = "logarithms of probabilities", "write exp() of them"
    elif logits or (most and np.abs(values.sum(axis=1) - 1).min() > MOST_TOLERANCE):
        what = "numbers that are no probabilities (logits, or votes?)"
        remedy = "apply the softmax to each row of logits first; divide votes by their number"
    else:
        what, remedy = "numbers that are no probabilities", "correct these rows"
    return AvscError(
        f"{rows_text(len(wrong))} of {table.path} with {what}; the first sums to {total:.6g}:"
        f"{table.show(wrong)}",
        f"numbers from 0 to 1 in each row that sum to 1, to within {tolerance:.3g}",
        remedy,
    )
