"""The pictures of a video at given times, decoding no more than they need.

The packets are demultiplexed twice: once for their times alone, from which `avsc.media.frames`
chooses, and once to decode the chosen stretches. That is cheap (no picture is decoded in the first
pass), never seeks, and holds neither the file nor more than one picture in memory.

Presentation time 0 is the container's own: edit lists are applied by the demultiplexer. Formats
whose clock starts anywhere (MPEG-TS and the like) count from their first stream's start.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media import frames
from avsc.media.frames import NoPicture, Packet, Run, Timeline
from avsc.store.schema import ImageSettings

MOST_PIXELS = 7680 * 4320  # 8K
_REMUX = "repair or replace the file; `ffmpeg -i FILE -c copy NEW.mp4` writes its times anew"
_REPLACE = "get the file again; if it is so at its source, leave it out with --max-bad"
# Containers whose clock starts at 0, so that a late first picture is late.
_ZERO_BASED = {"mov", "mp4", "matroska", "webm"}


@dataclass(frozen=True)
class Picture:
    """A picture of a video.

    Args:
        rgb: uint8 [H, W, 3].
        pts_s: When it appears, in seconds from the start of the presentation.
    """

    rgb: NDArray[np.uint8]
    pts_s: float


def read_pictures(
    path: Path, times_s: Sequence[float], settings: ImageSettings
) -> Iterator[Picture]:
    """The picture of each time, one after the other.

    Args:
        path: The video.
        times_s: Ascending times in seconds.
        settings: `frame_choice` on-screen (the last picture that does not begin after the time)
            or keyframe (the nearest keyframe within 0.5 s); `backend` pyav or decord.

    Yields:
        One `Picture` a time; the same picture may come twice.

    Raises:
        BadClipError: The file cannot be read, is damaged where it is needed, or does not cover
            the times. It may come after some pictures: a clip is good once all have come.
    """
    if settings.backend == "decord":
        raise BadClipError("decord is not there yet")
    timeline = read_timeline(path)
    chosen = _choose(path, timeline, times_s, settings)
    yield from _repeat(path, timeline, chosen)


def read_timeline(path: Path) -> Timeline:
    """The packets of a video's main stream and their times; decodes nothing.

    Raises:
        BadClipError: There is no video stream, or it cannot be read.
    """
    with _open(path) as (container, stream):
        assert stream.time_base is not None
        packets = [_header(path, packet) for packet in _demux(path, container, stream)]
        return Timeline(packets, stream.time_base, _zero(container, stream.time_base))


def _choose(
    path: Path, timeline: Timeline, times_s: Sequence[float], settings: ImageSettings
) -> list[int]:
    if settings.frame_choice == "keyframe":
        chosen = frames.nearest_keyframes(timeline, times_s)
        remedy = "use --frame-choice on-screen"
    else:
        chosen = frames.on_screen(timeline, times_s)
        remedy = _REPLACE
    if isinstance(chosen, NoPicture):
        raise BadClipError(
            f"{path.name}: no picture for {chosen.time_s:g} s: {chosen.reason}",
            f"a picture for every time up to {times_s[-1]:g} s",
            remedy,
        )
    return chosen


def _repeat(path: Path, timeline: Timeline, chosen: Sequence[int]) -> Iterator[Picture]:
    pictures = _decode_runs(path, timeline, _plan(path, timeline, chosen))
    last, picture = -1, None
    for packet in chosen:
        if packet != last:
            last, picture = packet, next(pictures)
        assert picture is not None
        yield picture


def _plan(path: Path, timeline: Timeline, chosen: Sequence[int]) -> list[Run]:
    try:
        return frames.plan_runs(timeline, chosen)
    except LookupError as error:
        raise _bad(path, "no keyframe comes before a wanted picture") from error


def _decode_runs(path: Path, timeline: Timeline, runs: Sequence[Run]) -> Iterator[Picture]:
    with _open(path) as (container, stream):
        packets = enumerate(_demux(path, container, stream))
        reformatter = VideoReformatter()
        for run in runs:
            for frame in _decode_run(path, stream, packets, timeline, run):
                assert frame.pts is not None
                yield Picture(_rgb(frame, reformatter), timeline.seconds(frame.pts))


def _decode_run(
    path: Path,
    stream: VideoStream,
    packets: Iterator[tuple[int, "av.Packet[VideoStream]"]],
    timeline: Timeline,
    run: Run,
) -> Iterator[VideoFrame]:
    """The wanted frames of a run, in the order of showing."""
    context = stream.codec_context
    wanted = [timeline.packets[i].pts for i in run.wanted]
    found = 0
    for frame in _decoded(path, stream, packets, timeline, run):
        if frame.is_corrupt:
            raise _bad(path, f"damaged at {timeline.seconds(frame.pts or 0):.3f} s")
        if found < len(wanted) and frame.pts == wanted[found]:
            found += 1
            yield frame
    if found < len(wanted):
        at_s = timeline.seconds(wanted[found])
        raise _bad(path, f"the picture of {at_s:.3f} s does not come out of the decoder")
    context.flush_buffers()


def _decoded(
    path: Path,
    stream: VideoStream,
    packets: Iterator[tuple[int, "av.Packet[VideoStream]"]],
    timeline: Timeline,
    run: Run,
) -> Iterator[VideoFrame]:
    context = stream.codec_context
    wanted = set(run.wanted)
    try:
        for i, packet in packets:
            if i >= run.first and timeline.packets[i].pts >= run.not_before:
                if packet.is_corrupt:
                    raise _bad(path, f"damaged at {timeline.seconds(packet.pts or 0):.3f} s")
                if context.name == "h264":
                    context.skip_frame = "DEFAULT" if i in wanted else "NONREF"
                yield from context.decode(packet)
            if i >= run.last:
                break
        yield from context.decode(None)
    except av.FFmpegError as error:
        raise _bad(path, f"the decoder fails: {error.strerror}") from error


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its main video stream, ready to decode; nothing is left open afterwards."""
    try:
        container = av.open(str(path), options={"max_pixels": str(MOST_PIXELS)})
    except (av.FFmpegError, OSError) as error:
        raise _bad(path, f"not a video that can be read: {error}") from error
    with container:
        stream = _main_stream(path, container)
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        stream.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(MOST_PIXELS)}
        yield container, stream


