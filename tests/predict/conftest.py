"""Clips as files, the store that was prepared from them, and runs on it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avsc.prepare.clip import prepare_clip
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.schema import ImageSettings, StoreSettings
from avsc.store.writer import write_partition
from tests.media.make_video import write_video

SECONDS = 3
RATE_HZ = 48_000
CLIPS = ("park-lyon-1-1", "tram-paris-2-2")

Samples = NDArray[np.float32]
MakeRecording = Callable[..., Path]
Runs = Callable[[str], Path]


def sound(seconds: float, seed: int = 0) -> Samples:
    """Noise that swells and a tone that climbs, [samples, 2]."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.03, (len(time), 2)) * (1 + time[:, None])
    tone = 0.2 * np.sin(2 * np.pi * (300 + 400 * seed + 100 * time) * time)
    return np.asarray(noise + tone[:, None] * (1.0, 0.6), np.float32)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips; the first one's sound is a sample short, as some of TAU's are."""
    root = tmp_path_factory.mktemp("dataset")
    for number, name in enumerate(CLIPS):
        samples = sound(SECONDS, number)[: SECONDS * RATE_HZ - (number == 0)]
        soundfile.write(root / f"{name}.wav", samples, RATE_HZ, subtype="PCM_24")
        frames = range(40 * number, 40 * number + 30 * SECONDS)
        write_video(root / f"{name}.mp4", [n - 40 * number for n in frames], rate=Fraction(30))
    return root


@pytest.fixture(scope="session")
def store(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips prepared as ``avsc prepare`` does; all of them the test fold."""
    path = tmp_path_factory.mktemp("predict") / "store"
    settings = StoreSettings(
        clip_seconds=SECONDS, partition_clips=2, image=ImageSettings(short_side=64)
    )
    clips = [
        StoredClip(name, scene, city, place, "test", f"{name}.wav", f"{name}.mp4")
        for name, (scene, city, place, _) in ((name, name.split("-")) for name in CLIPS)
    ]
    open_for_writing(path, clips, settings)
    with write_partition(path, len(clips), settings, 0) as writer:
        for row, clip in enumerate(clips):
            writer.add(row, prepare_clip(dataset, clip, settings))
    mark_complete(path)
    return path


@pytest.fixture(scope="session")
def runs(
    store: Path, make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Runs:
    """``runs(strategy)``: a run on the store."""
    made: dict[str, Path] = {}

    def of(strategy: str) -> Path:
        if strategy not in made:
            path = tmp_path_factory.mktemp("runs") / strategy
            made[strategy] = make_run(path, store, strategy)
        return made[strategy]

    return of


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> MakeRecording:
    """``recording(name, picture_s=3, sound_s=3, late_s=0, stereo=True)``: a Matroska file.

    Its sound is lossless and both ways the same as ``sound``'s; a length of 0 leaves a stream out;
    ``late_s`` is when the first picture appears.
    """
    folder = tmp_path_factory.mktemp("recordings")

    def make(
        name: str,
        picture_s: float = 3,
        sound_s: float = 3,
        *,
        late_s: float = 0,
        stereo: bool = True,
    ) -> Path:
        path = folder / name
        with av.open(str(path), "w") as container:
            picture = _add_picture(container) if picture_s else None
            track = container.add_stream("pcm_f32le", rate=RATE_HZ, layout="stereo")
            if picture is not None:
                _mux_pictures(container, picture, picture_s, late_s)
            samples = sound(sound_s)
            samples = samples if stereo else samples[:, [0, 0]]
            _mux_sound(container, track, samples)
        return path

    return make


FPS = 10


def _add_picture(container: av.container.OutputContainer) -> av.VideoStream:
    picture = container.add_stream("mpeg4", rate=FPS)
    assert isinstance(picture, av.VideoStream)
    picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
    return picture


def _mux_pictures(
    container: av.container.OutputContainer, stream: av.VideoStream, picture_s: float, late_s: float
) -> None:
    for number in range(round(picture_s * FPS)):
        grey = np.full((48, 64, 3), 40 + number * 7 % 200, np.uint8)
        grey[:, : number % 64] = (200, 60, 30)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts, frame.time_base = number + round(late_s * FPS), Fraction(1, FPS)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _mux_sound(
    container: av.container.OutputContainer, track: av.AudioStream, samples: Samples
) -> None:
    for start in range(0, len(samples), 4096):
        piece = np.ascontiguousarray(samples[start : start + 4096]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="stereo")
        frame.sample_rate, frame.pts = RATE_HZ, start
        container.mux(track.encode(frame))
    container.mux(track.encode())
