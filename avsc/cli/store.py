"""Commands that say what there is: info, verify."""

from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.app import app
from avsc.cli.options import STAGE_1, Store
from avsc.console import say
from avsc.errors import AvscError


@app.command(rich_help_panel=STAGE_1)
def info(
    path: Annotated[
        str,
        typer.Argument(help="A data set (its folder or table), a store, or the folder of a run."),
    ],
    clip: Annotated[
        str | None,
        typer.Argument(
            metavar="[CLIP]", help="Draw this clip of a store: features and pictures, as CLIP.png."
        ),
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="CLIP", help="The same as naming CLIP behind the store.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The drawing: a .png, .pdf or .svg file; CLIP.png by default."
        ),
    ] = None,
) -> None:
    """Say what a data set, a store or a run holds, and how complete it is.

    Of a data set it reads all headers: clips, hours, scenes, rates, sizes, what `avsc prepare`
    would refuse and why, and the next command.
    """
    if clip is not None and plot is not None:
        raise typer.BadParameter("CLIP or --plot CLIP: one of them")
    clip = plot if clip is None else clip
    if clip is None and out is not None:
        raise typer.BadParameter("--out FILE is where the drawing of a CLIP goes")
    if clip is not None:
        from avsc.report.clip_figure import plot_clip

        drawing = out or Path(f"{Path(clip).name}.png")
        if out is None and drawing.exists():
            raise AvscError(
                f"{drawing} is there already",
                "a name that is free",
                "remove it, or name the drawing with --out FILE, which may be replaced",
            )
        plot_clip(path, clip, drawing)
        say(f"drawn to {drawing}")
        return
    from avsc.report.info import show

    show(path)


@app.command(rich_help_panel=STAGE_1)
def verify(
    store: Store,
) -> None:
    """Read every byte of a store, check every checksum, and name what is damaged."""
    from avsc.console import progress
    from avsc.store.layout import read_attributes
    from avsc.store.location import locate
    from avsc.store.schema import partition_count
    from avsc.store.verify import verify as find_damage

    attributes = read_attributes(locate(store))
    total = partition_count(attributes.clips, attributes.settings)
    with progress("verify", total, "partitions") as line:
        damaged = find_damage(store, line.advance)
    for damage in damaged:
        print(damage)
    if damaged:
        raise AvscError(
            f"{store}: {len(damaged)} things are not as they were written (listed above)",
            "every byte as `avsc prepare` wrote it",
            "delete the damaged files and run the same `avsc prepare` again: only their partitions"
            " are made anew",
        )
    say(f"{store}: every checksum of {attributes.clips} clips agrees")
