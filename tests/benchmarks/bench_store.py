"""Reading the store: a map against zarr-python, and the audio of a fold against bare memory.

Run ``flock /tmp/bench.lock python -m tests.benchmarks.bench_store`` in a checkout; it replaces its
section of RESULTS.md. Everything is read from the page cache and timed in processor time: what is
measured is the reader, not the disk or whatever else the machine does.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import zarr
from numpy.typing import NDArray

from avsc.store import schema, shard
from avsc.store.create import create
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.store.verify import verify
from avsc.store.writer import ClipData, write_partition
from tests.benchmarks.results import write_section
from tests.store.test_scale import simulate

CLIPS = 512
ROUNDS = 7
READS = 400
SIZE = (360, 640)


def pictures(rng: np.random.Generator, count: int) -> list[bytes]:
    """JPEGs of the size that street scenes have at quality 90 (about 60 kB)."""
    found = []
    for _ in range(count):
        coarse = rng.uniform(0, 255, (45, 80, 3)).astype(np.uint8)
        smooth = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(smooth + rng.normal(0, 2.5, smooth.shape), 0, 255).astype(np.uint8)
        found.append(simplejpeg.encode_jpeg(noisy, quality=90))
    return found


def build(path: Path) -> float:
    """Writes the store; returns the writer's rate in GB/s."""
    settings = StoreSettings()
    rng = np.random.default_rng(0)
    names = [f"bus-lyon-{number // 28}-{number}" for number in range(CLIPS)]
    clips = [StoredClip(n, "bus", "lyon", "1", "train", f"{n}.wav", f"{n}.mp4") for n in names]
    frame = {f: (2, settings.bank(f).bands) for f in settings.features}
    clip = ClipData(
        {f: rng.standard_normal((56, *frame[f]), np.float32) for f in settings.features},
        {f: rng.standard_normal((10, 3, *frame[f]), np.float32) for f in settings.features},
        pictures(rng, 10),
        [second + 0.5 for second in range(10)],
    )
    create(path, clips, settings)
    began = time.process_time()
    for partition in range(schema.partition_count(CLIPS, settings)):
        with write_partition(path, CLIPS, settings, partition) as writer:
            for row in schema.partition_range(partition, CLIPS, settings):
                writer.add(row, clip)
    took = time.process_time() - began
    mark_complete(path)
    return sum(file.stat().st_size for file in path.rglob("*")) / took / 1e9


def seconds(work: Callable[[], object]) -> float:
    """How much processor time one run takes, of all its threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def interleaved(works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Times of several kinds of work, run in turn, so that all see the same neighbours."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work))
    return times


def read_table(store: Store, path: Path) -> list[str]:
    """Single pictures at random, in microseconds."""
    rng = np.random.default_rng(1)
    places = [(int(rng.integers(CLIPS)), int(rng.integers(10))) for _ in range(READS)]
    group: Any = zarr.open_group(path, mode="r")
    body = group[schema.IMAGE_JPEG]
    offset, length = group[schema.IMAGE_OFFSET][:], group[schema.IMAGE_LENGTH][:]
    run = store.settings.partition_clips

    def mapped() -> None:
        for row, second in places:
            store.jpeg(row, second)

    def through_zarr() -> None:
        for row, second in places:
            start = offset[row, second]
            body[row // run, start : start + length[row, second]]

    views = [np.frombuffer(store.jpeg(row, second), np.uint8) for row, second in places]

    def checksums() -> None:
        for view in views:
            shard.crc32c(view)

    def decode() -> None:
        for row, second in places[:40]:
            simplejpeg.decode_jpeg(store.jpeg(row, second))

    times = interleaved({"map": mapped, "zarr": through_zarr, "crc": checksums, "decode": decode})
    each = {name: statistics.median(found) / READS * 1e6 for name, found in times.items()}
    each["decode"] *= READS / 40
    ratio = statistics.median(z / m for z, m in zip(times["zarr"], times["map"], strict=True))
    size = int(np.mean([view.size for view in views])) // 1000
    return [
        f"| one picture of {size} kB at random | microseconds |",
        "|---|---:|",
        f"| `Store.jpeg`, its checksum verified | {each['map']:.1f} |",
        f"| of which the checksum alone | {each['crc']:.1f} |",
        f"| zarr-python, no checksum of the picture | {each['zarr']:.0f} |",
        f"| decoding it, for scale | {each['decode']:.0f} |",
        "",
        f"zarr-python takes {ratio:.0f} times as long (median of {ROUNDS} interleaved pairs).",
    ]


def audio_table(store: Store) -> list[str]:
    """The audio of all clips at once, in GB/s."""
    rows = list(range(CLIPS))
    shuffled = np.random.default_rng(2).permutation(CLIPS)
    there = store.audio("scalogram", rows)
    flat: NDArray[np.uint8] = there.reshape(-1).view(np.uint8)
    group: Any = zarr.open_group(store.place, mode="r")
    array = group[schema.audio_array("scalogram")]
    times = interleaved(
        {
            "`Store.audio`, rows in order": lambda: store.audio("scalogram", rows),
            "`Store.audio`, rows shuffled": lambda: store.audio("scalogram", shuffled),
            "zarr-python, the whole array": lambda: array[...],
            "copying the same bytes in memory": there.copy,
            "crc32c of the same bytes": lambda: shard.crc32c(flat),
        }
    )
    rates = {name: there.nbytes / statistics.median(found) / 1e9 for name, found in times.items()}
    return [
        f"| {CLIPS} clips' scalograms, {there.nbytes / 1e6:.0f} MB | GB/s |",
        "|---|---:|",
        *(f"| {name} | {rate:.2f} |" for name, rate in rates.items()),
    ]


def report(path: Path) -> str:
    """The whole section."""
    written = build(path)
    store = Store.open(path)
    opening = statistics.median(seconds(lambda: Store.open(path)) for _ in range(ROUNDS))
    size = sum(file.stat().st_size for file in path.rglob("*"))
    checked = size / seconds(lambda: verify(path)) / 1e9
    partitions = store.partitions
    simulated_s, megabytes = simulate()
    return "\n".join(
        [
            "## The store",
            "",
            f"`tests/benchmarks/bench_store.py`: {CLIPS} clips in {partitions} partitions, "
            f"{size / 1e6:.0f} MB, {os.cpu_count()} cores, medians of {ROUNDS} interleaved runs, "
            "of processor time, from the page cache.",
            "",
            *read_table(store, path),
            "",
            *audio_table(store),
            "",
            f"Opening the store takes {opening * 1e3:.0f} ms, `avsc verify` reads "
            f"{checked:.2f} GB/s, and the writer writes {written:.2f} GB/s, digests included.",
            "",
            f"12,291 clips with tiny payloads (193 partitions created, written, synced, finished "
            f"and read back) take {simulated_s} s of wall time on the machine as it was, and "
            f"{megabytes} MB.",
        ]
    )


def main() -> None:
    """Measures and writes the section."""
    with tempfile.TemporaryDirectory() as folder:
        write_section("store", report(Path(folder) / "store"))


if __name__ == "__main__":
    main()
