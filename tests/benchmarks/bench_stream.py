"""Images a second of the training stream beside a bare loop and a textbook DataLoader.

Run with ``flock /tmp/bench.lock python -m tests.benchmarks.bench_stream`` in a checkout (or the
file itself); it replaces its section of RESULTS.md. The three take turns, so that whatever else
the machine does meets all of them; ratios are medians over the rounds.
"""

import gc
import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from torchvision.io import decode_jpeg, read_file
from torchvision.transforms import v2

from avsc.data.loader import TripleLoader
from avsc.data.split import Clips
from avsc.data.training_loader import training_loader
from avsc.media import jpeg
from avsc.recipe import load
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.writer import ClipData, write_partition

sys.path.insert(0, str(Path(__file__).parent))
from tests.benchmarks.results import write_section

CLIPS = 96
SECONDS = 10
SIDE = 288
BATCH = 256
THREADS = 2
WARM_BATCHES = 1
TIMED_BATCHES = 4
ROUNDS = 5
VIDEOS = Path(__file__).parents[3] / "shared" / "real" / "video"


@dataclass(frozen=True)
class Timing:
    """One round of one contender."""

    images_per_s: float
    cpu_us: float  # of all threads and processes, an image


def pictures() -> list[NDArray[np.uint8]]:
    """640 x 360 pictures from real videos, or of smooth noise where there are none."""
    found = []
    for path in sorted(VIDEOS.glob("*")) if VIDEOS.is_dir() else []:
        try:
            with av.open(str(path)) as container:
                frames = islice(container.decode(video=0), 0, 60, 10)
                found += [frame.to_ndarray(format="rgb24") for frame in frames]
        except (av.FFmpegError, IndexError):
            continue  # the damaged files are there for other tests
    if not found:
        rng = np.random.default_rng(0)
        found = [rng.integers(0, 256, (90, 160, 3), np.uint8) for _ in range(16)]
    return [
        np.asarray(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA), np.uint8)
        for picture in found
    ]


def make_store(folder: Path) -> Store:
    """A store of ``CLIPS`` clips whose pictures are those above; the sound is silence."""
    jpegs = [jpeg.encode(picture, 360, 90) for picture in pictures()]
    settings = StoreSettings(features=("fbank",), partition_clips=CLIPS)
    names = [f"bus-oslo-{1000 + i}-{i}" for i in range(CLIPS)]
    clips = [StoredClip(name, "bus", "oslo", name.split("-")[2], "train", "", "") for name in names]
    open_for_writing(folder, clips, settings)
    audio = np.zeros((settings.clip_frames, 2, 256), np.float32)
    segments = np.zeros((SECONDS, 3, 2, 256), np.float32)
    with write_partition(folder, CLIPS, settings, 0) as writer:
        for row in range(CLIPS):
            chosen = [jpegs[(row * SECONDS + s) % len(jpegs)] for s in range(SECONDS)]
            times = (np.arange(SECONDS) + 0.5).tolist()
            writer.add(row, ClipData({"fbank": audio}, {"fbank": segments}, chosen, times))
    mark_complete(folder)
    return Store.open(folder)


def write_files(store: Store, folder: Path) -> list[str]:
    """The same pictures as loose files."""
    paths = []
    for row in range(CLIPS):
        for second in range(SECONDS):
            path = folder / f"{row}-{second}.jpg"
            path.write_bytes(store.jpeg(row, second))
            paths.append(str(path))
    return paths


def make_stream(store: Store) -> TripleLoader:
    rows, labels = np.arange(CLIPS), np.ones(CLIPS, np.int64)
    settings = ["train.cache=none", f"train.batch_size={BATCH}", f"train.threads={THREADS}"]
    recipe = load(None, settings)
    audio = store.audio("fbank", rows)
    return training_loader(
        store, Clips(rows, labels), recipe, audio=audio, image_size=SIDE, reuse_buffers=True
    )


def bare_image(data: bytes, rng: random.Random) -> NDArray[np.uint8]:
    """What one would write by hand: decode, crop, resize, flip, and the colours in one pass."""
    image = simplejpeg.decode_jpeg(data)
    while True:
        area = rng.uniform(0.35, 1) * 640 * 360
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        width, height = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if width <= 640 and height <= 360:
            break
    top, left = rng.randint(0, 360 - height), rng.randint(0, 640 - width)
    crop = image[top : top + height, left : left + width]
    scaled = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        scaled = cv2.flip(scaled, 1)
    b, c, s = (rng.uniform(0.8, 1.2) for _ in range(3))
    grey = np.array([0.299, 0.587, 0.114])
    matrix = b * c * (s * np.eye(3) + (1 - s) * grey)
    offset = b * (1 - c) * grey @ cv2.mean(scaled)[:3]
    return np.asarray(cv2.transform(scaled, np.column_stack([matrix, [offset] * 3])), np.uint8)


def run_bare(jpegs: list[bytes]) -> int:
    """Two threads over a list in memory; nothing is kept."""
    count = TIMED_BATCHES * BATCH // THREADS

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(count):
            bare_image(jpegs[rng.randrange(len(jpegs))], rng)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count * THREADS


