"""Four systems on the demo's synthetic data over three seeds, and what sharing views costs.

``python -m tests.benchmarks.bench_systems FOLDER``: FOLDER is, or becomes, the demo's; its data
set, store and visual encoder are used. Takes a quarter of an hour on two idle cores; run again, it
uses what is complete.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avsc import demo
from avsc.evaluate import results
from avsc.evaluate.evaluation import evaluate
from avsc.recipe import Recipe
from avsc.recipe_sections import Strategy
from avsc.train.log import read_log
from avsc.train.run import train
from tests.benchmarks.results import write_section

SEEDS = (0, 1, 2)
STRATEGIES: tuple[Strategy, ...] = ("joint", "pipeline", "audio", "video")
SHARED: tuple[int | None, ...] = (None, 3, 1)  # augmented views a second; None: one a frame


def main(folder: Path) -> None:
    demo.demo(folder)
    scores = {
        strategy: [_score(folder, strategy, seed) for seed in SEEDS] for strategy in STRATEGIES
    }
    shared = [(views, _shared(folder, views)) for views in SHARED]
    write_section("systems", _text(scores, shared))


def _recipe(folder: Path, strategy: Strategy, **train_keys: Any) -> Recipe:
    whole = demo.system_recipe(strategy, folder / "visual-encoder")
    return whole.model_copy(update={"train": whole.train.model_copy(update=train_keys)})


def _score(folder: Path, strategy: Strategy, seed: int) -> dict[str, Any]:
    run = _run(folder, strategy, seed)
    keys: dict[str, Any] = {"seed": seed}
    if strategy == "pipeline":
        keys["audio_run"] = str(_run(folder, "audio", seed).resolve())
        _score(folder, "audio", seed)
    return _scored(folder, run, _recipe(folder, strategy, **keys))


def _run(folder: Path, strategy: Strategy, seed: int) -> Path:
    return folder / "seeds" / f"{strategy}-{seed}"


def _scored(folder: Path, run: Path, recipe: Recipe) -> dict[str, Any]:
    if (found := results.current_metrics(run)) is None:
        train(folder / "store.zarr", run, recipe, resume=True, device="cpu")
        evaluate(run, device="cpu", with_report=False)
        found = results.read_metrics(run / results.EVALUATION)
    return found


def _shared(folder: Path, views: int | None) -> tuple[float, float, float]:
    """Seconds an epoch's steps took, the best validation loss, the test log-loss."""
    run = folder / "shared-views" / str(views)
    found = _scored(folder, run, _recipe(folder, "joint", images_per_second=views))
    log = read_log(run)
    seconds = sorted(row["seconds"] for row in log)[len(log) // 2]
    return seconds, min(row["val_loss"] for row in log), found["log_loss"]


def _text(
    scores: dict[Strategy, list[dict[str, Any]]],
    shared: Sequence[tuple[int | None, tuple[float, float, float]]],
) -> str:
    lines = [
        "## Systems on synthetic data",
        "",
        "`python -m tests.benchmarks.bench_systems FOLDER`: the demo's synthetic data set, store "
        "and encoder; test fold, one-second segments. Says that the machinery learns and how the "
        "systems rank here, nothing of real data.",
        "",
        "| system | " + " | ".join(f"log-loss, seed {seed}" for seed in SEEDS) + " | accuracy % |",
        "|---|" + "---:|" * (len(SEEDS) + 1),
    ]
    for strategy, found in scores.items():
        losses = " | ".join(f"{one['log_loss']:.3f}" for one in found)
        rights = ", ".join(f"{100 * one['accuracy']:.1f}" for one in found)
        lines.append(f"| {strategy} | {losses} | {rights} |")
    lines += [
        "",
        "`train.images_per_second` (joint, seed 0): augmented views that a second's audio frames "
        "share; by default each frame has its own.",
        "",
        "| views a second | seconds an epoch | best validation log-loss | test log-loss |",
        "|---|---:|---:|---:|",
    ]
    for views, (seconds, val, test) in shared:
        name = "one a frame (5.6)" if views is None else str(views)
        lines.append(f"| {name} | {seconds:.1f} | {val:.3f} | {test:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
