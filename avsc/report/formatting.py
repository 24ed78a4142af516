"""Scores, intervals, shares and times as text for a person; pure."""

import math
from collections.abc import Sequence

from avsc.evaluate.bootstrap import Interval

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
UNKNOWN = "unknown"


def count(number: int) -> str:
    """A number of things.

    >>> count(36450)
    '36,450'
    """
    return f"{number:,}"


def or_dash(value: object) -> str:
    """A value, or a dash where there is none.

    >>> or_dash(0.149), or_dash(None)
    ('0.149', '–')
    """
    return DASH if value is None else str(value)


def loss(value: float) -> str:
    """A log-loss.

    >>> loss(0.15171), loss(float("nan"))
    ('0.1517', '–')
    """
    return DASH if math.isnan(value) else f"{value:.4f}"


def per_cent(share: float) -> str:
    """An accuracy in per cent, from a share.

    >>> per_cent(0.94587)
    '94.59'
    """
    return DASH if math.isnan(share) else f"{100 * share:.2f}"


def whole_per_cent(share: float) -> str:
    """A share in whole per cent; only what is certain is 0 or 100.

    >>> whole_per_cent(0.004), whole_per_cent(0.5), whole_per_cent(0.999), whole_per_cent(1.0)
    ('<1', '50', '>99', '100')
    """
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 else f"{100 * share:.0f}"


def clock(seconds: int) -> str:
    """A time since the beginning of a recording.

    >>> clock(7), clock(125), clock(7320)
    ('0:07', '2:05', '2:02:00')
    """
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def short(name: str, most: int = 24) -> str:
    """A name that fits into a figure: cut in its middle, where long names tend to be alike.

    >>> short("street_pedestrian"), short("second floor, room number twelve", 20)
    ('street_pedestrian', 'second fl…ber twelve')
    """
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def loss_bounds(interval: Interval) -> str:
    """The interval of a log-loss.

    >>> loss_bounds(Interval(0.1311, 0.176)), loss_bounds(Interval(math.nan, math.nan))
    ('0.131–0.176', 'unknown')
    """
    return _bounds(interval, 1, 3)


def per_cent_bounds(interval: Interval) -> str:
    """The interval of an accuracy.

    >>> per_cent_bounds(Interval(0.9312, 0.96))
    '93.1–96.0'
    """
    return _bounds(interval, 100, 1)


def loss_gap(value: float) -> str:
    """A difference of log-losses.

    >>> loss_gap(-0.0981)
    '−0.0981'
    """
    return _signed(value, 1, 4)


def loss_gap_bounds(interval: Interval) -> str:
    """The interval of such a difference; a star marks one that excludes 0.

    >>> loss_gap_bounds(Interval(-0.12, -0.07))
    '[−0.120, −0.070] *'
    """
    return _signed_bounds(interval, 1, 3)


def per_cent_gap(value: float) -> str:
    """A difference of accuracies in points.

    >>> per_cent_gap(0.0152)
    '+1.52'
    """
    return _signed(value, 100, 2)


def per_cent_gap_bounds(interval: Interval) -> str:
    """The interval of such a difference, with the same star.

    >>> per_cent_gap_bounds(Interval(-0.001, 0.03))
    '[−0.1, +3.0]'
    """
    return _signed_bounds(interval, 100, 1)


def loss_spread(pair: Sequence[float]) -> str:
    """Mean and standard deviation of log-losses.

    >>> loss_spread([0.15171, 0.0123])
    '0.1517 ± 0.0123'
    """
    return f"{loss(pair[0])} ± {loss(pair[1])}"


def per_cent_spread(pair: Sequence[float]) -> str:
    """Mean and standard deviation of accuracies, in per cent.

    >>> per_cent_spread([0.94587, 0.0123])
    '94.59 ± 1.23'
    """
    return f"{per_cent(pair[0])} ± {per_cent(pair[1])}"


def _bounds(interval: Interval, factor: float, digits: int) -> str:
    if not interval.known:
        return UNKNOWN
    ends = (interval.low, interval.high)
    return DASH.join(f"{factor * end:.{digits}f}" for end in ends)


def _signed_bounds(interval: Interval, factor: float, digits: int) -> str:
    if not interval.known:
        return UNKNOWN
    ends = (interval.low, interval.high)
    star = " *" if interval.low > 0 or interval.high < 0 else ""
    return "[" + ", ".join(_signed(end, factor, digits) for end in ends) + "]" + star


def _signed(value: float, factor: float, digits: int) -> str:
    if math.isnan(value):
        return DASH
    rounded = round(factor * value, digits)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):.{digits}f}"
