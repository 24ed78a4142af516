"""The files of recipes: those that are shipped, by name, and anybody's, by path."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from avsc.errors import AvscError
from avsc.resources import resource

RECIPES = "pipelines/recipes"  # of the rows of the paper's tables 2, 3 and 4; newer encoders


def shipped() -> dict[str, str]:
    """The names of the shipped recipes, and what each is: the first comment of its file."""
    files = sorted(resource(RECIPES).glob("*.toml"))
    return {file.stem: file.read_text(encoding="utf-8").splitlines()[0][2:] for file in files}


def find(source: Path | str) -> Path:
    """The file of a recipe.

    Args:
        source: Path of a TOML file, or name of a shipped recipe.

    Raises:
        AvscError: It is neither.
    """
    path, names = Path(source), shipped()
    if path.is_file():
        return path
    name = path.name.removesuffix(".toml")
    if path.name == str(source) and name in names:
        return resource(f"{RECIPES}/{name}.toml")
    close = difflib.get_close_matches(name, names, n=3)
    raise AvscError(
        f"no recipe {str(source)!r}: "
        + ("it is a folder" if path.is_dir() else "there is no such file and no recipe so named"),
        "a TOML file, or a name that `avsc recipe --list` shows",
        f"did you mean {' or '.join(close)}?" if close else "check the name or the path",
    )


def read(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        AvscError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AvscError(
            f"cannot read the recipe {path}: {error.strerror}", "a TOML file", "check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AvscError(
            f"{path} is not TOML: {error}", "sections such as [train]", "correct the file"
        ) from None
