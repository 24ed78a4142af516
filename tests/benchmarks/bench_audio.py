"""Milliseconds a clip of the audio part of prepare, beside what one would write otherwise.

Run with ``flock /tmp/bench.lock python -m tests.benchmarks.bench_audio`` in a checkout, with
librosa installed (``pip install ".[bench]"``); it replaces its section of RESULTS.md. Everything
runs on one thread and takes turns clip by clip, so that whatever else the machine does meets all.
Times are that thread's CPU time, medians; ratios are medians of the turns' ratios.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import scipy.fft
import scipy.signal
import scipy.sparse
import soundfile
import soxr
from numpy.typing import NDArray

from avsc.media.audio import read_stereo
from avsc.signal import mel, morlet
from avsc.signal.features import FeatureExtractor, average_and_difference, hann_window
from avsc.store.schema import FBankSettings, ScalogramSettings, StoreSettings
from tests.benchmarks.results import write_section

ROUNDS = 12
SECONDS, RATE, WINDOW, HOP, FLOOR = 10, 16_000, 8192, 2736, 1e-5
ROWS = (56 + 10 * 3) * 2  # spectra of a clip: both views, both channels
REAL = Path(__file__).parents[3] / "shared" / "real" / "audio"
BOTH = StoreSettings()
ONE = StoreSettings(features=("scalogram",))

Array = NDArray[np.float32]
Job = Callable[[Path], object]


def clips(folder: Path) -> list[Path]:
    """Real clips, or noise in the same format where there are none."""
    if REAL.is_dir():
        return sorted(REAL.glob("*.wav"))
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.wav" for number in range(4)]
    for path in paths:
        soundfile.write(path, rng.normal(0, 0.1, (480_000, 2)), 48_000, subtype="PCM_24")
    return paths


# --- contenders: each reads a WAV and makes the scalogram of both views --------------------------


def ours(settings: StoreSettings) -> Job:
    extractor = FeatureExtractor(settings)
    return lambda path: extractor.clip(read_stereo(path, SECONDS))


def with_librosa() -> Job:
    """``librosa.load``, ``librosa.stft``, a dense matrix."""
    bank = morlet.filter_bank(ScalogramSettings()).astype(np.float32)

    def log_bands(channels: Array) -> Array:
        spectra = librosa.stft(channels, n_fft=WINDOW, hop_length=HOP, center=False)
        logs: Array = np.log(np.maximum(bank @ np.abs(spectra), np.float32(FLOOR)))
        return logs

    def job(path: Path) -> object:
        stereo, _ = librosa.load(path, sr=RATE, mono=False, duration=SECONDS)
        channels = average_and_difference(stereo).astype(np.float32)
        seconds = np.array_split(channels, SECONDS, axis=1)
        return log_bands(channels), [log_bands(second) for second in seconds]

    return job


def with_scipy() -> Job:
    """``soundfile.read``, ``resample_poly``, ``scipy.signal.stft``, a dense matrix, in float64."""
    bank = morlet.filter_bank(ScalogramSettings())

    def log_bands(channels: NDArray[np.float64]) -> NDArray[np.float64]:
        _, _, spectra = scipy.signal.stft(
            channels, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP, boundary=None, padded=False
        )
        return np.log(np.maximum(bank @ np.abs(spectra * WINDOW / 2), FLOOR))

    def job(path: Path) -> object:
        samples, _ = soundfile.read(path)
        stereo = scipy.signal.resample_poly(samples, 1, 3).T
        channels = np.stack([stereo.mean(axis=0), stereo[0] - stereo[1]])
        seconds = np.array_split(channels, SECONDS, axis=1)
        return log_bands(channels), [log_bands(second) for second in seconds]

    return job


# --- parts: what was tried for each step ---------------------------------------------------------


def read_parts(path: Path) -> dict[str, Callable[[], object]]:
    samples, rate = soundfile.read(path, dtype="float32")
    apart = np.ascontiguousarray(samples.T)

    def resampled(channels_apart: Array) -> object:
        return soxr.resample(channels_apart.T, rate, RATE, quality="HQ")

    return {
        "read and resample: ours": lambda: read_stereo(path, SECONDS),
        "of it, decode 24 bit: libsndfile": lambda: soundfile.read(path, dtype="float32"),
        "resample: soxr HQ, channels interleaved (ours)": lambda: resampled(samples.T),
        "resample: soxr HQ, channels apart": lambda: resampled(apart),
        "resample: scipy resample_poly": lambda: scipy.signal.resample_poly(apart, 1, 3, axis=1),
    }


def fft_parts(path: Path) -> dict[str, Callable[[], object]]:
    stereo = read_stereo(path, SECONDS)
    pieces = np.lib.stride_tricks.sliding_window_view(stereo, WINDOW, axis=-1)[:, ::HOP]
    double = np.resize(pieces * hann_window(WINDOW), (ROWS, WINDOW))
    single = double.astype(np.float32)

    def in_blocks(windowed: NDArray[np.floating[Any]], rows: int) -> object:
        return [scipy.fft.rfft(windowed[row : row + rows]) for row in range(0, ROWS, rows)]

    return {
        "FFT: float64, 28 rows at a time (ours)": lambda: in_blocks(double, 28),
        "FFT: float64, 4 rows at a time": lambda: in_blocks(double, 4),
        "FFT: float64, all at once": lambda: in_blocks(double, ROWS),
        "FFT: float32, 28 rows at a time": lambda: in_blocks(single, 28),
    }


def bank_parts(name: str, rows: NDArray[np.float64]) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    frames_first = rng.uniform(size=(ROWS, rows.shape[1])).astype(np.float32)
    bins_first = np.ascontiguousarray(frames_first.T)
    sparse = scipy.sparse.csr_array(np.where(rows > 1e-6, rows, 0).astype(np.float32))
    dense = np.ascontiguousarray(rows.T.astype(np.float32))
    blocks = dense_blocks(sparse.toarray(), 16)

    def blocked() -> Array:
        out = np.empty((ROWS, len(rows)), np.float32)
        for first, start, stop, block in blocks:
            out[:, first : first + block.shape[1]] = frames_first[:, start:stop] @ block
        return out

    return {
        f"{name}: CSR, bins first (ours)": lambda: sparse @ bins_first,
        f"{name}: CSR, frames first": lambda: (sparse @ frames_first.T).T,
        f"{name}: dense": lambda: frames_first @ dense,
        f"{name}: dense blocks of 16 bands": blocked,
    }


def dense_blocks(rows: Array, size: int) -> list[tuple[int, int, int, Array]]:
    """First band, first bin, end of bins and weights [bins, bands] of each group of bands."""
    blocks = []
    for first in range(0, len(rows), size):
        group = rows[first : first + size]
        bins = np.flatnonzero(group.any(axis=0))
        start, stop = int(bins[0]), int(bins[-1]) + 1
        blocks.append((first, start, stop, np.ascontiguousarray(group[:, start:stop].T)))
    return blocks


# --- clocks --------------------------------------------------------------------------------------


def take_turns(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each job in each round."""
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            began = time.thread_time()
            job()
            times[name].append((time.thread_time() - began) * 1000)
    return times


