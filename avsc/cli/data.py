"""Commands that make or fetch a data set."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.console import say

Edition = Literal["development", "evaluation"]


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; run again to complete it.")],
    clips_per_scene: Annotated[
        int, typer.Option(min=2, help="Ten-second clips of each of the ten scenes.")
    ] = 20,
    locations_per_scene: Annotated[
        int,
        typer.Option(min=2, help="Places they are spread over; about 70 % are for training."),
    ] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes another data set.")] = 0,
    edition: Annotated[
        Edition,
        typer.Option(help="evaluation: one-second files with numbers for names and no labels."),
    ] = "development",
    size: Annotated[str, typer.Option(help="Of the pictures, in pixels.")] = "320x180",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; all cores unless given.")
    ] = None,
) -> None:
    """Make a synthetic data set in TAU's layout: real WAV and MP4 files, made-up scenes.

    Neither sound nor picture alone tells all scenes apart; both together do. Takes about a third
    of a second and 3 MB a clip.
    """
    from avsc.synth.make import make_dataset
    from avsc.synth.plan import SynthSettings

    width, cross, height = size.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter("WIDTHxHEIGHT, such as 320x180", param_hint="--size")
    settings = SynthSettings(
        clips_per_scene, locations_per_scene, seed, edition, int(width), int(height)
    )
    made = make_dataset(out, settings, workers)
    say(f"{made} clips made, {10 * clips_per_scene - made} were there: {out}")
