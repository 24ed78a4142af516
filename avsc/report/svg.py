"""Parts of which the report's figures are drawn: marks, scales, ticks; pure text.

Colours are never written here: each mark carries a class, and the page's style sheet gives it a
colour for light, for dark and for paper. Coordinates are in the units of the view box, of which
a phone shows about one a pixel, so that letters of 11 units stay readable there.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

LETTER = 11  # units; the height of small print in every figure


@dataclass(frozen=True)
class Scale:
    """A straight map from data to view-box units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value lies; values outside lie outside.

        >>> Scale(0, 10, 100, 200)(2.5)
        125.0
        """
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most ``most`` round numbers from ``low`` to ``high``.

    >>> ticks(0, 1), ticks(0, 37, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 10.0, 20.0, 30.0])
    """
    span = max(high - low, 1e-12)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(f * power for f in (1, 2, 5, 10, 20) if span / (f * power) <= most - 1 + 1e-9)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) + 0.0 for k in range(first, last + 1)]


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of letters; ``content`` may be anything, it is escaped."""
    place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
    return f"<text {place}{_class(kind)}>{escape(content)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<path d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"{_class(kind)}/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle; nothing where it has no extent."""
    if width <= 0 or height <= 0:
        return ""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    return f"<rect {place}{_class(kind)}/>"


def polyline(points: Iterable[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    steps = [f"{_n(x)} {_n(y)}" for x, y in points]
    return f'<path d="M{"L".join(steps)}"{_class(kind)}/>' if steps else ""


def dots(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Round dots of the class's line width, all in one element: thousands stay small."""
    steps = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in points)
    return f'<path d="{steps}"{_class("dots " + kind)}/>' if steps else ""


def area(points: Iterable[tuple[float, float]], floor: float, kind: str) -> str:
    """What lies between points, from left to right, and the height ``floor``."""
    above = list(points)
    if not above:
        return ""
    steps = "L".join(f"{_n(x)} {_n(y)}" for x, y in above)
    foot = f"M{_n(above[0][0])} {_n(floor)}L{steps}L{_n(above[-1][0])} {_n(floor)}Z"
    return f'<path d="{foot}"{_class(kind)}/>'


def image(
    x: float, y: float, width: float, height: float, uri: str, *, stretch: bool = False
) -> str:
    """A picture that fills a rectangle: cut at its edges, or stretched to it."""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    fit = "none" if stretch else "xMidYMid slice"
    return f'<image {place} preserveAspectRatio="{fit}" href="{escape(uri)}"/>'


def drawing(width: float, height: float, description: str, parts: Sequence[str]) -> str:
    """A whole figure; ``description`` is what a person who cannot see it is told."""
    return (
        f'<svg viewBox="0 0 {_n(width)} {_n(height)}" role="img" '
        f'aria-label="{escape(description)}">{"".join(parts)}</svg>'
    )


def _class(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""


def _n(value: float) -> str:
    """A coordinate to a tenth of a unit, as short as can be.

    >>> _n(3.0), _n(2.25), _n(-0.04)
    ('3', '2.2', '0')
    """
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
