"""The same work by two checkouts of avsc, in turns: what a rebuilding cost or gained.

Run ``python -m tests.benchmarks.bench_before_after OTHER`` in a checkout; OTHER is a checkout of
the commit before. It replaces its section of RESULTS.md.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_prepare import make_dataset
from tests.benchmarks.results import write_section

ROUNDS = int(os.environ.get("ROUNDS", "5"))
HERE = Path(__file__).parents[2]
REAL = HERE.parent / "shared" / "real"

AUDIO = """
import sys, time
from pathlib import Path
from avsc.media.audio import read_stereo
from avsc.signal.features import FeatureExtractor
from avsc.store.schema import StoreSettings
extractor = FeatureExtractor(StoreSettings())
wavs = sorted(Path(sys.argv[1]).glob("*.wav"))[:8]
extractor.clip(read_stereo(wavs[0], 10))
began = time.process_time()
for wav in wavs:
    extractor.clip(read_stereo(wav, 10))
print((time.process_time() - began) / len(wavs))
"""

VIDEO = """
import sys, time
from pathlib import Path
from avsc import timebase
from avsc.media.video import read_pictures
from avsc.store.schema import ImageSettings
times_s = timebase.image_times_s(10).tolist()
paths = [Path(word) for word in sys.argv[1:]]
began = time.process_time()
for path in paths:
    assert sum(1 for _ in read_pictures(path, times_s, ImageSettings())) == 10
print((time.process_time() - began) / len(paths))
"""

STREAM = """
import sys, time
from tests.benchmarks import bench_stream
from pathlib import Path
store = bench_stream.make_store(Path(sys.argv[1]))
stream = bench_stream.make_stream(store)
batches = stream.epoch(0)
next(batches)
began, images = time.perf_counter(), 0
for _ in range(8):
    images += len(next(batches).labels)
print((time.perf_counter() - began) / images)
stream.close()
"""


def run(checkout: Path, *words: str) -> str:
    """The standard output of a Python command in a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    done = subprocess.run(
        command, cwd=checkout, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def wall_s(checkout: Path, *words: str) -> float:
    """Seconds of the clock that a command takes."""
    began = time.perf_counter()
    run(checkout, *words)
    return time.perf_counter() - began


def measure(name: str, checkout: Path, dataset: Path, aside: Path) -> float:
    """One measurement in seconds."""
    store = str(aside / "store")
    if name == "`avsc --help`":
        return wall_s(checkout, "-m", "avsc", "--help")
    # Three partitions a worker: before, a partition was what one worker did.
    prepare = ("-m", "avsc", "prepare", str(dataset), store, "--workers=2", "--partition-clips=8")
    if name == "`avsc prepare`, 48 clips of 720p":
        return wall_s(checkout, *prepare)
    if name == "`avsc prepare`, nothing to do":
        run(checkout, *prepare)
        return wall_s(checkout, *prepare)
    if name == "sound of a clip, both features":
        folder = REAL / "audio" if REAL.is_dir() else dataset / "audio"
        return float(run(checkout, "-c", AUDIO, str(folder)))
    if name == "pictures of a clip, 720p":
        videos = sorted((dataset / "video").glob("*.mp4"))[:4]
        return float(run(checkout, "-c", VIDEO, *map(str, videos)))
    if name == "pictures of a clip, real":
        videos = [REAL / "video" / f"{name}.mp4" for name in ("arm_wrestling", "mma_test")]
        return float(run(checkout, "-c", VIDEO, *map(str, videos)))
    return float(run(checkout, "-c", STREAM, store))


NAMES = (
    "`avsc --help`",
    "`avsc prepare`, 48 clips of 720p",
    "`avsc prepare`, nothing to do",
    "sound of a clip, both features",
    "pictures of a clip, 720p",
    "pictures of a clip, real",
    "an image of the training stream",
)


def main() -> None:
    """Measures both checkouts in turns and writes the section."""
    other = Path(sys.argv[1]).resolve()
    commits = [
        subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=place,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for place in (other, HERE)
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder) / "dataset")
        for name in NAMES:
            if name.endswith("real") and not REAL.is_dir():
                continue
            pairs = []
            for _ in range(ROUNDS):
                pair = []
                for checkout in (other, HERE):
                    with tempfile.TemporaryDirectory(dir=folder) as aside:
                        pair.append(measure(name, checkout, dataset, Path(aside)))
                pairs.append(pair)
            before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratios = sorted(b / a for a, b in pairs)
            rows.append(
                f"| {name} | {1000 * before:.3g} | {1000 * after:.3g} | "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
            )
            print(rows[-1], flush=True)
    write_section(
        "before-after",
        f"""## Before and after the rebuilding

`python -m tests.benchmarks.bench_before_after OTHER`: commit {commits[0]} before, {commits[1]}
after, medians of {ROUNDS} rounds in turns; sound and pictures are processor time, the others time
of the clock. The load was {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end.

| work | ms before | ms after | after over before (range) |
|---|---:|---:|---:|
{chr(10).join(rows)}
""",
    )


if __name__ == "__main__":
    main()
