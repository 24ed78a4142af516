"""The command that shows every step on synthetic data."""

from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.app import app
from avsc.cli.options import FIRST_LOOK


@app.command(rich_help_panel=FIRST_LOOK)
def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for everything; about 1 GB.")
    ] = Path("avsc-demo"),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            help="Your own data set instead of a synthetic one, of some ten to some hundred "
            "recordings: a folder with a folder of videos for each scene, or a table clips.csv.",
        ),
    ] = None,
) -> None:
    """Run every step on a small synthetic data set, or on your own: minutes, on any CPU.

    Makes the data set, prepares it, pre-trains a small visual encoder, trains the joint system,
    the pipeline, and sound and pictures alone, scores them, and predicts a clip. It ends with
    DIR/index.html, a page that links the reports. Run again, it uses what is complete. Of your own
    recordings it says first how long it may take. Models and pictures are small: `avsc prepare` and
    `avsc train` take your data the whole way.

    **Example**

    - `avsc demo --out /tmp/avsc-demo`
    - `avsc demo --data rooms/ --out rooms-demo`
    """
    from avsc.demo import demo as run
    from avsc.demo import show

    show(out, run(out, data), data)
