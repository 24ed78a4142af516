"""Output for a person: progress with rate and ETA, tables, messages."""

import codecs
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.table import Column, Table
from rich.text import Text

from avsc.columns import blocks, softened, wrapped

PLAIN_INTERVAL_S = 5.0
PIPE_COLUMNS = 240  # the width of a table that is not printed on a terminal


_is_terminal = sys.stdout is not None and sys.stdout.isatty()
out = Console(highlight=False, soft_wrap=True, width=None if _is_terminal else PIPE_COLUMNS)
err = Console(stderr=True, highlight=False, soft_wrap=True)
_ESCAPED = "avsc-escaped"
_listeners: list[list[str]] = []


class ProgressLine:
    """The progress of one long task.

    Args:
        title: Name of the task.
        total: Number of units.
        unit: Name of the units.
        done: Number of units that were complete before.
    """

    def __init__(self, title: str, total: int, unit: str, done: int = 0) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = done
        self.note = ""
        self._begun_with = done
        self._began_s = time.monotonic()
        self._printed_s = self._began_s

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Counts ``amount`` more units as done; ``note`` is shown after the rate."""
        self.done += amount
        self.note = note or self.note
        self._show()

    def rate(self) -> float:
        """Units a second since this process began; units that were complete before do not count."""
        elapsed_s = max(time.monotonic() - self._began_s, 1e-9)
        return (self.done - self._begun_with) / elapsed_s

    def _show(self) -> None:
        now_s = time.monotonic()
        if now_s - self._printed_s >= PLAIN_INTERVAL_S:
            self._printed_s = now_s
            print(self.plain(), file=sys.stderr, flush=True)

    def plain(self) -> str:
        """The line that is printed where there is no terminal.

        >>> ProgressLine("prepare", 10, "clips", done=4).plain()
        'prepare: 4/10 clips'
        """
        text = f"{self.title}: {self.done}/{self.total} {self.unit}"
        return ", ".join([text, *self.facts()])

    def facts(self) -> list[str]:
        """Rate, time left and note, as far as they are known."""
        rate, facts = self.rate(), []
        if rate > 0:
            left_s = max(self.total - self.done, 0) / rate
            facts = [f"{rate:.1f} {self.unit}/s", f"{duration(left_s)} left"]
        return [*facts, self.note] if self.note else facts

    def elapsed_s(self) -> float:
        """Seconds since this process began with it."""
        return time.monotonic() - self._began_s


class _FactsColumn(ProgressColumn):
    """Rate and times; the rate does not count units that were complete before."""

    def render(self, task: Task) -> Text:
        line: ProgressLine = task.fields["line"]
        said = line.facts() or [line.unit]
        if task.finished:
            said[1:2] = [f"{duration(line.elapsed_s())} in all"]
        return Text(", ".join(said), no_wrap=True)


class _BarLine(ProgressLine):
    def __init__(self, title: str, total: int, unit: str, done: int, bars: Progress) -> None:
        super().__init__(title, total, unit, done)
        self._bars = bars
        self._task = bars.add_task(title, total=total, completed=done, line=self)

    def _show(self) -> None:
        self._bars.update(self._task, completed=self.done)


@contextmanager
def progress(title: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressLine]:
    """A progress bar on a terminal, a plain line every few seconds elsewhere (on stderr)."""
    if not err.is_terminal:
        yield ProgressLine(title, total, unit, done)
        return
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        _FactsColumn(table_column=Column(no_wrap=True)),
        console=err,
    )
    with bars:
        yield _BarLine(title, total, unit, done, bars)


def encode_anything() -> None:
    """Lets every character be printed, escaped where the encoding of a stream lacks it.

    A byte of a file's name that Python could not decode is printed as it is.
    """
    codecs.register_error(_ESCAPED, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    undecoded = [0xDC80 <= ord(character) <= 0xDCFF for character in text]
    how = ["surrogateescape" if byte else "backslashreplace" for byte in undecoded]
    escaped = [one.encode("ascii", errors) for one, errors in zip(text, how, strict=True)]
    return b"".join(escaped), error.end


def complain(message: str) -> None:
    """Prints why a command failed, or gives it to those who listen."""
    if _listeners:
        _listeners[-1].append(message)
    else:
        err.print(_fitted(f"avsc: {message}", err), style="red", markup=False)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collects what the block complains of, instead of printing it."""
    messages: list[str] = []
    _listeners.append(messages)
    try:
        yield messages
    finally:
        _listeners.pop()


def say(message: str) -> None:
    """Prints a message on stderr, apart from results."""
    err.print(_fitted(message, err), markup=False)


def tell(text: str, indent: int = 0) -> None:
    """Prints a line of results on stdout; on a terminal it is broken at spaces.

    Args:
        text: The line.
        indent: Number of spaces before what follows a break.
    """
    out.print(_fitted(text, out, indent), markup=False)


def facts(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Prints names and values below a title on stdout."""
    tell(title)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        tell(f"  {name:<{width}}   {value}", indent=width + 5)


def _fitted(text: str, console: Console, indent: int = 0) -> str:
    """Text for a terminal; a command to copy stays in one line."""
    if not console.is_terminal:
        return text
    lines = text.split("\n")
    fit = [x if x.startswith("next: ") else wrapped(x, console.width, indent) for x in lines]
    return "\n".join(fit)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of results on stdout; all columns but the first are right-aligned.

    On a terminal the table fits the window, in several blocks of columns if need be; in a file or
    a pipe no cell is folded.
    """
    tell(title)
    if not out.is_terminal:
        _draw(header, rows, [None] * len(header))
        return
    for block in blocks(header, rows, out.width):
        columns = list(zip(block.columns, block.widths, strict=True))
        cells = [[softened(row[k], width) for k, width in columns] for row in rows]
        _draw([header[k] for k in block.columns], cells, block.widths)


def _draw(
    header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int | None]
) -> None:
    drawn = Table()
    for number, (name, width) in enumerate(zip(header, widths, strict=True)):
        justify: Literal["left", "right"] = "left" if number == 0 else "right"
        drawn.add_column(name, justify=justify, width=width, overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(cell) for cell in row])
    out.print(drawn)


def duration(seconds: float) -> str:
    """Seconds for a person.

    >>> duration(7), duration(125), duration(7320)
    ('7 s', '2 min 5 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def byte_size(count: float) -> str:
    """Bytes for a person, in powers of 1000.

    >>> byte_size(950), byte_size(108_000_000_000)
    ('950 B', '108.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
