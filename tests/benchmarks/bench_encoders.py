"""Time and memory of the visual encoders of the shipped recipes, with random weights.

``python -m tests.benchmarks.bench_encoders [TURNS]`` in a checkout: minutes. Each encoder is
measured in a process of its own, in turns; on a GPU where there is one, in the number format that
training takes there, else by the processor time of one thread, which other processes change little.
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import timm
import torch

from avsc import recipe as recipes
from avsc import recipe_files
from avsc.models import visual, visual_weights
from avsc.train.device import resolve_device
from tests.benchmarks.results import write_section

PAPER = ("joint-scalogram-effnetv2s", "joint-scalogram-resnet50")
BATCH, BATCHES = 8, 3  # the first warms up
CLIPS, SECONDS, VIEWS = 8646, 10, 16  # TAU's training fold, as `avsc embed --views 16` has it
MB, GB = 1e6, 1e9


@dataclass(frozen=True)
class Measured:
    """One encoder in one process: sizes in bytes, time of an image in seconds."""

    model: str
    side: int
    features: int
    weights: int
    memory: int  # most that the process held, less what it held before there was an encoder
    seconds: float
    licence: str


def main(turns: int = 3) -> None:
    """Measures, prints and writes the section."""
    shipped = recipe_files.shipped()
    newer = [name for name, what in shipped.items() if what.startswith("Beyond the paper")]
    found: dict[str, list[Measured]] = {name: [] for name in (*PAPER, *newer)}
    for _ in range(turns):
        for name, measured in found.items():
            measured.append(_apart(name))
            print(measured[-1], flush=True)
    text = table(found)
    print(text)
    write_section("encoders", text)


def measure(name: str) -> Measured:
    """Measures the encoder of a shipped recipe in this process."""
    recipe = recipes.load(name, ["visual.weights=random"])
    device = resolve_device("auto")
    torch.set_num_threads(1)
    before = _resident()
    encoder = visual_weights.build(recipe.visual)
    encoder.run_as(visual.execution(recipe.train, device))
    side = encoder.config.size
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    ).to(device)
    is_cuda = device.type == "cuda"
    now = time.perf_counter if is_cuda else time.process_time
    times = []
    for _ in range(BATCHES):
        began = now()
        encoder(images).sum().item()
        times.append((now() - began) / BATCH)
    memory = torch.cuda.max_memory_allocated() if is_cuda else _resident() - before
    known = timm.get_pretrained_cfg(recipe.visual.model)
    return Measured(
        recipe.visual.model,
        side,
        encoder.features,
        sum(p.numel() * p.element_size() for p in encoder.parameters()),
        memory,
        min(times[1:]),
        "" if known is None else known.license or "unknown",
    )


def bank_bytes(features: int) -> int:
    """Size of a bank of TAU's training clips in memory, float16."""
    return CLIPS * SECONDS * VIEWS * features * 2


def table(found: dict[str, list[Measured]]) -> str:
    """The section's text."""
    turns = len(next(iter(found.values())))
    lines = [
        "## Visual encoders of the shipped recipes",
        "",
        "`python -m tests.benchmarks.bench_encoders`: random weights of the real shapes, batches "
        f"of {BATCH}, {_machine()}; each in a process of its own, the median of {turns} turns. "
        "Memory is what the process needs beside Python and PyTorch, weights included. The bank "
        f"has {VIEWS} views of {SECONDS} seconds of the {CLIPS:,} training clips of TAU as float16 "
        "in memory; on disk its chunks hold the places of the test clips too, 1.4 times as much. "
        "Licences are as timm records them. Nothing is said of accuracy: real weights could not be "
        "had here.",
        "",
        "| recipe | model | px | features | weights MB | ms an image | memory MB | bank GB "
        "| licence |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, measured in found.items():
        one = measured[0]
        ms = 1000 * float(np.median([turn.seconds for turn in measured]))
        memory = float(np.median([turn.memory for turn in measured])) / MB
        lines.append(
            f"| {name} | {one.model} | {one.side} | {one.features} | {one.weights / MB:.0f} "
            f"| {ms:.0f} | {memory:.0f} | {bank_bytes(one.features) / GB:.1f} | {one.licence} |"
        )
    return "\n".join(lines)


def _apart(name: str) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_encoders", name],
        check=True,
        capture_output=True,
        text=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _resident() -> int:
    """Most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _machine() -> str:
    if torch.cuda.is_available():
        return f"on a {torch.cuda.get_device_name()}"
    return "float32, by the processor time of one thread"


if __name__ == "__main__":
    if sys.argv[1:] and not sys.argv[1].isdigit():
        print(json.dumps(asdict(measure(sys.argv[1]))))
    else:
        main(*map(int, sys.argv[1:]))