class LooseFiles(Dataset[torch.Tensor]):
    """JPEG files with torchvision's transforms."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(SIDE, scale=(0.35, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.2, 0.2, 0.2),
            ]
        )

    def __len__(self) -> int:
        return 100 * len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = decode_jpeg(read_file(self.paths[index % len(self.paths)]))
        transformed: torch.Tensor = self.transform(image)
        return transformed


def cpu_s() -> float:
    """Processor time of this process and of its children that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def time_batches(batches: Iterator[Any]) -> float:
    """Images a second in the steady state."""
    for _ in islice(batches, WARM_BATCHES):
        pass
    began_s = time.perf_counter()
    for _ in islice(batches, TIMED_BATCHES):
        pass
    return TIMED_BATCHES * BATCH / (time.perf_counter() - began_s)


def time_stream(stream: TripleLoader, number: int) -> Timing:
    """One round of the stream."""
    began, count = cpu_s(), WARM_BATCHES + TIMED_BATCHES
    # Begun so late in the epoch that it ends with the timed batches: nothing is done for naught.
    batches = stream.epoch(number, stream.batches_per_epoch - count)
    rate = time_batches(batches)
    return Timing(rate, (cpu_s() - began) / (count * BATCH) * 1e6)


def time_loader(files: LooseFiles) -> Timing:
    """One round of the DataLoader; its workers start and end with it."""
    began = cpu_s()
    count = WARM_BATCHES + TIMED_BATCHES
    chosen = torch.utils.data.Subset(files, random.sample(range(len(files)), count * BATCH))
    loader: DataLoader[torch.Tensor] = DataLoader(chosen, BATCH, num_workers=THREADS)
    rate = time_batches(iter(loader))
    gc.collect()
    return Timing(rate, (cpu_s() - began) / (count * BATCH) * 1e6)


def time_bare(jpegs: list[bytes]) -> Timing:
    """One round of the bare loop."""
    began, began_s = cpu_s(), time.perf_counter()
    count = run_bare(jpegs)
    elapsed_s = time.perf_counter() - began_s
    return Timing(count / elapsed_s, (cpu_s() - began) / count * 1e6)


def table(rounds: dict[str, list[Timing]]) -> str:
    """The section of RESULTS.md."""

    def median(name: str, of: Callable[[Timing], float]) -> float:
        return statistics.median(of(timing) for timing in rounds[name])

    def ratio(other: str, of: Callable[[Timing], float]) -> str:
        pairs = zip(rounds["stream"], rounds[other], strict=True)
        ratios = sorted(of(ours) / of(theirs) for ours, theirs in pairs)
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"

    work_us = median("bare", lambda t: t.cpu_us)
    machine = median("bare", lambda t: t.images_per_s)
    lines = [
        "## Training stream",
        "",
        f"Work: {work_us:.0f} us of processor time an image in the bare loop (360-line JPEG to "
        f"{SIDE} px). Machine: {machine:.0f} images/s on {THREADS} of its {os.cpu_count()} cores, "
        "shared with whatever else ran.",
        "",
        f"`tests.benchmarks.bench_stream`: batch {BATCH}, decode, RandomResizedCrop, flip, "
        f"brightness, contrast, saturation; {THREADS} threads or workers, "
        f"{len(rounds['bare'])} interleaved rounds of {TIMED_BATCHES} batches; "
        "medians (and the range of ratios).",
        "",
        "| | images/s | us of processor time an image | stream's rate over it (goal) "
        "| by processor time alone |",
        "|---|---|---|---|---|",
    ]
    goals = {"stream": "|"}
    for name, goal in (("bare", "0.90"), ("DataLoader", "1.3")):
        by_rate = ratio(name, lambda t: t.images_per_s)
        goals[name] = f"{by_rate} ({goal}) | {ratio(name, lambda t: 1 / t.cpu_us)}"
    for name, text in goals.items():
        rate, cpu = median(name, lambda t: t.images_per_s), median(name, lambda t: t.cpu_us)
        lines.append(f"| {name} | {rate:.0f} | {cpu:.0f} | {text} |")
    return "\n".join(lines)


def main() -> None:
    """Runs all rounds and writes the section."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rounds: dict[str, list[Timing]] = {"stream": [], "bare": [], "DataLoader": []}
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "store")
        loose = Path(folder) / "loose"
        loose.mkdir()
        files = LooseFiles(write_files(store, loose))
        jpegs = [bytes(store.jpeg(r, s)) for r in range(CLIPS) for s in range(SECONDS)]
        stream = make_stream(store)
        for number in range(ROUNDS):
            rounds["stream"].append(time_stream(stream, number))
            rounds["bare"].append(time_bare(jpegs))
            rounds["DataLoader"].append(time_loader(files))
            print({name: timings[-1] for name, timings in rounds.items()}, flush=True)
    section = table(rounds)
    print(section)
    write_section("stream", section)


if __name__ == "__main__":
    main()
