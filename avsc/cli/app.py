"""The command line: it parses, calls one function and prints. Nothing heavy is imported here."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from avsc import __version__
from avsc.cli import ranks
from avsc.console import complain, encode_anything, say
from avsc.errors import AvscError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
CLOSED_PIPE = 128 + 13  # what a shell says of a program that SIGPIPE ended

UsageError: type[Any] = typer.BadParameter.__bases__[0]  # of the click that Typer has


app = typer.Typer(
    name="avsc",
    help="Name the scene from one second of sound and picture: prepare, train, evaluate.",
    no_args_is_help=True,
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
    _use_utf8()
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    for name in ("SIGTERM", "SIGUSR1"):  # a batch system's, before a job's time is over
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminate)
    encode_anything()
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_local_paths(command.callback)
    code = ranks.run(lambda: _run(arguments, debug), debug)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains of it at its end
        code = CLOSED_PIPE
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    """Runs one command; returns its exit code."""
    try:
        code = app(args=arguments, prog_name="avsc", standalone_mode=False)
    except UsageError as error:
        if not arguments:
            error.show()  # the help
            return USAGE
        words = error.ctx.command_path if error.ctx else f"avsc {arguments[0]}"
        message = error.format_message()
        known = "what to do" in message
        complain(message if known else f"{message}\nwhat to do: see `{words} --help`")
        return USAGE
    except AvscError as error:
        if debug:
            raise
        complain(str(error))
        return FAILED
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # nobody reads, such as after `| head`
            return CLOSED_PIPE
        raise
    except typer.Abort:
        code = INTERRUPTED
    if code == INTERRUPTED and ranks.speaks():
        say("avsc: stopped; what is complete is kept, run the same command again to go on")
    return code if isinstance(code, int) else 0


def _use_utf8() -> None:
    """Starts Python again in its UTF-8 mode, where the C locale has it take names for ASCII."""
    if sys.getfilesystemencoding() != "utf-8" and os.name == "posix":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts, too
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _with_local_paths(command: Callable[..., object]) -> Callable[..., object]:
    """The command, which refuses an address for a path: a ``Path`` would make a folder of it."""

    @functools.wraps(command)
    def checked(**options: object) -> object:
        from avsc.store.location import locate

        for value in options.values():
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, Path) and (place := locate(path)).folder is None:
                    raise typer.BadParameter(
                        f"{place.place} is an address, and only a STORE may be one: name a folder"
                        " or file of this machine"
                    )
        return command(**options)

    return checked


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # Unwinds as Ctrl-C does, so files aside are removed and locks are freed.
    raise KeyboardInterrupt