def _main_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise _bad(path, "there is no video stream in it")
    stream = max(streams, key=lambda s: s.width * s.height)
    if stream.width * stream.height > MOST_PIXELS:
        raise _bad(path, f"its header claims {stream.width} x {stream.height} pixels")
    if stream.width * stream.height == 0:
        raise _bad(path, "its header gives no picture size")
    return stream


def _demux(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator["av.Packet[VideoStream]"]:
    try:
        for packet in container.demux(stream):
            if packet.size:  # the last is empty, to drain the decoder
                yield packet
    except (av.FFmpegError, OSError) as error:
        raise _bad(path, f"it cannot be read to its end: {error}") from error


def _header(path: Path, packet: "av.Packet[VideoStream]") -> Packet:
    if packet.pts is None:
        raise _bad(path, "its packets carry no presentation times", _REMUX)
    return Packet(packet.pts, packet.duration or 0, packet.is_keyframe, not packet.is_discard)


def _zero(container: InputContainer, tick_s: Fraction) -> int:
    if _ZERO_BASED & set(container.format.name.split(",")):
        return 0
    return round(Fraction(container.start_time or 0, av.time_base) / tick_s)


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    rgb = reformatter.reformat(frame, format="rgb24", interpolation="BILINEAR", threads=1)
    return np.asarray(rgb.to_ndarray(), np.uint8)


def _bad(path: Path, reason: str, remedy: str = _REPLACE) -> BadClipError:
    return BadClipError(f"{path.name}: {reason}", "a sound video file", remedy)
