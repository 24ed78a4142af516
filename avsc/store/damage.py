"""How a file of a store that is missing or not what was written is reported."""

from pathlib import Path

from avsc.errors import AvscError


def damage(path: Path | str, what: str) -> AvscError:
    """The error that names a damaged file and says how to have it made anew."""
    return AvscError(
        f"{path}: {what}",
        "the file that `avsc prepare` wrote",
        "delete that file if it is there and run the same `avsc prepare` again: only its partition "
        "is made anew (`avsc verify` lists everything that is damaged)",
    )