def contend(paths: Sequence[Path]) -> dict[str, list[float]]:
    jobs = {
        "avsc, scalogram": ours(ONE),
        "avsc, FBank": ours(StoreSettings(features=("fbank",))),
        "avsc, both features": ours(BOTH),
        "librosa, scalogram, dense": with_librosa(),
        "scipy, scalogram, dense, float64": with_scipy(),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for path in paths:
        bound = {name: partial(job, path) for name, job in jobs.items()}
        for name, taken in take_turns(bound, ROUNDS // 4).items():
            times[name] += taken
    return times


def machine_rates() -> tuple[float, float]:
    """GFLOP/s of a float32 matrix product and GB/s of copying 64 MB, on one core."""
    a = np.random.default_rng(0).uniform(size=(1024, 1024)).astype(np.float32)
    source = np.ones(16 << 20, np.float32)
    target = np.empty_like(source)
    jobs = {"product": lambda: a @ a, "copy": lambda: np.copyto(target, source)}
    best = {name: min(taken) / 1000 for name, taken in take_turns(jobs, 15).items()}
    return 2 * 1024**3 / best["product"] / 1e9, 2 * source.nbytes / best["copy"] / 1e9


# --- the report ----------------------------------------------------------------------------------


def work() -> tuple[float, float]:
    """MFLOP and MB that one clip and the scalogram need at least."""
    stored = np.count_nonzero(morlet.filter_bank(ScalogramSettings()) > 1e-6)
    resampling = 50 * 960_000  # overlapped FFTs of a filter that falls within 700 Hz
    mflop = (resampling + ROWS * 2.5 * WINDOW * np.log2(WINDOW) + ROWS * 2 * stored) / 1e6
    samples, spectrum = 960_000 * 4, ROWS * (WINDOW // 2 + 1) * 8
    # In and out of each step: file, samples, 16 kHz, windowed frames, spectra, magnitudes.
    steps = [2.88e6, 3 * samples, samples, ROWS * WINDOW * 4 * 4, spectrum * 2, spectrum]
    return float(mflop), sum(steps) / 1e6


def contest_table(times: dict[str, list[float]]) -> str:
    base = times["avsc, scalogram"]
    lines = ["| WAV in, both views out | ms a clip | least | times ours |", "|---|---:|---:|---:|"]
    for name, taken in times.items():
        ratio = statistics.median(t / b for t, b in zip(taken, base, strict=True))
        median, least = statistics.median(taken), min(taken)
        lines.append(f"| {name} | {median:.1f} | {least:.1f} | {ratio:.2f} |")
    return "\n".join(lines)


def parts_table(path: Path) -> str:
    groups = (
        read_parts(path),
        fft_parts(path),
        bank_parts("scalogram bank", morlet.filter_bank(ScalogramSettings())),
        bank_parts("FBank bank", mel.filter_bank(FBankSettings())),
    )
    lines = ["| step | ms a clip | least |", "|---|---:|---:|"]
    for group in groups:
        for name, taken in take_turns(group, ROUNDS).items():
            lines.append(f"| {name} | {statistics.median(taken):.2f} | {min(taken):.2f} |")
    return "\n".join(lines)


def report(paths: Sequence[Path]) -> str:
    gflops, gbytes = machine_rates()
    mflop, mbyte = work()
    times = contend(paths)
    measured = min(times["avsc, scalogram"])
    least = mflop / gflops + mbyte / gbytes
    kind = "real TAU clips" if REAL.is_dir() else "clips of noise"
    return f"""## Audio of one clip

`python -m tests.benchmarks.bench_audio`: {len(paths)} {kind} of ten seconds (48 kHz, 24 bit),
CPU time of one thread, medians. {platform.machine()}, Python {platform.python_version()},
{", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "soxr", "librosa"))}; the
files are in the page cache.

The work of a clip with one feature is about {mflop:.0f} MFLOP (resampling 48, {ROWS} FFTs, the
bank) and {mbyte:.0f} MB through memory; one core here does {gflops:.0f} GFLOP/s in a matrix product
and copies {gbytes:.0f} GB/s. At those rates the clip would take {least:.1f} ms; it takes
{measured:.1f} ms at best, so {least / measured:.0%} of the machine. What is missing is in the FFTs,
scipy's and soxr's, which reach a fifth of a matrix product's rate. The bound is 20 ms.
The load while this ran was {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: where that is more
than one, others share the caches and memory, and the column of least times is the core's own.

{contest_table(times)}

Steps, and what was tried for them:

{parts_table(paths[0])}

- Dense blocks are as fast as the sparse product on magnitudes that lie bins first, or faster, but
  a BLAS may give other last bits for other shapes and threads, where the store promises the same
  bytes from any number of workers: not used.
- FFTs all at once take the memory of the whole clip, small blocks cost calls.
- An FFT in float32 takes 3 ms less, but its rounding shows in the quietest bands of a real clip by
  up to 3e-3 (FBank), where float64 leaves 1e-6. A frame tilted first (d[n] = x[n] - 15/16 x[n - 1])
  brought float32 to 7e-4: taken back, as it made the features hard to explain. A WAV parser of our
  own decoded 24 bits in 1 ms instead of 5: taken back, as libsndfile knows every WAV there is.
- Segments share 3 of their 30 frames with the clip (those of the first second): 3.5 % of the FFTs,
  not worth a special case.
"""


def main() -> None:
    """Starts itself again on one thread: the libraries read that when they are loaded."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        os.execve(
            sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(names, "1")
        )
    with tempfile.TemporaryDirectory() as folder:
        markdown = report(clips(Path(folder)))
    print(markdown)
    write_section("audio", markdown)


if __name__ == "__main__":
    main()
