"""What goes beyond the paper, measured: which part helps which system by how much.

``python -m tests.benchmarks.bench_beyond FOLDER [train SEED ...]`` in a checkout. FOLDER is, or
becomes, that of ``bench_views``: a synthetic data set, its store and a fine-tuned
EfficientNet-Lite0 of real weights. ``train 0 1`` trains the systems of these seeds alone, so that
several processes can share the work; without it the section of RESULTS.md is written. What is
complete is used again.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc import recipe as recipes
from avsc.evaluate import results
from avsc.evaluate.agree import agree
from avsc.evaluate.agreement_files import UNITS
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.robustness import robustness
from avsc.export.export import export
from avsc.export.int8 import QUANTIZATION
from avsc.recipe import Recipe
from avsc.report import robustness as report
from avsc.report.table_formats import render
from avsc.train.embed import embed_sound
from avsc.train.run import train
from tests.audio_models import save_ast
from tests.benchmarks.bench_views import SEEDS, make, visual
from tests.benchmarks.results import write_section

EPOCHS = 6
STEPS = (f"epochs={EPOCHS}", f"restart_epochs={EPOCHS}", "batch_size=64", "lr_max=0.003")
VIEWS = "train.views=8"
EVERY_SOUND = ("mixup=0.5", "mask=0.2", "gain_db=6", "swap=0.5", "mixstyle=0.5")


@dataclass(frozen=True)
class System:
    """One system of the table.

    Attributes:
        name: Name of its folder and row.
        strategy: Training strategy.
        settings: Settings beside the common ones.
        beside: Name of the system that it is compared with; "" for a system of the paper.
        teacher: Name of the system that teaches it, of the same seed; "" for none.
        store: Name of its store.
    """

    name: str
    strategy: str
    settings: tuple[str, ...] = ()
    beside: str = ""
    teacher: str = ""
    store: str = "store.zarr"


ROBUST = ("train.drop_audio=0.2", "train.drop_image=0.2", "train.shift_s=3")
SMALL = ("model.width=0.25",)
SYSTEMS = (
    System("audio", "audio"),
    System("video", "video", (VIEWS,)),
    System("pipeline", "pipeline"),
    System("joint", "joint", (VIEWS,)),
    System("joint robust", "joint", (VIEWS, *ROBUST), "joint"),
    *(
        System(f"audio {key.partition('=')[0]}", "audio", (f"augment_audio.{key}",), "audio")
        for key in EVERY_SOUND
    ),
    System(
        "joint all of these",
        "joint",
        (VIEWS, *(f"augment_audio.{key}" for key in EVERY_SOUND)),
        "joint",
    ),
    System("audio of joint", "audio", (), "audio", "joint"),
    System(
        "audio of ensemble",
        "audio",
        ("distill.weight=0.9", "distill.temperature=1"),
        "audio",
        "joint *",
    ),
    System("audio small", "audio", SMALL, "audio"),
    System("audio small of joint", "audio", SMALL, "audio small", "joint"),
    System("joint small", "joint", (VIEWS, *SMALL), "joint"),
    System("joint small of ensemble", "joint", (VIEWS, *SMALL), "joint small", "joint *"),
    System("joint random AST", "joint", (VIEWS, "audio.encoder=both"), "joint"),
)


def run_of(folder: Path, name: str, seed: int) -> Path:
    """Folder of a run; of one name the seeds lie as ``avsc train --seeds`` lays them."""
    return folder / "beyond" / name.replace(" ", "-") / f"seed-{seed}"


def recipe_of(folder: Path, system: System, seed: int) -> Recipe:
    """The recipe of one seed of a system."""
    settings = [f"train.{step}" for step in (*STEPS, "weight_decay=0.001")]
    settings += [f"train.strategy={system.strategy}", f"train.seed={seed}", *system.settings]
    if system.strategy != "audio":
        settings += visual(str(folder / "encoder"))
    if system.strategy == "pipeline":
        settings.append(f"train.audio_run={run_of(folder, 'audio', seed)}")
    if "AST" in system.name:
        settings.append(f"audio.model={folder / 'ast'}")
    if system.teacher:
        teacher = run_of(folder, system.teacher.removesuffix(" *"), seed)
        settings.append(
            f"distill.teacher={teacher.parent if system.teacher.endswith('*') else teacher}"
        )
    return recipes.load(None, settings)


def score(folder: Path, system: System, seed: int) -> float:
    """Trains and evaluates one seed, unless that was done; its test log-loss."""
    run = run_of(folder, system.name, seed)
    if results.current_metrics(run) is None:
        train(
            folder / system.store, run, recipe_of(folder, system, seed), resume=True, device="cpu"
        )
        evaluate(run, device="cpu", with_report=False)
    return float(results.read_metrics(run / results.EVALUATION)["log_loss"])


def prepare_tower(folder: Path) -> None:
    """A small AST of random weights, and its embeddings of the store's sound."""
    if not (folder / "ast").exists():
        save_ast(folder / "ast")
    embed_sound(folder / "store.zarr", folder / "dataset", folder / "ast", device="cpu")


