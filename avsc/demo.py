"""``avsc demo``: every step on a small synthetic data set, in minutes on two cores."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import recipe
from avsc.console import out, say, table
from avsc.dataset.read import kind_of
from avsc.recipe import Recipe, Strategy
from avsc.report.dataset_info import show_dataset

if TYPE_CHECKING:
    from avsc.store.schema import StoreSettings

STRATEGIES: tuple[Strategy, ...] = ("joint", "audio", "video")
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
MOST_BAD = 1_000_000


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
    steps = 4 + 2 * len(STRATEGIES)
    if data is None:
        _announce(1, steps, "synth: a synthetic data set in TAU's layout")
        _synthesise(dataset)
    else:
        _announce(1, steps, f"info: your data set {data}")
        show_dataset(data, kind_of(data))
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
    return scored


def show(folder: Path, scored: list[Scored], data: Path | None = None) -> None:
    """Prints the systems' scores beside those of chance, and where the files are."""
    import math

    rows = [
        [one.strategy, f"{one.metrics['log_loss']:.3f}", f"{100 * one.metrics['accuracy']:.1f}"]
        for one in scored
    ]
    chance = 1 / len(scored[0].metrics["per_class"])
    rows.append(["chance", f"{-math.log(chance):.3f}", f"{100 * chance:.1f}"])
    table(
        f"{data or 'Synthetic data'}, test fold, one-second segments",
        ["system", "log-loss", "accuracy %"],
        rows,
    )
    if data is None:
        out.print(f"data set  {folder / 'dataset'} (synthetic)", markup=False)
    out.print(f"store     {folder / 'store.zarr'}", markup=False)
    out.print(f"encoder   {folder / 'visual-encoder'}", markup=False)
    for one in scored:
        report = one.run / "evaluation" / "report.html"
        out.print(f"{one.strategy:<9} {report} (open it in a browser)", markup=False)


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

    train(store, run, system_recipe(strategy, encoder, epochs), resume=True, device="cpu")


def system_recipe(strategy: Strategy, encoder: Path, epochs: int = EPOCHS) -> Recipe:
    """The demo's recipe: the paper's with smaller sizes and a shorter, gentler schedule.

    All audio frames of a second share one augmented view of its image, which is quicker.

    Args:
        strategy: The system to train.
        encoder: Folder of the visual encoder.
        epochs: Number of epochs.
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
