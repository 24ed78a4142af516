"""Commands of stage 2 that train."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsc.cli.app import app

if TYPE_CHECKING:
    from avsc.recipe import Recipe

STAGE = "Stage 2: from a store to scores"
WHAT, HOW = "What is trained", "How it runs"

Strategy = Annotated[
    Literal["joint", "pipeline", "audio", "video"] | None,
    typer.Option(
        help="joint: both encoders' sides meet raw images and sound, the paper's way. pipeline: "
        "stored image embeddings and a frozen acoustic encoder. audio, video: one alone. "
        "Shortcut of --set train.strategy=...",
        rich_help_panel=WHAT,
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="A TOML recipe, such as pipelines/recipes/joint-scalogram-effnetv2s.toml.",
        rich_help_panel=WHAT,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One key of the recipe, such as train.epochs=20; may be repeated.",
        rich_help_panel=WHAT,
    ),
]
VeWeights = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Weights of the visual encoder: a .safetensors or .pth file, CSAIL's "
        "resnet50_places365.pth.tar, a folder of `avsc pretrain`, or the words pretrained "
        "(download) or random. Shortcut of --set visual.weights=...",
        rich_help_panel=WHAT,
    ),
]
AudioRun = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="The audio run whose acoustic encoder `pipeline` takes over and freezes. Shortcut "
        "of --set train.audio_run=...",
        rich_help_panel=WHAT,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that was stopped, with the recipe it was begun with. A run that "
        "is not there yet begins, so that a requeued job may always say --resume.",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    str,
    typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=HOW),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Threads that decode and augment images; by default one a core.",
        rich_help_panel=HOW,
    ),
]


@app.command(rich_help_panel=STAGE)
def train(
    store: Annotated[Path, typer.Argument(help="A complete store, as `avsc prepare` makes it.")],
    *,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run's folder.")],
    strategy: Strategy = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    ve_weights: VeWeights = None,
    audio_run: AudioRun = None,
    resume: Resume = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Train a system on a store's training fold.

    The recipe says what, in the sections audio (feature, concat), visual (model, weights,
    image_size), train (strategy, epochs, batch_size, lr_max, lr_min, patience, seed,
    val_fraction, val_split, cache, images_per_second, precision, compile, deterministic, ...)
    and augment. Without one it is the paper's joint optimisation. RUN/config.toml holds all
    keys with their values, RUN/log.jsonl a line an epoch, RUN/checkpoints the weights.

    On several GPUs: torchrun --nproc-per-node 8 -m avsc train STORE --out RUN ...
    """
    from avsc.train.run import train as run

    shortcuts = {
        "train.strategy": strategy,
        "visual.weights": ve_weights,
        "train.audio_run": audio_run,
        "train.threads": threads,
    }
    asked = _recipe(out, recipe, settings, shortcuts, resume=resume)
    run(store, out, asked, resume=resume, device=device)


@app.command(rich_help_panel=STAGE)
def pretrain(
    images: Annotated[
        Path,
        typer.Argument(
            help="train/SCENE/*.jpg and val/SCENE/*.jpg, or Places365 (the 256-pixel edition, "
            "as torchvision.datasets.Places365 keeps it)."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="VE", help="The folder --ve-weights will take.")],
    recipe: RecipeFile = None,
    settings: Settings = None,
    ve_weights: VeWeights = None,
    resume: Resume = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Fine-tune a visual encoder on labelled pictures of scenes.

    The recipe's sections visual, train and augment count; give `--set visual.model=resnet50` for
    another encoder. It begins from the model's ImageNet weights, or from --ve-weights. The best
    epoch by validation loss is kept; top-1 and top-5 are in VE/log.jsonl.
    """
    from avsc.train.pretrain import pretrain as run

    shortcuts = {"visual.weights": ve_weights, "train.threads": threads}
    asked = _recipe(out, recipe, settings, shortcuts, resume=resume)
    run(images, out, asked, resume=resume, device=device)


def _recipe(
    out: Path,
    file: Path | None,
    settings: list[str] | None,
    shortcuts: Mapping[str, object],
    *,
    resume: bool,
) -> "Recipe":
    """The recipe of the options; a run that goes on takes its own where no file is given."""
    from avsc.recipe import load
    from avsc.train import run_dir

    # As TOML strings, so that a path that looks like a number stays a path.
    words = [f"{key}={_toml(value)}" for key, value in shortcuts.items() if value is not None]
    if resume and file is None and (out / run_dir.CONFIG).is_file():
        file = out / run_dir.CONFIG
    return load(file, [*(settings or []), *words])


def _toml(value: object) -> str:
    import json

    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)
