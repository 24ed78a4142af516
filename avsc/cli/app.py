"""The command line: it parses, calls one function and prints. Nothing heavy is imported here."""

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from avsc import __version__
from avsc.console import err, say
from avsc.errors import AvscError

INTERRUPTED = 130

app = typer.Typer(
    name="avsc",
    help="Name the scene from one second of sound and picture: prepare, train, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (any place will do).")
    ] = False,
) -> None:
    # Both are dealt with before a command runs: the version by its callback, --debug by main().
    del version, debug


def main() -> None:
    """Runs the command line; exit 0 success, 1 the work failed, 2 wrong usage."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    for name in ("SIGTERM", "SIGUSR1"):  # a batch system's, before a job's time is over
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminate)
    try:
        app(args=arguments, prog_name="avsc", standalone_mode=True)
    except AvscError as error:
        if debug:
            raise
        err.print(f"avsc: {error}", style="red", markup=False)
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # Typer has made an exit code of the interrupt
            say("avsc: stopped; what is complete is kept, run the same command again to go on")
        raise


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # Unwinds as Ctrl-C does, so files aside are removed and locks are freed.
    raise KeyboardInterrupt
