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
) -> None:
    """Run every step on a small synthetic data set: minutes, on any CPU.

    Makes the data set, prepares it, pre-trains a small visual encoder, trains the joint system,
    the pipeline, and sound and pictures alone, scores them, and predicts a clip. It ends with
    DIR/index.html, a page that links the reports. Run again, it uses what is complete.

    **Example**

    - `avsc demo --out /tmp/avsc-demo`
    """
    from avsc.demo import demo as run
    from avsc.demo import show

    show(out, run(out))
