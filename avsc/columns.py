"""How text fits into a number of columns without a break inside a word; pure."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

FRAME = 3  # columns between two cells: a space, a line, a space
LAST = 1  # the line at the right end


@dataclass(frozen=True)
class Block:
    """Columns of a table that are printed side by side.

    Attributes:
        columns: Numbers of the columns; the first is the table's first.
        widths: Width of each of them in characters.
    """

    columns: tuple[int, ...]
    widths: tuple[int, ...]


def wrapped(text: str, width: int, indent: int = 0) -> str:
    r"""Text broken at spaces; a word that is longer than a line stays whole.

    >>> wrapped("clips    30 of 10 s", 13, indent=9)
    'clips    30\n         of\n         10 s'

    Args:
        text: Text, of one line or of several.
        width: Greatest number of characters of a line.
        indent: Number of spaces before the lines that are added.
    """
    lines = []
    for line in text.split("\n"):
        own = len(line) - len(line.lstrip())
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * max(indent, own),
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        ) or [""]
    return "\n".join(lines)


def blocks(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Block]:
    """Spreads a table over as few blocks as fit, each of which begins with the first column.

    >>> [block.columns for block in blocks(["scene", "fold 1", "fold 2"], [], 20)]
    [(0, 1), (0, 2)]

    Args:
        header: Heading of each column.
        rows: Cells of each row.
        width: Greatest number of characters of a line.
    """
    cells = [list(column) for column in zip(header, *rows, strict=True)]
    least = [max(_longest_word(cell) for cell in column) for column in cells]
    natural = [max(_longest_line(cell) for cell in column) for column in cells]
    least[0] = min(least[0], max(width // 4, *map(_longest_piece, cells[0])))
    found: list[Block] = []
    left = list(range(1, len(cells)))
    while left or not found:
        chosen = [0]
        while left and (
            len(chosen) == 1 or _total([least[k] for k in [*chosen, left[0]]]) <= width
        ):
            chosen.append(left.pop(0))
        found.append(Block(tuple(chosen), _spread(chosen, least, natural, width)))
    return found


def softened(cell: str, width: int) -> str:
    r"""A cell whose words are broken after ``/ - _ .`` where they are longer than its column.

    >>> softened("runs/audio/predictions.csv", 12)
    'runs/audio/\npredictions.\ncsv'
    """
    words = []
    for word in cell.split(" "):
        lines = [""]
        for piece in _pieces(word) if len(word) > width else [word]:
            if lines[-1] and len(lines[-1]) + len(piece) > width:
                lines.append("")
            lines[-1] += piece
        words.append("\n".join(lines))
    return " ".join(words)


def _spread(
    chosen: Sequence[int], least: Sequence[int], natural: Sequence[int], width: int
) -> tuple[int, ...]:
    """Widths of the columns: what is left over goes to those that need little first."""
    widths = {k: least[k] for k in chosen}
    for k in sorted(chosen, key=lambda k: natural[k]):
        over = width - _total(list(widths.values()))
        widths[k] += max(0, min(over, natural[k] - widths[k]))
    return tuple(widths[k] for k in chosen)


def _total(widths: Sequence[int]) -> int:
    return sum(width + FRAME for width in widths) + LAST


def _longest_word(cell: str) -> int:
    return max((len(word) for word in cell.split()), default=0)


def _longest_line(cell: str) -> int:
    return max((len(line) for line in cell.splitlines()), default=0)


def _longest_piece(cell: str) -> int:
    return max((len(piece) for word in cell.split() for piece in _pieces(word)), default=0)


def _pieces(word: str) -> list[str]:
    return re.findall(r"[^/_.\-]*[/_.\-]+|[^/_.\-]+", word)
