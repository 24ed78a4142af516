"""The command that encodes views, or sound, ahead of time."""

import shlex
from pathlib import Path
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

Dataset = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATASET",
        help="With --audio-model: what `avsc prepare` made the store from. Its sound is read "
        "again.",
        show_default=False,
    ),
]
Views = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Number of augmented views of each training image, as train.views of the runs "
        "that will use them; a bank with fewer grows. Without it, the plain images alone.",
        rich_help_panel=RECIPE,
    ),
]
AudioModel = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Encode sound instead of images, with the pre-trained audio encoder in this "
        "folder: an AST or CLAP model as transformers saves them (config.json, "
        "preprocessor_config.json, model.safetensors).",
        rich_help_panel=RECIPE,
    ),
]
OnlyViews = Annotated[
    bool,
    typer.Option("--only-views", help="Leave the plain images out.", rich_help_panel=HOW),
]


@app.command(rich_help_panel=STAGE_2)
def embed(
    store: Store,
    dataset: Dataset = None,
    *,
    views: Views = None,
    audio_model: AudioModel = None,
    recipe: RecipeSource = None,
    settings: Settings = None,
    ve_weights: EncoderWeights = None,
    only: OnlyViews = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Encode images or sound ahead of time: a job for a GPU; training on any machine uses it.

    The visual encoder is frozen, so K augmented views of every image can be encoded once and drawn
    from in all epochs of all runs (`avsc train ... --set train.views=K`), whatever their seed,
    feature and strategy. The views lie beside the store, in STORE.embeddings; `avsc info STORE`
    lists them. Of the recipe it reads the sections visual and augment, and train.precision: they
    must be those of the runs, and so must the device's kind where precision is auto.

    With --audio-model it encodes the sound of DATASET instead, each second by itself, with a frozen
    encoder that was trained on much more sound than a store has. Runs with audio.model=FOLDER use
    these embeddings in place of the acoustic encoder (audio.encoder=pretrained), beside the paper's
    (both) or beside your own (package.module:Class).

    It can be stopped at any moment; the same command goes on. Started several times at once, also
    by torchrun, the processes share the work.

    **Examples**

    - `avsc embed STORE --views 16 --ve-weights VE`
    - `avsc embed STORE --views 16 --set visual.model=resnet50`
    - `torchrun --nproc-per-node 8 -m avsc embed STORE --views 16`
    - `avsc embed STORE DATASET --audio-model models/ast`
    """
    if (dataset is None) != (audio_model is None):
        raise typer.BadParameter("DATASET and --audio-model belong together: sound is read from it")
    if dataset is not None and audio_model is not None:
        images_alone = (views, recipe, settings, ve_weights, threads, only or None)
        if any(given is not None for given in images_alone):
            raise typer.BadParameter("with --audio-model no images are encoded: two commands do it")
        _embed_sound(store, dataset, audio_model, device)
        return
    from avsc.cli.train import as_settings
    from avsc.recipe import load
    from avsc.train.embed import embed as run

    shortcuts = {"visual.weights": ve_weights, "train.threads": threads}
    merged = load(recipe, [*(settings or []), *as_settings(shortcuts)])
    run(store, merged, views, plain=not only, device=device)
    if ranks.speaks() and views is not None:
        say(f"next: avsc train {shlex.quote(store)} --out RUN --set train.views={views}")


def _embed_sound(store: str, dataset: Path, audio_model: str, device: str) -> None:
    from avsc.train.embed import embed_sound

    embed_sound(store, dataset, audio_model, device=device)
    if ranks.speaks():
        model = shlex.quote(f"audio.model={audio_model}")
        say(
            f"next: avsc train {shlex.quote(store)} --out RUN --set audio.encoder=both "
            f"--set {model}"
        )
