"""Small recordings such as people make: a moving picture and a tone in one file."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

FPS = 8
CODECS = {".avi": ("mpeg4", "mp3"), ".webm": ("libvpx", "libopus")}


def write_recording(
    path: Path,
    seconds: float,
    *,
    rate: int = 44_100,
    channels: int = 1,
    size: tuple[int, int] = (48, 64),
    hz: float = 440.0,
    sound: bool = True,
) -> Path:
    """Writes a video of H x W pixels with a tone in its own track."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video, audio = CODECS.get(path.suffix.lower(), ("libx264", "aac"))
    kind = {".mov": "mov", ".mkv": "matroska", ".avi": "avi", ".webm": "webm"}
    with av.open(str(path), "w", format=kind.get(path.suffix.lower(), "mp4")) as container:
        stream = container.add_stream(video, rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        track = container.add_stream(audio, rate=rate) if sound else None
        if track is not None:
            assert isinstance(track, AudioStream)
            track.layout = "mono" if channels == 1 else "stereo"
        for number in range(round(seconds * FPS)):
            grey = np.full((*size, 3), 40 + 5 * (number % 40), np.uint8)
            grey[:, : size[1] // 2] = number % 256
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if isinstance(track, AudioStream):
            time_s = np.arange(round(seconds * rate)) / rate
            tone = (0.3 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)
            _write_tone(container, track, tone, "mono" if channels == 1 else "stereo")
    return path


def _write_tone(
    container: OutputContainer, track: AudioStream, tone: NDArray[np.float32], layout: str
) -> None:
    block, rate = 1024, track.rate
    channels = 1 if layout == "mono" else 2
    for first in range(0, len(tone), block):
        part = np.repeat(tone[None, first : first + block], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
