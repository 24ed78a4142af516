"""Real files: 24-bit WAV at 48 kHz, H.264 in MP4 at 29.97 frames a second."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from avsc.files import write_aside
from avsc.synth.drawing import Picture
from avsc.synth.sounds import WAV_RATE_HZ, Signal

FPS = Fraction(30_000, 1001)
# A key frame every half second; constant quality, where a smaller crf is better and larger.
CODEC_OPTIONS = {"preset": "superfast", "crf": "27", "g": "15"}


def write_wav(path: Path, samples: Signal) -> None:
    """Writes [2, n] samples at 48 kHz."""
    with write_aside(path) as file:
        soundfile.write(file, samples.T, WAV_RATE_HZ, format="WAV", subtype="PCM_24")


def write_mp4(path: Path, pictures: Sequence[Picture]) -> None:
    """Writes pictures uint8 [height, width, 3]; the same bytes for the same pictures."""
    # No date and no library's name in the header, and one thread: the same bytes every time.
    bitexact = {"fflags": "+bitexact"}
    with write_aside(path) as file, av.open(file, "w", format="mp4", options=bitexact) as container:
        stream = container.add_stream("libx264", rate=FPS, options=CODEC_OPTIONS)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / FPS
        for index, picture in enumerate(pictures):
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
