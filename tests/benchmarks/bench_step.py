"""Images a second of whole joint training runs beside their frozen encoder's bare forward pass.

Run ``flock /tmp/bench.lock python -m tests.benchmarks.bench_step`` in a checkout; it replaces its
section of RESULTS.md. On a GPU these are the paper's encoder and ResNet-50 at their sizes, on a CPU
a tiny one, which shows that the benchmark runs and little more. The bare pass takes uint8 batches
that lie on the device already; the runs take JPEGs out of a store (cache none), the decoded fold
(cache device), or encoded views (from a bank), which are made first (making the bank). The bare
steps are forward, backward and step of the other parts on batches that are there already.
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
from torch.nn.functional import cross_entropy

from avsc import recipe
from avsc.data.loader import default_threads
from avsc.data.split import training_fold
from avsc.media import jpeg
from avsc.models import visual, visual_weights
from avsc.models.scene_model import build_model
from avsc.models.view_bank import ViewBank
from avsc.recipe import Recipe
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.writer import ClipData, write_partition
from avsc.train.device import resolve_device, tensor_cores
from avsc.train.distributed import Ranks
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.run_data import read_run_data
from avsc.train.trainer import optimization
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
    views: int


GPU = (
    Size("efficientnetv2_rw_s.ra2_in1k", 288, 256, clips=320, epochs=3, forwards=60, views=4),
    Size("resnet50.a1_in1k", 224, 256, clips=320, epochs=3, forwards=60, views=4),
)
CPU = (Size("test_efficientnet", 96, 64, clips=16, epochs=2, forwards=10, views=4),)
# An epoch of the paper: audio frames and images of TAU's training clips.
FRAMES, IMAGES, EPOCHS = 436_000, 8_646 * 10, 150
BANK = 16


@dataclass(frozen=True)
class Measured:
    """What a second brings, and how: a run's last epoch, compilation long over."""

    per_s: float
    waiting: float = 0.0
    peak_bytes: int = 0


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
    """The run's recipe; ``cache`` is that of raw images, or ``bank``."""
    encoder = [f"visual.model={size.model}", f"visual.image_size={size.side}"]
    steps = [f"train.epochs={size.epochs}", f"train.batch_size={size.batch}"]
    images = f"train.views={size.views}" if cache == "bank" else f"train.cache={cache}"
    return recipe.load(None, [*encoder, "visual.weights=random", *steps, images])


def measure_run(store: Path, run: Path, size: Size, cache: str, device: torch.device) -> Measured:
    """Trains and reads the last line of the log; samples a second."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train(store, run, asked(size, cache), device=str(device))
    row = read_log(run)[-1]
    return Measured(row["samples_per_second"], row["waiting"], _peak(device))


def measure_making(store: Path, size: Size, device: torch.device) -> Measured:
    """Makes the bank of views; views a second."""
    opened, wanted = Store.open(store), asked(size, "bank")
    encoder = visual_weights.build(wanted.visual).run_as(visual.execution(wanted.train, device))
    fold, nowhere = training_fold(opened, wanted.train), Path("/nowhere")
    ViewBank(opened, encoder, nowhere).compute(fold.train.rows, default_threads())  # warms up
    bank = ViewBank(opened, encoder, nowhere, wanted.augment, size.views)
    began_s = time.perf_counter()
    bank.compute(fold.train.rows, default_threads())
    took_s = time.perf_counter() - began_s
    images = int(opened.seconds(fold.train.rows).sum())
    return Measured(size.views * images / took_s, peak_bytes=_peak(device))


def measure_steps(store: Path, size: Size, device: torch.device) -> float:
    """Samples a second of bare steps from the bank, as the run compiles them."""
    opened, wanted = Store.open(store), asked(size, "bank")
    encoder = visual_weights.build(wanted.visual).run_as(visual.execution(wanted.train, device))
    fold = training_fold(opened, wanted.train)
    data = read_run_data(
        opened, fold, wanted, encoder, Ranks(device=device), elsewhere=store, say=print
    )
    model = build_model(290, encoder, len(opened.scenes)).to(device).train()
    stepping = torch.compile(model) if device.type == "cuda" else model
    optimizer = optimization(model, wanted.train, Ranks(device=device)).optimizer
    batches = list(data.loader.epoch(0))
    with tensor_cores(device.type == "cuda"):
        for _ in range(2):  # the first compiles and warms up
            _settle(device)
            began_s = time.perf_counter()
            for batch in batches:
                optimizer.zero_grad(set_to_none=True)
                cross_entropy(stepping(batch.inputs), batch.labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            _settle(device)
            took_s = time.perf_counter() - began_s
    return sum(len(batch.labels) for batch in batches) / took_s


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


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def table(size: Size, bare: float, steps: float, found: dict[str, Measured]) -> list[str]:
    """Lines of one encoder."""
    paper_h = {
        "device": EPOCHS * FRAMES / found["device"].per_s,
        "none": EPOCHS * FRAMES / found["none"].per_s,
        "making": BANK * IMAGES / found["making"].per_s,
        "bank": EPOCHS * FRAMES / found["bank"].per_s,
    }
    names = {
        "device": ("cached on the device", bare, 0.95),
        "none": ("streamed", bare, 0.90),
        "making": (f"making the bank ({BANK} views)", bare, 0.95),
        "bank": ("steps from the bank", steps, 0.90),
    }
    lines = [
        f"{size.model} at {size.side} px, batch {size.batch}: bare forward pass {bare:.0f} "
        f"images/s, bare steps of the other parts {steps:.0f} samples/s.",
        "",
        "| | a second | of the bare rate (goal) | waiting | peak GB | hours of the paper |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, (what, rate, goal) in names.items():
        one = found[name]
        lines.append(
            f"| {what} | {one.per_s:.0f} | {one.per_s / rate:.2f} ({goal:.2f}) "
            f"| {100 * one.waiting:.1f} % | {one.peak_bytes / 1e9:.1f} "
            f"| {paper_h[name] / 3600:.1f} |"
        )
    return [*lines, ""]


def measure(size: Size, device: torch.device) -> list[str]:
    """Measures one encoder; its lines."""
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "store", size.clips)
        bare = [measure_bare(size, device)]
        found = {"making": measure_making(store, size, device)}
        for cache in ("device", "none", "bank"):
            found[cache] = measure_run(store, Path(folder) / cache, size, cache, device)
        steps = measure_steps(store, size, device)
        bare.append(measure_bare(size, device))
    return table(size, max(bare), steps, found)


def main() -> None:
    """Measures and writes the section."""
    device = resolve_device("auto")
    gpu = device.type == "cuda"
    lines = [
        "## A whole training step",
        "",
        f"`tests/benchmarks/bench_step.py` on "
        f"{torch.cuda.get_device_name(device) if gpu else platform.machine()}, torch "
        f"{torch.__version__}: joint training, the last epoch of each run; the bare forward pass "
        f"is the better of one before and one after. Hours of the paper: {EPOCHS} epochs of "
        f"{FRAMES:,} audio frames, each with its own view, or a bank of {BANK} views made once.",
        "",
    ]
    for size in GPU if gpu else CPU:
        lines += measure(size, device)
    if not gpu:
        lines.append(
            "No GPU here. On a CPU the two linear layers of the acoustic encoder cost more than "
            "a tiny visual encoder, so the first ratios say nothing of the goals, which are a "
            "GPU's, and neither do the hours."
        )
    section = "\n".join(lines)
    print(section)
    write_section("step", section)


if __name__ == "__main__":
    main()
