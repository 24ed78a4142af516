"""The same pictures through decord (or decord2, which is imported by the same name).

decord repairs damage inside pictures without saying so, which PyAV's way does not: prefer that. It
also miscounts pictures, or hangs, where a file does not start at 0 or has an edit list that cuts,
and does not mirror; such files are refused here. The pictures of undamaged files are the same, bit
for bit, if they are 8-bit and progressive.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import decord
import numpy as np
from numpy.typing import NDArray

from avsc.media.demux import bad
from avsc.media.frames import Timeline
from avsc.media.timeline import first_frame
from avsc.media.video import display_matrix

_SAME_S = 1e-3  # Matroska's tick; decord keeps times as float32 seconds
_REMEDY = "use --video-backend pyav"


def decode(path: Path, timeline: Timeline, ticks: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Pictures found by decord's own time stamps.

    Args:
        path: The video.
        timeline: Its packets.
        ticks: When the pictures appear, ascending, each once.

    Yields:
        uint8 [H, W, 3], upright.

    Raises:
        BadClipError: decord fails, or has no picture that appears at one of the times, or would
            mistake one for another.
    """
    shown = timeline.shown
    if (
        (shown[0], timeline.zero) != (0, 0)
        or len(set(shown)) != len(timeline.packets)
        or timeline.by_order
    ):
        raise bad(path, "decord cannot read its times", _REMEDY)
    first = first_frame(path, timeline)
    if first and np.linalg.det(display_matrix(first)) < 0:
        raise bad(path, "decord does not mirror its pictures", _REMEDY)
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(f"file:{path}", num_threads=1)
        starts_s = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0].astype(np.float64)
        read = 0
        for tick in ticks:
            wanted = _find(path, starts_s, timeline.seconds(tick))
            # One after the other: decord loses count when it jumps to a keyframe of an open group.
            for _ in range(read, wanted):
                reader.next()
            picture, read = reader.next(), wanted + 1
            yield np.asarray(picture.asnumpy(), np.uint8)
    except (decord.DECORDError, RuntimeError, StopIteration) as error:
        raise bad(path, f"decord cannot read it ({_first_line(error)})", _REMEDY) from error


def _find(path: Path, starts_s: NDArray[np.float64], time_s: float) -> int:
    nearest = int(np.argmin(np.abs(starts_s - time_s)))
    if abs(starts_s[nearest] - time_s) > _SAME_S:
        raise bad(path, f"decord has no picture that appears at {time_s:.3f} s", _REMEDY)
    return nearest


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
