"""``avsc demo``: every step on a small synthetic data set, in minutes on two cores."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import recipe
from avsc.console import duration, say, table, tell
from avsc.dataset.read import kind_of
from avsc.files import write_text
from avsc.recipe import Recipe
from avsc.recipe_sections import Strategy
from avsc.report.dataset_info import show_dataset

if TYPE_CHECKING:
    from avsc.store.schema import StoreSettings

STRATEGIES: tuple[Strategy, ...] = ("joint", "audio", "pipeline", "video")  # pipeline after audio
MODEL = "test_byobnet.r160_in1k"  # one of timm's smallest: 0.2 M parameters, 256 features
IMAGE_SIZE = 64
# As many locations as clips: what has to be learnt is what the locations have in common.
CLIPS_PER_SCENE = 16
LOCATIONS_PER_SCENE = 16
PICTURE_SIZE = (320, 180)  # of the videos: width, height
IMAGES_PER_SCENE = 80
PRETRAIN_EPOCHS = 12
EPOCHS = 5
OWN_EPOCHS = 15  # somebody's own data set may be a tenth as large
# Of all steps on somebody's recordings, estimated from the synthetic demo's time on two cores:
# seconds for each second, and beside these.
COST, BASE_S = 0.3, 60
LONG_S = 3600  # recordings of more seconds are much for a demo
MOST_BAD = 1_000_000
PAGE, PREDICTION = "index.html", "prediction"


@dataclass(frozen=True)
class Scored:
    """One system's scores on the test fold of the synthetic data set."""

    strategy: Strategy
    run: Path
    metrics: dict[str, Any]


def demo(folder: Path, data: Path | None = None) -> list[Scored]:
    """Makes, prepares, pre-trains, trains and evaluates; what is complete is used again.

    Args:
        folder: Folder for all files.
        data: Somebody's own data set; None for a synthetic one.

    Returns:
        The scores of each system, in the order of ``STRATEGIES``.

    Raises:
        AvscError: The folder holds something else.
    """
    dataset, images = data or folder / "dataset", folder / "images"
    store, encoder = folder / "store.zarr", folder / "visual-encoder"
    steps = 5 + 2 * len(STRATEGIES)
    if data is None:
        _announce(1, steps, "synth: a synthetic data set in TAU's layout")
        _synthesise(dataset)
    else:
        _announce(1, steps, f"info: your data set {data}")
        _say_how_long(show_dataset(data, kind_of(data)))
    _announce(2, steps, "synth: labelled pictures of other synthetic places")
    _draw_images(images)
    _announce(3, steps, "prepare: every clip once, into a store")
    _prepare(dataset, store, own=data is not None)
    _announce(4, steps, "pretrain: a small visual encoder")
    _pretrain(images, encoder)
    scored = []
    for number, strategy in enumerate(STRATEGIES):
        run = folder / "runs" / strategy
        _announce(5 + 2 * number, steps, f"train --strategy {strategy}")
        _train(store, run, strategy, encoder, EPOCHS if data is None else OWN_EPOCHS)
        _announce(6 + 2 * number, steps, f"evaluate {strategy}")
        scored.append(Scored(strategy, run, _evaluate(run)))
    _announce(steps, steps, "predict: one clip of the test fold")
    _write_page(folder, scored, _predict(folder, dataset, store, scored[0].run), data)
    return scored


def show(folder: Path, scored: list[Scored], data: Path | None = None) -> None:
    """Prints the systems' scores beside those of chance, and where the files are."""
    rows = [
        [one.strategy, f"{one.metrics['log_loss']:.3f}", f"{100 * one.metrics['accuracy']:.1f}"]
        for one in scored
    ]
    chance = _chance(scored)
    rows.append(["chance", f"{-math.log(chance):.3f}", f"{100 * chance:.1f}"])
    table(
        f"{data or 'Synthetic data'}, test fold, one-second segments",
        ["system", "log-loss", "accuracy %"],
        rows,
    )
    if data is None:
        tell(f"data set  {folder / 'dataset'} (synthetic)", indent=10)
    tell(f"store     {folder / 'store.zarr'}", indent=10)
    tell(f"encoder   {folder / 'visual-encoder'}", indent=10)
    tell(f"reports   {folder / PAGE} (open it in a browser)", indent=10)
    tell(f"next: avsc predict {shlex.quote(str(scored[0].run))} VIDEO")
    tell("next: avsc prepare YOUR-DATA STORE")


def _chance(scored: list[Scored]) -> float:
    """Probability of each scene by chance."""
    return 1 / len(scored[0].metrics["per_class"])


