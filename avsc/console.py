"""Output for a person: progress with rate and ETA, tables, messages."""

import codecs
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

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
        rate = self.rate()
        if rate > 0:
            left_s = max(self.total - self.done, 0) / rate
            text += f", {rate:.1f} {self.unit}/s, {duration(left_s)} left"
        return text + (f", {self.note}" if self.note else "")


class _RateColumn(ProgressColumn):
    """Rate and unit of the line, which does not count units that were complete before."""

    def render(self, task: Task) -> Text:
        line: ProgressLine = task.fields["line"]
        note = f"  {line.note}" if line.note else ""
        return Text(f"{line.rate():.1f} {line.unit}/s{note}")


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
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
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
        err.print(f"avsc: {message}", style="red", markup=False)


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
    err.print(message, markup=False)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of results on stdout; all columns but the first are right-aligned.

    On a terminal the table fits the window; in a file or a pipe no cell is folded.
    """
    drawn = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        drawn.add_column(name, justify="left" if number == 0 else "right")
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
