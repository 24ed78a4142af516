"""Log-loss and time of training from a bank of views, beside fresh views; the step's own rate.

``python -m tests.benchmarks.bench_views FOLDER [--quick]``: FOLDER is, or becomes, the demo's; its
data set, store and fine-tuned visual encoder are used. Run again, it uses what is complete.
``--quick`` takes two numbers of views, one seed and few epochs, and writes no section.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from avsc import demo
from avsc.data.encoded_views import ViewsInMemory
from avsc.data.loader import TripleLoader, training_loader
from avsc.data.split import training_fold
from avsc.evaluate import results
from avsc.evaluate.evaluation import evaluate
from avsc.models import visual_weights
from avsc.models.scene_model import build_model
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train.distributed import Ranks
from avsc.train.embed import embed
from avsc.train.epoch import Tally
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.stopping import StopRequest
from avsc.train.trainer import optimization
from tests.benchmarks.results import write_section

VIEWS: tuple[int | None, ...] = (None, 1, 2, 4, 8, 16)
SEEDS = (0, 1, 2)
EPOCHS = 20
TURNS = 5


@dataclass(frozen=True)
class Scored:
    """Runs of one number of views."""

    views: int | None
    losses: list[float]
    epoch_s: float
    bank_s: float


def main(folder: Path, quick: bool) -> None:
    """Trains, times and prints; writes the section unless it is quick."""
    if not (folder / "visual-encoder" / visual_weights.FOLDER_WEIGHTS).exists():
        demo.demo(folder)
    views, seeds, epochs = ((None, 2, 16), (0,), 6) if quick else (VIEWS, SEEDS, EPOCHS)
    found = [score(folder, one, seeds, epochs) for one in views]
    ratios = [step_ratio(folder) for _ in range(TURNS)]
    section = table(found, ratios, len(seeds), epochs)
    print(section)
    if not quick:
        write_section("views", section)


def recipe_of(folder: Path, views: int | None, seed: int, epochs: int) -> Recipe:
    """The demo's joint system with a number of views."""
    whole = demo.system_recipe("joint", folder / "visual-encoder")
    keys = {"views": views, "seed": seed, "epochs": epochs, "images_per_second": None}
    return whole.model_copy(update={"train": whole.train.model_copy(update=keys)})


def score(folder: Path, views: int | None, seeds: tuple[int, ...], epochs: int) -> Scored:
    """Trains and scores one number of views."""
    store, began_s = folder / "store.zarr", time.perf_counter()
    # A bank of its own seed for each number of views, so that each is timed from nothing.
    if views is not None:
        whole = recipe_of(folder, views, 0, epochs)
        augment = whole.augment.model_copy(update={"seed": views})
        embed(store, whole.model_copy(update={"augment": augment}), plain=False, device="cpu")
    bank_s, losses, epoch_s = time.perf_counter() - began_s, [], []
    for seed in seeds:
        run = folder / "views" / f"{views or 'fresh'}-{seed}-{epochs}"
        if results.current_metrics(run) is None:
            whole = recipe_of(folder, views, seed, epochs)
            if views is not None:
                augment = whole.augment.model_copy(update={"seed": views})
                whole = whole.model_copy(update={"augment": augment})
            train(store, run, whole, resume=True, device="cpu")
            evaluate(run, device="cpu", with_report=False)
        losses.append(float(results.read_metrics(run / results.EVALUATION)["log_loss"]))
        epoch_s += [row["seconds"] for row in read_log(run)]
    return Scored(views, losses, float(np.median(epoch_s)), bank_s)


def step_ratio(folder: Path) -> float:
    """Samples a second of an epoch from a bank, of those of a bare loop on the same batches."""
    store = Store.open(folder / "store.zarr")
    recipe = recipe_of(folder, 4, 0, 1)
    fold = training_fold(store, recipe.train)
    encoder = visual_weights.build(recipe.visual)
    audio = store.audio(recipe.audio.feature, fold.train.rows)
    shape = (4, len(fold.train.rows), store.settings.clip_seconds, encoder.features)
    encoded = ViewsInMemory(torch.randn(shape).half(), "cpu", "cpu")
    loader = training_loader(
        store, fold.train, recipe, audio=audio, image_size=None, encoded=encoded
    )
    model = build_model(audio.shape[-1], encoder, len(store.scenes))
    work = optimization(model, recipe.train, Ranks())
    batches = list(loader.epoch(0))
    bare_s = ours_s = 0.0
    for turn in range(2):  # interleaved; the first warms up
        began_s = time.perf_counter()
        for batch in batches:
            work.optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(*batch.inputs), batch.labels).backward()  # type: ignore[no-untyped-call]
            work.optimizer.step()
        bare_s = time.perf_counter() - began_s
        ours_s = _epoch_s(loader, work, turn)
    return bare_s / ours_s


def _epoch_s(loader: TripleLoader, work: object, epoch: int) -> float:
    began_s = time.perf_counter()
    with StopRequest() as stop:
        steps = work.epoch(  # type: ignore[attr-defined]
            loader.epoch(epoch), epoch, loader.batches_per_epoch, Tally(), stop
        )
        for _ in steps:
            pass
    return time.perf_counter() - began_s


def table(found: list[Scored], ratios: list[float], seeds: int, epochs: int) -> str:
    """The section of RESULTS.md."""
    fresh = found[0]
    mean = float(np.mean(fresh.losses))
    lines = [
        "## Training from a bank of views",
        "",
        f"`tests/benchmarks/bench_views.py`: the demo's joint system, {epochs} epochs, {seeds} "
        f"seeds, on a CPU ({torch.get_num_threads()} threads). The ratio of times is that of a "
        "whole training, bank included, to fresh views.",
        "",
        "| views | log-loss | to fresh | bank s | epoch s | time at 20 epochs | at 150 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        loss, bank_s = float(np.mean(one.losses)), 0.0 if one.views is None else one.bank_s
        std = f" ± {np.std(one.losses, ddof=1):.3f}" if seeds > 1 else ""
        times = [(bank_s + n * one.epoch_s) / (n * fresh.epoch_s) for n in (20, 150)]
        lines.append(
            f"| {one.views or 'fresh'} | {loss:.3f}{std} | {100 * (loss / mean - 1):+.1f} % "
            f"| {bank_s:.1f} | {one.epoch_s:.1f} | {times[0]:.2f} | {times[1]:.2f} |"
        )
    lines += [
        "",
        "An epoch's steps from the bank run at "
        f"{np.median(ratios):.2f} of a bare loop of forward, backward and step on the same batches "
        f"(median of {len(ratios)}, from {min(ratios):.2f} to {max(ratios):.2f}; goal 0.90).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--quick" in sys.argv)
