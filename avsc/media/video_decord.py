"""The same pictures through decord, for those who want its decoder.

decord mends damage inside pictures without a word, which PyAV's way does not: prefer that. It also
miscounts pictures, or hangs, where a file does not start at 0 or has an edit list that cuts; such
files are refused here. Pictures of sound files are the same, bit for bit, if they are 8-bit and
progressive.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import decord
import numpy as np
from numpy.typing import NDArray

from avsc.media.demux import bad
from avsc.media.frames import Timeline

_SAME_S = 1e-3  # Matroska's tick; decord keeps times as float32 seconds
_REMEDY = "use --video-backend pyav"


def decode(path: Path, timeline: Timeline, chosen: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """The pictures of the chosen packets, found by decord's own time stamps.

    Args:
        path: The video.
        timeline: Its packets.
        chosen: Packets in the order of showing, each once.

    Yields:
        uint8 [H, W, 3], upright.

    Raises:
        BadClipError: decord fails, or has no picture that appears at one of the times, or would
            mistake one for another.
    """
    first = timeline.packets[timeline.shown()[0]].pts
    if first != 0 or timeline.zero != 0 or not all(p.is_shown for p in timeline.packets):
        raise bad(path, "decord cannot read files that do not start at 0", _REMEDY)
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        starts_s = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0].astype(np.float64)
        at = 0
        for packet in chosen:
            wanted = _find(path, starts_s, timeline.seconds(timeline.packets[packet].pts))
            if not timeline.has_clean_cuts():
                # decord loses count when it skips to a keyframe that is no clean cut.
                for _ in range(at, wanted):
                    reader.next()
                picture, at = reader.next(), wanted + 1
            else:
                picture = reader[wanted]
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
