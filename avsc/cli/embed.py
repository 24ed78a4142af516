"""The command that encodes views ahead of time."""

import shlex
from typing import Annotated

import typer

from avsc.cli import ranks
from avsc.cli.app import app
from avsc.cli.options import (
    HOW,
    RECIPE,
    STAGE_2,
    Device,
    EncoderWeights,
    RecipeSource,
    Settings,
    Store,
    Threads,
)
from avsc.console import say


@app.command(rich_help_panel=STAGE_2)
def embed(
    store: Store,
    *,
    views: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Number of augmented views of each training image, as train.views of the runs "
            "that will use them; a bank with fewer grows. Without it, the plain images alone.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    recipe: RecipeSource = None,
    settings: Settings = None,
    ve_weights: EncoderWeights = None,
    only: Annotated[
        bool,
        typer.Option("--only-views", help="Leave the plain images out.", rich_help_panel=HOW),
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Encode images ahead of time: a job for a GPU, whose result training on any machine uses.

    The visual encoder is frozen, so K augmented views of every image can be encoded once and drawn
    from in all epochs of all runs (`avsc train ... --set train.views=K`), whatever their seed,
    feature and strategy. The views lie beside the store, in STORE.embeddings; `avsc info STORE`
    lists them. Of the recipe it reads the sections visual and augment, and train.precision: they
    must be those of the runs, and so must the device's kind where precision is auto.

    It can be stopped at any moment; the same command goes on. Started several times at once, also
    by torchrun, the processes share the work.

    **Examples**

    - `avsc embed STORE --views 16 --ve-weights VE`
    - `avsc embed STORE --views 16 --set visual.model=resnet50`
    - `torchrun --nproc-per-node 8 -m avsc embed STORE --views 16`
    """
    from avsc.cli.train import as_settings
    from avsc.recipe import load
    from avsc.train.embed import embed as run

    shortcuts = {"visual.weights": ve_weights, "train.threads": threads}
    merged = load(recipe, [*(settings or []), *as_settings(shortcuts)])
    run(store, merged, views, plain=not only, device=device)
    if ranks.speaks() and views is not None:
        say(f"next: avsc train {shlex.quote(store)} --out RUN --set train.views={views}")
