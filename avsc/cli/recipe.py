"""The command that explains recipes."""

import textwrap
from typing import Annotated

import typer

from avsc.cli.app import app
from avsc.cli.options import STAGE_2


@app.command(rich_help_panel=STAGE_2)
def recipe(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Name of a shipped recipe, or a TOML file; by default the paper's joint "
            "optimisation.",
            show_default=False,
        ),
    ] = None,
    *,
    listed: Annotated[bool, typer.Option("--list", help="Show the shipped recipes.")] = False,
) -> None:
    """Print a recipe: every key with its value, the values it takes and what it means.

    What is printed is a recipe file itself.

    **Examples**

    - `avsc recipe --list`
    - `avsc recipe joint-fbank-resnet50`
    - `avsc recipe > mine.toml`, change it, then `avsc train STORE --out RUN --recipe mine.toml`
    """
    from avsc import recipe as recipes
    from avsc import recipe_files, recipe_keys

    if listed:
        if name is not None:
            raise typer.BadParameter("--list takes no NAME")
        for known, system in recipe_files.shipped().items():
            print(known)
            print(textwrap.indent(textwrap.fill(system, 76), "    "))
        return
    print(recipe_keys.explained(recipes.load(name), recipes.Recipe()), end="")
