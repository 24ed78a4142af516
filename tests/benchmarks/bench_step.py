"""Images a second of a whole joint training run beside its frozen encoder's bare forward pass.

Run ``flock /tmp/bench.lock python -m tests.benchmarks.bench_step`` in a checkout; it replaces its
section of RESULTS.md. On a GPU it is the paper's encoder at full size, on a CPU a tiny one, which
shows that the benchmark runs and little more. The bare pass takes uint8 batches that lie on the
device already; the run takes JPEGs out of a store (cache none) or the decoded fold (device).
"""

import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avsc import recipe
from avsc.media import jpeg
from avsc.models import visual, visual_weights
from avsc.recipe import Recipe
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.schema import StoreSettings
from avsc.store.writer import ClipData, write_partition
from avsc.train.device import resolve_device
from avsc.train.log import read_log
from avsc.train.run import train
from tests.benchmarks.results import write_section

SCENES = ("bus", "park")


@dataclass(frozen=True)
class Size:
    """How much a machine is given to do."""

    model: str
    side: int
    batch: int
    clips: int
    epochs: int
    forwards: int


GPU = Size("efficientnetv2_rw_s.ra2_in1k", 288, 256, clips=320, epochs=3, forwards=60)
CPU = Size("test_efficientnet", 96, 64, clips=16, epochs=2, forwards=10)


@dataclass(frozen=True)
class Measured:
    """A run's last epoch, compilation long over."""

    images_per_s: float
    waiting: float
    peak_bytes: int


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blurred noise of 640 x 360 pixels, about as many bytes as a JPEG of a street."""
    noise = cv2.GaussianBlur(rng.normal(128, 350, (360, 640, 3)), (0, 0), 2.5)
    return np.clip(noise, 0, 255).astype(np.uint8)


def make_store(path: Path, clips: int) -> Path:
    """A store of 360-line pictures, two clips a location."""
    settings = StoreSettings(features=("scalogram",), partition_clips=clips)
    names = [f"{SCENES[i % 2]}-oslo-{1000 + i // 4 * 2 + i % 2}-{i}" for i in range(clips)]
    rows = [StoredClip(n, n.split("-")[0], "oslo", n.split("-")[2], "train", "", "") for n in names]
    rng = np.random.default_rng(0)
    jpegs = [jpeg.encode(picture(rng), 360, 90) for _ in range(16)]
    audio = rng.standard_normal((settings.clip_frames, 2, 290), np.float32)
    segments = rng.standard_normal((settings.clip_seconds, 3, 2, 290), np.float32)
    open_for_writing(path, sorted(rows), settings)
    with write_partition(path, clips, settings, 0) as writer:
        for row in range(clips):
            shown = [jpegs[(row + second) % len(jpegs)] for second in range(settings.clip_seconds)]
            times = [second + 0.5 for second in range(settings.clip_seconds)]
            data = ClipData({"scalogram": audio + row}, {"scalogram": segments + row}, shown, times)
            writer.add(row, data)
    mark_complete(path)
    return path


def asked(size: Size, cache: str) -> Recipe:
    """The run's recipe."""
    encoder = [f"visual.model={size.model}", f"visual.image_size={size.side}"]
    steps = [f"train.epochs={size.epochs}", f"train.batch_size={size.batch}"]
    return recipe.load(None, [*encoder, "visual.weights=random", *steps, f"train.cache={cache}"])


def measure_run(store: Path, run: Path, size: Size, cache: str, device: torch.device) -> Measured:
    """Trains and reads the last line of the log."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train(store, run, asked(size, cache), device=str(device))
    row = read_log(run)[-1]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Measured(row["images_per_second"], row["waiting"], peak)


def measure_bare(size: Size, device: torch.device) -> float:
    """Images a second of the encoder alone, as the run has it, on resident random images."""
    wanted = asked(size, "none")
    encoder = visual_weights.build(wanted.visual).run_as(visual.execution(wanted.train, device))
    shape = (size.batch, size.side, size.side, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    for _ in range(max(3, size.forwards // 6)):
        encoder(images)
    _settle(device)
    began_s = time.perf_counter()
    for _ in range(size.forwards):
        encoder(images)
    _settle(device)
    return size.forwards * size.batch / (time.perf_counter() - began_s)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(size: Size, device: torch.device, bare: list[float], runs: dict[str, Measured]) -> str:
    """The section of RESULTS.md."""
    gpu = device.type == "cuda"
    what = torch.cuda.get_device_name(device) if gpu else platform.machine()
    best = max(bare)
    goals = {"device": "0.95", "none": "0.90"} if gpu else {}
    lines = [
        "## A whole training step",
        "",
        f"`tests/benchmarks/bench_step.py` on {what}, torch {torch.__version__}: joint, "
        f"{size.model} at {size.side} px, batch {size.batch}, last of {size.epochs} epochs of "
        f"{size.clips} clips; the bare forward pass before and after: "
        f"{', '.join(f'{rate:.0f}' for rate in bare)} images/s (the better one counts).",
        "",
        "| train.cache | images/s | of the bare forward pass (goal) | waiting for data | peak GB |",
        "|---|---:|---:|---:|---:|",
    ]
    for cache, found in runs.items():
        goal = f" ({goals[cache]})" if cache in goals else ""
        lines.append(
            f"| {cache} | {found.images_per_s:.0f} | {found.images_per_s / best:.2f}{goal} "
            f"| {100 * found.waiting:.1f} % | {found.peak_bytes / 1e9:.1f} |"
        )
    if not gpu:
        lines += [
            "",
            "No GPU here. On a CPU the two linear layers of the acoustic encoder cost more than "
            "a tiny visual encoder, so the ratio says nothing of the goals (0.95, 0.90), which "
            "are a GPU's.",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measures and writes the section."""
    device = resolve_device("auto")
    size = GPU if device.type == "cuda" else CPU
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "store", size.clips)
        bare = [measure_bare(size, device)]
        runs = {
            cache: measure_run(store, Path(folder) / cache, size, cache, device)
            for cache in ("device", "none")
        }
        bare.append(measure_bare(size, device))
    section = table(size, device, bare, runs)
    print(section)
    write_section("step", section)


if __name__ == "__main__":
    main()