def losses_of(folder: Path, system: System) -> list[float]:
    """Test log-losses of all seeds."""
    return [score(folder, system, seed) for seed in SEEDS]


def table(systems: Sequence[System], losses: dict[str, list[float]]) -> list[str]:
    """Lines of the systems and of what each part changes."""
    lines = [
        "| system | log-loss | beside | change, seed by seed | helps |",
        "|---|---:|---|---:|---:|",
    ]
    for system in systems:
        found = np.array(losses[system.name])
        shown = f"| {system.name} | {found.mean():.3f} ± {found.std(ddof=1):.3f} "
        if not system.beside:
            lines.append(f"{shown}| | | |")
            continue
        change = found - losses[system.beside]
        lines.append(
            f"{shown}| {system.beside} | {change.mean():+.3f} ± {change.std(ddof=1):.3f} "
            f"| {(change < 0).sum()} of {len(change)} seeds |"
        )
    return lines


def disturbed(folder: Path) -> list[str]:
    """Lines of systems with missing, late and swapped sounds and pictures; means over seeds."""
    names = ("joint robust", "joint", "pipeline", "audio", "video")
    systems = [run_of(folder, name, 0).parent for name in names]
    shares, offsets_s = (0.25, 0.5, 1.0), (1, 4)
    found = robustness(systems, shares=shares, offsets_s=offsets_s, device="cpu")
    table_of = report.table(found, "markdown")
    return [render([table_of], "markdown", report.notes(found)), ""]


def agreement(folder: Path) -> list[str]:
    """A line on how well swapped sounds are found; means over seeds."""
    lines = ["| swapped sounds found by | F1 of seconds, % | F1 of clips, % |", "|---|---:|---:|"]
    for names in (["joint robust"], ["audio", "video"]):
        systems = [run_of(folder, name, 0).parent for name in names]
        found = agree(systems, out=folder / "agreement" / "-".join(names), device="cpu")
        cells = []
        for unit in UNITS:
            scores, deviation = found.spread(unit, "f1")
            cells.append(f"{100 * np.mean(scores):.1f} ± {100 * deviation:.1f}")
        lines.append(f"| {' and '.join(names)} | {' | '.join(cells)} |")
    return [*lines, ""]


def quantized(folder: Path) -> list[str]:
    """A line on each export in int8."""
    lines = ["| int8 of | bytes | log-loss | accuracy % |", "|---|---:|---:|---:|"]
    for name in ("joint", "joint small of ensemble", "audio small of joint"):
        out = folder / "int8" / name.replace(" ", "-")
        if not (out / QUANTIZATION).exists():
            export(run_of(folder, name, 0), "onnx", out=out, quantize="int8")
        told = json.loads((out / QUANTIZATION).read_text())
        before, after = told["float32"], told["int8"]
        lines.append(
            f"| {name} | {before['n_bytes']:,} -> {after['n_bytes']:,} "
            f"| {before['log_loss']:.3f} -> {after['log_loss']:.3f} "
            f"| {100 * before['accuracy']:.1f} -> {100 * after['accuracy']:.1f} |"
        )
    return lines


def main(folder: Path, seeds: list[int]) -> None:
    """Trains some seeds, or writes the section."""
    make(folder)
    prepare_tower(folder)
    if seeds:
        for system in SYSTEMS:
            if not system.teacher.endswith("*"):  # it needs every seed of its teacher
                for seed in seeds:
                    print(system.name, seed, round(score(folder, system, seed), 3), flush=True)
        return
    losses = {system.name: losses_of(folder, system) for system in SYSTEMS}
    lines = [
        "## Beyond the paper",
        "",
        f"`tests/benchmarks/bench_beyond.py`, synthetic data: the systems of `bench_views.py` from "
        f"a bank of 8 views, {EPOCHS} epochs, {len(SEEDS)} seeds (mean ± standard deviation), test "
        "log-loss. A change is that to the system beside it, of the same seed.",
        "",
        *table(SYSTEMS, losses),
        "",
        "Soft targets have the weight 0.5 and the temperature 2, those of `audio of ensemble` 0.9 "
        "and 1. `random AST` is a small encoder of random weights, which has learnt nothing: what "
        "it costs.",
        "",
        *disturbed(folder),
        *agreement(folder),
        *quantized(folder),
    ]
    section = "\n".join(lines)
    print(section)
    write_section("beyond", section)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[3:]])