def _predict(folder: Path, dataset: Path, store: Path, run: Path) -> str:
    """Predicts the recording of the first clip of the test fold; returns the page's name."""
    from avsc.predict.predict import predict_each
    from avsc.store.reader import Store

    clip = next(clip for clip in Store.open(store).clips if clip.fold == "test")
    root = dataset if dataset.is_dir() else dataset.parent
    video = root / clip.video
    if not (folder / PREDICTION / f"{video.stem}.html").exists():
        # TAU's videos have no sound of their own.
        audio = None if clip.audio in ("", clip.video) else root / clip.audio
        list(predict_each(run, [video], audio=audio, out=folder / PREDICTION, device="cpu"))
    return video.stem


def _write_page(folder: Path, scored: list[Scored], clip: str, data: Path | None) -> None:
    """Writes the page that links the reports and the prediction."""
    from avsc.report.pages import System, demo_page

    chance = _chance(scored)
    systems = [
        System(
            one.strategy,
            one.metrics["log_loss"],
            one.metrics["accuracy"],
            (one.run / "evaluation" / "report.html").relative_to(folder).as_posix(),
        )
        for one in scored
    ]
    systems.append(System("chance", -math.log(chance), chance))
    name = None if data is None else str(data)
    write_text(folder / PAGE, demo_page(systems, clip, f"{PREDICTION}/{clip}.html", name))


def _say_how_long(seconds: int) -> None:
    """Says how long all steps will take on recordings of this length."""
    expected = duration(COST * seconds + BASE_S)
    text = (
        f"{duration(seconds)} of recordings: all steps take some {expected}"
        " on two cores; what is complete is used again if you end it (Ctrl-C) and run it again"
    )
    if seconds > LONG_S:
        text += "; for a quick look, give a folder with links to some of the recordings"
    say(text)


def _announce(step: int, steps: int, what: str) -> None:
    say(f"[{step}/{steps}] {what}")


def _synthesise(dataset: Path) -> None:
    from avsc.synth.make import make_dataset
    from avsc.synth.plan import SynthSettings

    width, height = PICTURE_SIZE
    settings = SynthSettings(CLIPS_PER_SCENE, LOCATIONS_PER_SCENE, width=width, height=height)
    make_dataset(dataset, settings)


def _draw_images(images: Path) -> None:
    from avsc.synth.images import make_image_folder

    make_image_folder(images, IMAGES_PER_SCENE)


def _prepare(dataset: Path, store: Path, *, own: bool) -> None:
    from avsc.prepare import run

    # Of somebody's own data set the bad clips are named and left out.
    summary = run.prepare(
        dataset, store, _store_settings(), workers=None, max_bad=MOST_BAD if own else 0
    )
    say(summary.text(store))


def _store_settings() -> "StoreSettings":
    from avsc.store.schema import StoreSettings

    # Small partitions, so that there is work for every core.
    return StoreSettings(partition_clips=16)


def _pretrain(images: Path, encoder: Path) -> None:
    from avsc.train.pretrain import pretrain

    small = recipe.parse(
        {
            "visual": {"model": MODEL, "weights": "random", "image_size": IMAGE_SIZE},
            "train": {
                "epochs": PRETRAIN_EPOCHS,
                "restart_epochs": PRETRAIN_EPOCHS,
                "batch_size": 32,
                "lr_max": 0.1,
            },
        },
        "the demo",
    )
    pretrain(images, encoder, small, resume=True, device="cpu")


def _train(store: Path, run: Path, strategy: Strategy, encoder: Path, epochs: int) -> None:
    from avsc.train.run import train

    audio_run = run.with_name("audio") if strategy == "pipeline" else None
    recipe = system_recipe(strategy, encoder, epochs, audio_run)
    train(store, run, recipe, resume=True, device="cpu")


def system_recipe(
    strategy: Strategy, encoder: Path, epochs: int = EPOCHS, audio_run: Path | None = None
) -> Recipe:
    """The demo's recipe: the paper's with smaller sizes and a shorter, gentler schedule.

    All audio frames of a second share one augmented view of its image, which is quicker.

    Args:
        strategy: The system to train.
        encoder: Folder of the visual encoder.
        epochs: Number of epochs.
        audio_run: Run whose acoustic encoder the pipeline takes over.
    """
    return recipe.parse(
        {
            "visual": {"model": MODEL, "weights": str(encoder), "image_size": IMAGE_SIZE},
            "train": {
                "strategy": strategy,
                "epochs": epochs,
                "restart_epochs": epochs,
                "batch_size": 64,
                "lr_max": 0.003,
                "weight_decay": 0.001,
                "images_per_second": 1,
                **({} if audio_run is None else {"audio_run": str(audio_run)}),
            },
        },
        "the demo",
    )


def _evaluate(run: Path) -> dict[str, Any]:
    from avsc.evaluate import results
    from avsc.evaluate.evaluation import evaluate

    if (metrics := results.current_metrics(run)) is None:
        evaluate(run, device="cpu")
        metrics = results.read_metrics(run / results.EVALUATION)
    return metrics
