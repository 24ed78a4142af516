"""The command that shows everything at once."""

from pathlib import Path
from typing import Annotated

import typer

from avsc.cli.app import app


@app.command(rich_help_panel="A first look, and data sets")
def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes; about 1 GB.")] = Path(
        "avsc-demo"
    ),
) -> None:
    """Run the whole road on a small synthetic data set: minutes, on any CPU.

    Makes the data set, prepares it, pre-trains a small visual encoder, trains the joint, the
    audio and the video system, and scores them. Run again, it uses what is complete.
    """
    from avsc.demo import demo as run
    from avsc.demo import show

    show(out, run(out))
