"""Commands of stage 2 that train."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsc.cli import ranks
from avsc.cli.app import app
from avsc.cli.options import (
    RECIPE,
    STAGE_2,
    Device,
    EncoderWeights,
    RecipeSource,
    Resume,
    Seeds,
    Settings,
    Store,
    Threads,
    TrustCode,
)
from avsc.console import say

if TYPE_CHECKING:
    from avsc.recipe import Recipe

Strategy = Annotated[
    Literal["joint", "pipeline", "audio", "video"] | None,
    typer.Option(
        metavar="SYSTEM",
        help="joint: raw images and sound, both encoders, the paper's way. pipeline: stored "
        "embeddings of images and a frozen acoustic encoder. audio, video: one encoder alone. "
        "The same as --set train.strategy=...",
        rich_help_panel=RECIPE,
    ),
]
Fold = Annotated[
    str | None,
    typer.Option(
        metavar="K",
        help="Fold to leave out for testing, in a store of several folds (`avsc prepare --folds`); "
        "the others are trained on. The same as --set train.fold=K.",
        rich_help_panel=RECIPE,
    ),
]
Teacher = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RUN|FILE",
        help="Teacher whose soft targets are learnt beside the labels (distillation): a run, a "
        "folder of seeds, or a predictions file of the training clips (`avsc evaluate RUN --fold "
        "train`); may be repeated. The same as --set distill.teacher=RUN.",
        rich_help_panel=RECIPE,
    ),
]
AudioRun = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Audio run whose acoustic encoder `pipeline` takes over and freezes. The same as "
        "--set train.audio_run=RUN.",
        rich_help_panel=RECIPE,
    ),
]


@app.command(rich_help_panel=STAGE_2)
def train(
    store: Store,
    *,
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run.")],
    strategy: Strategy = None,
    recipe: RecipeSource = None,
    settings: Settings = None,
    ve_weights: EncoderWeights = None,
    audio_run: AudioRun = None,
    teacher: Teacher = None,
    fold: Fold = None,
    resume: Resume = False,
    seeds: Seeds = None,
    device: Device = "auto",
    threads: Threads = None,
    trust_code: TrustCode = False,
) -> None:
    """Train a system on a store's training fold.

    The recipe says what is trained, in the sections audio, visual, train, distill and augment;
    `avsc recipe` prints every key. Without a recipe it is the paper's joint optimisation.

    RUN/config.toml holds all keys with their values, RUN/log.jsonl a line an epoch, and
    RUN/checkpoints the weights.

    **Examples**

    - `avsc train STORE --out runs/joint --ve-weights VE`
    - `avsc train STORE --out runs/audio --strategy audio --set epochs=20`
    - `avsc train STORE --out runs/r50 --recipe joint-fbank-resnet50`
    - `avsc train STORE --out runs/mine --set audio.encoder=my_module:MyEncoder`
    - `avsc train STORE --out runs/ast --set audio.encoder=both --set audio.model=models/ast`
    - `avsc train STORE --out runs/joint --set train.views=16 --seeds 5`
    - `avsc train STORE --out runs/student --strategy audio --teacher runs/joint`
    - `avsc train STORE --out runs/joint --resume`
    - `torchrun --nproc-per-node 8 -m avsc train STORE --out runs/joint`
    """
    from avsc.train.run import train as run

    shortcuts = {
        "train.strategy": strategy,
        "visual.weights": ve_weights,
        "train.audio_run": audio_run,
        "distill.teacher": teacher,
        "train.fold": fold,
        "train.threads": threads,
    }
    merged = _recipe(out, recipe, settings, shortcuts, resume=resume)
    if not trust_code:
        _refuse_untrusted(out, merged, recipe, settings)
    if seeds is not None:
        from avsc.train.seeds import train_seeds

        train_seeds(store, out, merged, seeds, device=device, trust_code=trust_code)
        say(f"next: avsc evaluate {shlex.quote(str(out))}")
        return
    run(store, out, merged, resume=resume, device=device, trust_code=trust_code)


@app.command(rich_help_panel=STAGE_2)
def pretrain(
    images: Annotated[
        Path,
        typer.Argument(
            help="Folder with `train/SCENE/*.jpg` and `val/SCENE/*.jpg`, or with Places365 (the "
            "256-pixel edition, as torchvision.datasets.Places365 keeps it)."
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="VE", help="Folder of the encoder, for --ve-weights.")
    ],
    recipe: RecipeSource = None,
    settings: Settings = None,
    ve_weights: EncoderWeights = None,
    resume: Resume = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Fine-tune a visual encoder on labelled pictures of scenes.

    Of the recipe it reads the sections visual, train and augment. It begins from the model's
    ImageNet weights, or from --ve-weights. The epoch with the best validation loss is kept;
    top-1 and top-5 accuracy are in VE/log.jsonl.

    **Examples**

    - `avsc pretrain places365/ --out ve`
    - `avsc pretrain places365/ --out ve --set visual.model=resnet50`
    """
    from avsc.train.pretrain import pretrain as run

    shortcuts = {"visual.weights": ve_weights, "train.threads": threads}
    merged = _recipe(out, recipe, settings, shortcuts, resume=resume)
    run(images, out, merged, resume=resume, device=device)
    if ranks.speaks():
        say(f"next: avsc train STORE --out RUN --ve-weights {shlex.quote(str(out))}")


def _recipe(
    out: Path,
    source: str | None,
    settings: list[str] | None,
    shortcuts: Mapping[str, object],
    *,
    resume: bool,
) -> "Recipe":
    """The recipe of the options; a run that goes on takes its own where no file is given."""
    from avsc.recipe import load
    from avsc.train import run_dir

    if resume and source is None and (out / run_dir.CONFIG).is_file():
        source = str(out / run_dir.CONFIG)
    return load(source, [*(settings or []), *as_settings(shortcuts)])


def _refuse_untrusted(
    out: Path, merged: "Recipe", source: str | None, settings: list[str] | None
) -> None:
    """Refuses a class of one's own that the run's folder alone names.

    What the command line names itself is trusted; what the run's folder adds is data.
    """
    from avsc.models.own_encoder import untrusted
    from avsc.recipe import load

    own = merged.audio.own_class
    if own is not None and load(source, settings or ()).audio.own_class != own:
        raise untrusted(own, out)


def as_settings(shortcuts: Mapping[str, object]) -> list[str]:
    """Settings ``key=value`` of the options that are given."""
    # As TOML strings, so that a path that looks like a number stays a path.
    return [f"{key}={_toml(value)}" for key, value in shortcuts.items() if value is not None]


def _toml(value: object) -> str:
    import json

    if isinstance(value, int):
        return str(value)
    text = list(map(str, value)) if isinstance(value, list) else str(value)
    return json.dumps(text, ensure_ascii=False)
