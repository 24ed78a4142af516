"""Time arithmetic: samples, frames, seconds and images of a clip (DESIGN section 5).

Everything counts from the clip's start. Frames are not padded: frame i covers samples
``[HOP * i, HOP * i + WINDOW)`` at 16 kHz.
"""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
WINDOW = 8192  # samples, 512 ms
HOP = 2736  # samples, 171 ms
LENGTH_TOLERANCE_S = 0.010


def frame_count(samples: int) -> int:
    """The number of whole frames in ``samples`` samples at 16 kHz.

    >>> frame_count(160_000), frame_count(16_000), frame_count(8191)
    (56, 3, 0)
    """
    return max(0, 1 + (samples - WINDOW) // HOP)


def frame_centres_s(frames: int) -> NDArray[np.float64]:
    """The centre of each frame in seconds, shape [frames]."""
    return np.asarray((HOP * np.arange(frames) + WINDOW // 2) / SAMPLE_RATE_HZ, np.float64)


def second_of_frames(frames: int) -> NDArray[np.int64]:
    """The second (and so the image) that holds each frame's centre, shape [frames].

    >>> np.bincount(second_of_frames(56)).tolist()
    [5, 6, 6, 5, 6, 6, 6, 6, 6, 4]
    """
    # In integers: a centre that lies exactly on a second belongs to the second it begins.
    return (HOP * np.arange(frames) + WINDOW // 2) // SAMPLE_RATE_HZ


def image_times_s(seconds: int) -> NDArray[np.float64]:
    """When each second's image is taken: half way through it, shape [seconds]."""
    return np.arange(seconds, dtype=np.float64) + 0.5


def fits_length(samples: int, rate_hz: int, seconds: int) -> bool:
    """Whether a recording is as long as it should be, to within 10 ms."""
    return abs(samples / rate_hz - seconds) <= LENGTH_TOLERANCE_S


def trim_or_pad(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Cuts or zero-pads the last axis to ``length`` samples."""
    present = samples[..., :length]
    missing = length - present.shape[-1]
    if missing == 0:
        return present
    return np.pad(present, [(0, 0)] * (present.ndim - 1) + [(0, missing)])
