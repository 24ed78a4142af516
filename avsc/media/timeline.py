"""Which stream of a video file is the main one, and the times of its packets."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avsc.errors import BadClipError
from avsc.media.demux import MOST_PIXELS, bad, clock_start_s, demux, open_media, open_video
from avsc.media.frames import Packet, Timeline

_ENCODE = "write it anew: ffmpeg -i FILE -c:v libx264 -crf 18 NEW.mp4"
_REMUX = "write its times anew: ffmpeg -fflags +genpts -i FILE -c copy NEW.mp4"


def read_timeline(path: Path) -> Timeline:
    """Every packet of a video's main stream and its time, as far as the file is whole.

    Decodes nothing, or where the stream begins in the middle of a group its first picture.

    Raises:
        BadClipError: There is no video stream, or its packets have no times.
    """
    with open_media(path) as container:
        streams = _video_streams(path, container)
        packets: dict[int, list[Packet]] = {stream.index: [] for stream in streams}
        cut = ""
        try:
            for packet in demux(path, container, streams):
                rows = packets[packet.stream.index]
                rows.append(_header(path, container, packet, rows))
        except BadClipError as error:
            cut = error.got
        timelines = [
            _timeline(container, stream, packets[stream.index], cut or _index_is_cut(path, stream))
            for stream in streams
        ]
        timeline = timelines[_main(streams, timelines)]
    if 0 < timeline.first_key < len(timeline.packets):
        first = first_frame(path, timeline)
        return replace(timeline, begin=first.pts if first else None)
    return timeline


def read_timeline_once(path: Path) -> Timeline:
    """As ``read_timeline``; kept for the pieces of one recording, which come one after the other.

    Raises:
        BadClipError: As ``read_timeline``, or the file is gone.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise bad(path, "there is no such file") from error
    return _kept_timeline(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _kept_timeline(path: Path, inode: int, size: int, mtime_ns: int) -> Timeline:
    """The timeline of a file in one state of it."""
    del inode, size, mtime_ns
    return read_timeline(path)


def first_frame(path: Path, timeline: Timeline) -> VideoFrame | None:
    """The first picture that the decoder gives; None if it gives none.

    Raises:
        BadClipError: The file cannot be read.
    """
    with open_video(path, timeline.stream) as (container, stream):
        for row, packet in zip(timeline.packets, demux(path, container, [stream]), strict=False):
            packet.pts = row.pts
            if row.pts < timeline.packets[timeline.first_key].pts:
                continue
            try:
                frames = stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue  # it refers to what is not there
            if frames:
                return frames[0]
    return None


def _video_streams(path: Path, container: InputContainer) -> list[VideoStream]:
    """The streams that may be the main one; the others are left out when demultiplexing."""
    videos = container.streams.video
    streams = [s for s in videos if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise bad(path, "there is no video stream in it")
    for stream in streams:
        if stream.codec_context is None:
            raise bad(path, "FFmpeg has no decoder for its video", _ENCODE)
        if stream.width * stream.height > MOST_PIXELS:
            raise bad(path, f"its header claims {stream.width} x {stream.height} pixels")
        if stream.width * stream.height == 0:
            raise bad(path, "its header gives no picture size, or an absurd one")
    for other in container.streams:
        if other not in streams:
            other.discard = Discard.all
    return streams


def _header(
    path: Path,
    container: InputContainer,
    packet: "av.Packet[VideoStream]",
    before: Sequence[Packet],
) -> Packet:
    # In AVI there are only times of decoding.
    tick = packet.dts if container.format.name == "avi" else packet.pts
    if tick is None and before:
        tick = before[-1].pts  # the second field of a picture
    if tick is None:
        raise bad(path, "its packets carry no presentation times", _REMUX)
    shown = not packet.is_discard
    return Packet(tick, packet.duration or 0, packet.is_keyframe, shown, packet.dts)


def _timeline(
    container: InputContainer, stream: VideoStream, packets: Sequence[Packet], cut: str
) -> Timeline:
    assert stream.time_base is not None
    tick_s = Fraction(stream.time_base.numerator, stream.time_base.denominator)
    # Where pictures are shown in another order than they are decoded, presentation runs ahead of
    # decoding by less and by more; by the same everywhere if a file got its times from an AVI.
    ahead = {packet.pts - packet.dts for packet in packets if packet.dts is not None}
    by_order = bool(stream.codec_context.has_b_frames) and len(ahead) == 1
    zero = round(clock_start_s(container) / tick_s)
    return Timeline(packets, tick_s, zero, stream.index, by_order, cut)


def _index_is_cut(path: Path, stream: VideoStream) -> str:
    # Where the index comes first (+faststart) a file that was cut off between packets opens, and
    # ends, without an error.
    held = path.stat().st_size
    needed = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    return f"{path.name}: its index names {needed} bytes, {held} are there" if needed > held else ""


def _main(streams: Sequence[VideoStream], timelines: Sequence[Timeline]) -> int:
    # A photo's film may hold stills of more pixels beside the film: of the streams that last as
    # long as the longest to within a second, the one with the most pixels.
    lengths = [_length_s(timeline) for timeline in timelines]
    long = [i for i, length in enumerate(lengths) if length >= max(lengths) - 1]
    return max(long, key=lambda i: streams[i].width * streams[i].height)


def _length_s(timeline: Timeline) -> float:
    # A picture counts for a second at most: a still may stay as long as the film lasts.
    if not timeline.shown:
        return 0.0
    ticks = [*timeline.shown, timeline.end()]
    return sum(min(1.0, float((b - a) * timeline.tick_s)) for a, b in pairwise(ticks))
