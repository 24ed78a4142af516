"""Commands that make or fetch a data set."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import FIRST_LOOK, Edition
from avsc.console import byte_size, say, table


@app.command(rich_help_panel=FIRST_LOOK)
def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; run again to complete it.")],
    *,
    clips_per_scene: Annotated[
        int, typer.Option(min=2, help="Ten-second clips of each of the ten scenes.")
    ] = 20,
    locations_per_scene: Annotated[
        int,
        typer.Option(min=2, help="Locations a scene; about 70 % of them are for training."),
    ] = 7,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed; another one makes another data set.")
    ] = 0,
    edition: Annotated[
        Literal["development", "evaluation"],
        typer.Option(
            metavar="EDITION",
            help="development, or evaluation: one-second files with numbers for names and no"
            " labels.",
        ),
    ] = "development",
    size: Annotated[str, typer.Option(help="Size of the pictures in pixels.")] = "320x180",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; all cores unless given.")
    ] = None,
) -> None:
    """Make a synthetic data set in TAU's layout: real WAV and MP4 files, made-up scenes.

    Neither sound nor picture alone tells all scenes apart; both together do. Takes about half a
    second of a core and 3 MB a clip. `avsc prepare OUT STORE` goes on from here.
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
    say(f"next: avsc prepare {shlex.quote(str(out))} STORE")


@app.command(rich_help_panel=FIRST_LOOK)
def download(
    out: Annotated[Path, typer.Argument(help="Folder of the data set; run again to go on.")],
    *,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="documentation, meta, examples, audio or video; may be repeated.",
            show_default="all but examples",
        ),
    ] = None,
    edition: Edition = "development",
    base_url: Annotated[
        str | None,
        typer.Option(envvar="AVSC_BASE_URL", help="A mirror of the archives instead of Zenodo."),
    ] = None,
    keep_archives: Annotated[
        bool,
        typer.Option(
            "--keep-archives", help="Keep each archive after it is unpacked (twice the space)."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List archives, bytes and what is missing.")
    ] = False,
) -> None:
    """Fetch TAU Urban Audio-Visual Scenes 2021 (108 GB), check it and unpack it.

    Goes on where it stopped, in the middle of an archive too; archives that lie in OUT/archives
    already are checked and used.
    """
    from avsc.dataset import download as downloads

    parts = tuple(part) if part else downloads.USUAL_PARTS
    if dry_run:
        steps = downloads.plan(out, edition, parts)
        rows = [(s.archive.filename, byte_size(s.archive.size), s.state) for s in steps]
        table(f"{edition} edition", ("archive", "size", "state"), rows)
        say(f"{byte_size(sum(step.to_fetch for step in steps))} to fetch")
        return
    downloads.download(out, edition, parts, base_url=base_url, keep_archives=keep_archives)
    say(f"complete: {out}")
    say(f"next: avsc prepare {shlex.quote(str(out))} STORE")
