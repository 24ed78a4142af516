"""How scores and intervals are written for a person."""

import math

from avsc.evaluate.bootstrap import Interval

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


def loss(value: float) -> str:
    """A log-loss.

    >>> loss(0.15171), loss(float("nan"))
    ('0.1517', '–')
    """
    return DASH if math.isnan(value) else f"{value:.4f}"


def per_cent(share: float) -> str:
    """An accuracy, from a share to per cent.

    >>> per_cent(0.94587)
    '94.59'
    """
    return DASH if math.isnan(share) else f"{100 * share:.2f}"


def loss_bounds(interval: Interval) -> str:
    """The interval of a log-loss.

    >>> loss_bounds(Interval(0.1311, 0.176))
    '0.131–0.176'
    """
    return _bounds(interval, 1, 3)


def per_cent_bounds(interval: Interval) -> str:
    """The interval of an accuracy.

    >>> per_cent_bounds(Interval(0.9312, 0.96))
    '93.1–96.0'
    """
    return _bounds(interval, 100, 1)


def loss_gap(value: float, interval: Interval) -> tuple[str, str]:
    """A difference of log-losses and its interval; a star says that it excludes 0.

    >>> loss_gap(-0.0981, Interval(-0.12, -0.07))
    ('−0.0981', '[−0.120, −0.070] *')
    """
    return _signed(value, 1, 4), _signed_bounds(interval, 1, 3)


def per_cent_gap(value: float, interval: Interval) -> tuple[str, str]:
    """A difference of accuracies in points and its interval, likewise.

    >>> per_cent_gap(0.0152, Interval(-0.001, 0.03))
    ('+1.52', '[−0.1, +3.0]')
    """
    return _signed(value, 100, 2), _signed_bounds(interval, 100, 1)


def _bounds(interval: Interval, factor: float, digits: int) -> str:
    if math.isnan(interval.low):
        return ""
    ends = (interval.low, interval.high)
    return DASH.join(f"{factor * end:.{digits}f}" for end in ends)


def _signed_bounds(interval: Interval, factor: float, digits: int) -> str:
    if math.isnan(interval.low):
        return ""
    ends = (interval.low, interval.high)
    star = " *" if interval.low > 0 or interval.high < 0 else ""
    return "[" + ", ".join(_signed(end, factor, digits) for end in ends) + "]" + star


def _signed(value: float, factor: float, digits: int) -> str:
    rounded = round(factor * value, digits)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):.{digits}f}"
