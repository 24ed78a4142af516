"""Time to get a clip's ten pictures, ours beside other ways.

Run with ``flock /tmp/bench.lock python -m tests.benchmarks.bench_video`` in a checkout; it
replaces its section of RESULTS.md. The ways take turns, so that whatever else the machine does
meets all of them; the table gives medians and, as ratios of the same round, medians of those.
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from avsc.errors import BadClipError
from avsc.media.video import read_pictures
from avsc.store.schema import ImageSettings
from avsc.timebase import image_times_s
from tests.benchmarks.results import write_section

ROUNDS = 7
TIMES_S = image_times_s(10).tolist()
REAL = Path(__file__).parents[3] / "shared" / "real" / "video"
NTSC = Fraction(30000, 1001)


def ours(path: Path) -> int:
    """The frame on screen at each time."""
    return sum(1 for _ in read_pictures(path, TIMES_S, ImageSettings()))


def every_picture(path: Path) -> int:
    """Every picture decoded from the start, the wanted ones converted."""
    wanted = iter([*TIMES_S, float("inf")])
    next_s, count = next(wanted), 0
    with av.open(str(path)) as container:
        stream = max(container.streams.video, key=lambda s: s.width * s.height)
        stream.codec_context.thread_count = 1
        before = None
        for frame in container.decode(stream):
            while frame.time > next_s and before is not None:
                before.to_ndarray(format="rgb24")
                next_s, count = next(wanted), count + 1
            before = frame
            if next_s == float("inf"):
                break
    return count


def keyframes(path: Path) -> int:
    """The nearest keyframe of each time."""
    settings = ImageSettings(frame_choice="keyframe")
    return sum(1 for _ in read_pictures(path, TIMES_S, settings))


def decord_backend(path: Path) -> int:
    """The same pictures through decord."""
    return sum(1 for _ in read_pictures(path, TIMES_S, ImageSettings(backend="decord")))


def ffmpeg_fps(path: Path) -> int:
    """The ffmpeg command with one thread, raw pictures through a pipe."""
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-vf", "fps=1"]
    output = ["-frames:v", "10", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run([*command, *output], capture_output=True, check=True).stdout
    return 10 if raw and len(raw) % 10 == 0 else 0


def backward_seeks(path: Path) -> int:
    """A seek to the keyframe before each time, and decoding from there."""
    count = 0
    with av.open(str(path)) as container:
        stream = max(container.streams.video, key=lambda s: s.width * s.height)
        stream.codec_context.thread_count = 1
        for time_s in TIMES_S:
            container.seek(int(time_s * av.time_base))
            before = None
            for frame in container.decode(stream):
                if frame.time > time_s and before is not None:
                    break
                before = frame
            if before is not None:
                before.to_ndarray(format="rgb24")
                count += 1
    return count


WAYS: dict[str, Callable[[Path], int]] = {
    "avsc": ours,
    "avsc, keyframes": keyframes,
    "PyAV, every picture": every_picture,
    "avsc, decord": decord_backend,
    "ffmpeg -vf fps=1": ffmpeg_fps,
    "PyAV, a seek a picture": backward_seeks,
}


def write_clip(path: Path, size: tuple[int, int], options: dict[str, str]) -> Path:
    """Ten seconds at 29.97 fps of a textured street that moves, with a camera's noise."""
    height, width = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (height // 8 + 60, width // 8 + 120, 3), dtype=np.uint8)
    street = cv2.resize(coarse, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=NTSC, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for i in range(300):
            noise = rng.integers(-6, 7, (height, width, 1), dtype=np.int16)
            picture = street[i : i + height, 2 * i : 2 * i + width] + noise
            rgb = np.clip(picture, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def measure(path: Path) -> dict[str, list[float]]:
    """Milliseconds of every way in every round; a way that refuses the file is left out."""
    taken: dict[str, list[float]] = {}
    for round_ in range(ROUNDS + 1):  # the first warms the page cache
        for name, way in WAYS.items():
            start = time.perf_counter()
            try:
                pictures = way(path)
            except BadClipError:
                continue
            assert pictures == 10, (name, pictures)
            if round_:
                taken.setdefault(name, []).append(1000 * (time.perf_counter() - start))
    return taken


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """One line a way, one column a file: the median, and the median ratio to ours."""
    heads = ["ms a clip (times ours)", *results]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in WAYS:
        cells = []
        for taken in results.values():
            if name not in taken:
                cells.append("refused")
                continue
            ratios = [a / b for a, b in zip(taken[name], taken["avsc"], strict=True)]
            middle = statistics.median(taken[name])
            cells.append(f"{middle:.0f} ({statistics.median(ratios):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures and rewrites the section."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        half = {"g": "15", "x264-params": "scenecut=0"}
        files = {
            "720p, x264's defaults": write_clip(root / "a.mp4", (720, 1280), {}),
            "720p, a keyframe every half second": write_clip(root / "b.mp4", (720, 1280), half),
            "360p, x264's defaults": write_clip(root / "c.mp4", (360, 640), {}),
        }
        for name in ("arm_wrestling.mp4", "mma_test.mp4"):
            if (REAL / name).exists():
                files[f"{name} (real)"] = REAL / name
        results = {name: measure(path) for name, path in files.items()}
    load = os.getloadavg()[0]
    write_section("video", TEXT.format(table=table(results), rounds=ROUNDS, load=load))


TEXT = """
## Ten pictures of a video clip

`python -m tests.benchmarks.bench_video`: ten seconds at about 30 fps, the pictures at k + 0.5 s as
RGB, one decoder thread; medians of {rounds} interleaved rounds of wall time. The load was
{load:.1f} on 2 cores while this ran: trust the ratios, not the milliseconds.

{table}

What the table says, and what was tried beside it:

- Leaving out pictures that no other refers to (the decoder's `skip_frame=NONREF`; half of x264's
  B-frames and more) is what takes ours below "PyAV, every picture". It gives the same pictures at
  the same rate (0.91 to 1.07 on ten files) as reading `nal_ref_idc` out of the packets did, and the
  same refusals of copies with flipped bits, all but for one thing: while the decoder may skip, it
  does not say that a packet holds no picture. FFmpeg's parser does, and it is asked.
- A seek for each picture decodes the same group again and again. Negative, as long as groups are
  longer than a second.
- `skip_loop_filter` and `flags2=fast` change the pictures, so they were not tried.
- decord loses its place when it jumps in files with open groups (real HEVC gave wrong pictures
  without a word), and mistakes pictures where a file starts late or has an edit list.
- H.264 has no checksums. Of 40 copies of `mma_test.mp4` with one flipped bit 29 were refused, 10
  gave the same pictures and 1 gave others without a sign; of 60 copies of a small generated video
  40, 19 and 1. With 5 bits one of 100 gave the same pictures and all others were refused, with 40
  bits all were refused.
"""

if __name__ == "__main__":
    main()
