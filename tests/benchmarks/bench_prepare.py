"""The whole of ``avsc prepare`` beside a bare loop and beside ffmpeg with librosa.

Run with ``flock /tmp/bench.lock python -m tests.benchmarks.bench_prepare`` in a checkout; it
replaces its section of RESULTS.md. Every way works on the same clips with the same number of
processes, one thread each, and is timed from its start to its end, imports included. The ways take
turns; the ratios are of one round. Wall time suffers from whatever else the machine does, so
processor time is given beside it.
"""

import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from avsc.prepare.cluster import usable_cores
from avsc.scenes import SCENES
from tests.benchmarks.bench_video import write_clip
from tests.benchmarks.results import write_section

ROUNDS = int(os.environ.get("ROUNDS", "3"))
CLIPS = int(os.environ.get("CLIPS", "144"))
PARTITION_CLIPS = int(os.environ.get("PARTITION_CLIPS", "16"))
PROCESSES = usable_cores()
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
VIDEOS = 4  # different ones; a clip has one of them


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock and of the processors."""

    wall_s: float
    cpu_s: float


def make_dataset(root: Path) -> Path:
    """Clips of ten seconds in TAU's layout: 48 kHz, 24 bit; 720p at 29.97 fps."""
    for folder in ("audio", "video", "evaluation_setup", "video-made"):
        (root / folder).mkdir(parents=True)
    made = [
        write_clip(root / f"video-made/{n}.mp4", (720, 1280), {"preset": "veryfast"})
        for n in range(VIDEOS)
    ]
    rows = []
    for number in range(CLIPS):
        clip = f"{SCENES[number % 10]}-lyon-{1000 + number % 10}-{number}"
        noise = np.random.default_rng(number).normal(0, 0.1, (480_000, 2))
        soundfile.write(root / f"audio/{clip}.wav", noise, 48_000, subtype="PCM_24")
        shutil.copy(made[number % VIDEOS], root / f"video/{clip}.mp4")
        rows.append(f"audio/{clip}.wav\tvideo/{clip}.mp4\t{clip.split('-', maxsplit=1)[0]}")
    shutil.rmtree(root / "video-made")
    text = "\n".join(["filename_audio\tfilename_video\tscene_label", *rows, ""])
    (root / "meta.csv").write_text(text)
    half = text.index(rows[CLIPS // 2])
    (root / "evaluation_setup/fold1_train.csv").write_text(text[:half])
    header = text[: text.index(rows[0])]
    (root / "evaluation_setup/fold1_evaluate.csv").write_text(header + text[half:])
    return root


def prepare(dataset: Path, out: Path) -> None:
    """Ours: both features, pictures scaled and kept as JPEG, everything written and synced."""
    words = ["prepare", dataset, out / "store", f"--workers={PROCESSES}"]
    more = [f"--partition-clips={PARTITION_CLIPS}"]
    # Its workers are children of a process that it does not wait for.
    reap = [sys.executable, "-m", "tests.benchmarks.reap"]
    command = [*reap, sys.executable, "-m", "avsc", *map(str, words), *more]
    subprocess.run(command, check=True, capture_output=True)


def _bare_clip(wav: Path) -> int:
    from avsc import timebase
    from avsc.media.audio import read_stereo
    from avsc.media.video import read_pictures
    from avsc.signal.features import FeatureExtractor
    from avsc.store.schema import StoreSettings

    settings = StoreSettings()
    if not _EXTRACTORS:
        _EXTRACTORS.append(FeatureExtractor(settings))
    _EXTRACTORS[0].clip(read_stereo(wav, 10))
    video = wav.parent.parent / f"video/{wav.stem}.mp4"
    times_s = timebase.image_times_s(10).tolist()
    return sum(1 for _ in read_pictures(video, times_s, settings.image))


_EXTRACTORS: list = []  # type: ignore[type-arg]  # one a process


def bare(dataset: Path, out: Path) -> None:
    """A loop that only decodes the same frames and computes the same features."""
    del out
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        assert set(pool.map(_bare_clip, sorted((dataset / "audio").iterdir()))) == {10}


def _script_clip(job: tuple[Path, Path]) -> None:
    import librosa

    wav, out = job
    video = wav.parent.parent / f"video/{wav.stem}.mp4"
    frames = out / f"{wav.stem}_%02d.jpg"
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", video, "-vf", "fps=1", "-q:v", "2"]
    subprocess.run([*map(str, command), str(frames)], check=True)
    (left, right), _ = librosa.load(wav, sr=16_000, mono=False)
    mels = [
        librosa.feature.melspectrogram(
            y=channel, sr=16_000, n_fft=8192, hop_length=2736, n_mels=256, power=1, center=False
        )
        for channel in ((left + right) / 2, left - right)
    ]
    np.save(out / f"{wav.stem}.npy", np.log(np.maximum(np.stack(mels), 1e-5)))


def script(dataset: Path, out: Path) -> None:
    """What one would write first: ``ffmpeg -vf fps=1`` into files, librosa's mel spectrogram."""
    jobs = [(wav, out) for wav in sorted((dataset / "audio").iterdir())]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        list(pool.map(_script_clip, jobs))


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "avsc prepare": prepare,
    "bare loop": bare,
    "ffmpeg -vf fps=1, librosa": script,
}


def timed(way: Callable[[Path, Path], None], dataset: Path, out: Path) -> Cost:
    """One run of a way into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    way(dataset, out)
    wall_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def watched_memory(dataset: Path, out: Path) -> list[float]:
    """Resident megabytes of the process that had most, sampled through a run of ours."""
    import psutil

    samples: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.1):
            used = [0.0]
            for process in psutil.Process().children(recursive=True):
                try:
                    used.append(process.memory_info().rss / 1e6)
                except psutil.Error:
                    continue  # it has just ended
            samples.append(max(used))

    thread = threading.Thread(target=sample)
    thread.start()
    timed(prepare, dataset, out)
    over.set()
    thread.join()
    return samples


def table(costs: dict[str, list[Cost]]) -> str:
    """One line a way: medians, and the medians of its ratios to ours in the same round."""
    lines = [
        "| | s a clip and process | processor s a clip | wall over ours | processor over ours |",
        "|---|---|---|---|---|",
    ]
    for name, mine in costs.items():
        pairs = list(zip(mine, costs["avsc prepare"], strict=True))
        cells = (
            f"{PROCESSES * statistics.median(c.wall_s for c in mine) / CLIPS:.3f}",
            f"{statistics.median(c.cpu_s for c in mine) / CLIPS:.3f}",
            f"{statistics.median(a.wall_s / b.wall_s for a, b in pairs):.2f}",
            f"{statistics.median(a.cpu_s / b.cpu_s for a, b in pairs):.2f}",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures and rewrites the section."""
    os.environ |= ONE_THREAD
    with tempfile.TemporaryDirectory() as folder:
        dataset, out = make_dataset(Path(folder) / "dataset"), Path(folder) / "out"
        costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
        for round_ in range(ROUNDS):
            names = list(WAYS) if round_ % 2 else list(reversed(WAYS))
            for name in names:
                costs[name].append(timed(WAYS[name], dataset, out))
                print(round_, name, costs[name][-1], flush=True)
        memory = watched_memory(dataset, out)
    text = TEXT.format(
        table=table(costs),
        clips=CLIPS,
        processes=PROCESSES,
        rounds=ROUNDS,
        load=os.getloadavg()[0],
        memory=max(memory),
        machine=platform.machine(),
    )
    write_section("prepare", text)


TEXT = """
## Stage 1 as a whole

`python -m tests.benchmarks.bench_prepare`: {clips} clips of ten seconds (720p H.264 at 29.97 fps,
48 kHz 24 bit), {processes} processes of one thread, start and imports included; medians of
{rounds} interleaved rounds. The load was {load:.1f} at the end, on {processes} cores: where others
work too, trust the ratios and the processor time.

{table}

`avsc prepare` computes both features over clips and seconds, scales and compresses the pictures,
writes and syncs the store. The bare loop only decodes the same frames and computes the same
features (the contract asks for a wall time of at least 0.85 of ours). The script keeps one feature
and lets ffmpeg choose, scale nothing and write the pictures (at least 1.8 times ours).
The process that had most held {memory:.0f} MB (the contract allows 600).
"""

if __name__ == "__main__":
    main()
