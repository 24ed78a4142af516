"""Real files: 24-bit WAV at 48 kHz, H.264 in MP4 at 29.97 frames a second."""

import io
from collections.abc import Iterable
from fractions import Fraction

import av
import cv2
import numpy as np
import soundfile

from avsc.synth.drawing import Picture
from avsc.synth.sounds import WAV_RATE_HZ, Signal

FPS = Fraction(30_000, 1001)
GROUP = 15  # frames between key frames: half a second
CRF = 27  # constant quality; smaller is better and larger


def wav(samples: Signal) -> bytes:
    """A WAV of [2, n] samples at 48 kHz."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, WAV_RATE_HZ, format="WAV", subtype="PCM_24")
    return file.getvalue()


def mp4(pictures: Iterable[Picture], size: tuple[int, int]) -> bytes:
    """An MP4 of pictures uint8 [height, width, 3]; the same bytes for the same pictures."""
    file = io.BytesIO()
    # No date and no library's name in the header, and one thread: the same bytes every time.
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        options = {"preset": "superfast", "crf": str(CRF), "g": str(GROUP)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / FPS
        for index, picture in enumerate(pictures):
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
