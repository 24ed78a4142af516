"""A media file opened safely, its main video stream, and the times of that stream's packets.

Presentation time 0 is the start of the file's own clock in the formats whose clock starts at 0
(MP4, Matroska), so that a late first picture is late and edit lists are respected; the others
(MPEG-TS, AVI, ...) count from the start of their first stream.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

import av
import av.logging
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from avsc.errors import BadClipError
from avsc.media.frames import Packet, Timeline

MOST_PIXELS = 7680 * 4320  # 8K; a header that claims more is refused before anything is allocated
_ZERO_BASED = {"mov", "mp4", "matroska", "webm"}
_REPLACE = "get the file again; if it is so at its source, allow for it with --max-bad"
_ENCODE = "write it anew: ffmpeg -i FILE -c:v libx264 -crf 18 NEW.mp4"
_REMUX = "write its times anew: ffmpeg -fflags +genpts -i FILE -c copy NEW.mp4"


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """A media file opened for reading; always closed again.

    Its name is a file's, whatever it looks like (``12:30.mp4``, ``concat:a``), and nothing inside
    it makes FFmpeg open anything but files.

    Raises:
        BadClipError: It is missing, a folder, or cannot be opened.
    """
    _count_errors()
    # The size for the pictures that opening may decode to learn what the header does not say.
    options = {"max_pixels": str(MOST_PIXELS), "protocol_whitelist": "file"}
    before = error_count()
    try:
        if not path.is_file():
            raise bad(path, "it is a folder" if path.is_dir() else "there is no such file")
        container = av.open(f"file:{path}", options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise bad(
            path, f"it cannot be opened as a video or as sound ({_text(error, before)})"
        ) from error
    with container:
        yield container


@contextmanager
def open_video(path: Path, index: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and one of its video streams, ready to decode in one thread; always closed again.

    Args:
        path: The video.
        index: Index of the stream in the file.

    Raises:
        BadClipError: The file cannot be opened.
    """
    with open_media(path) as container:
        stream = container.streams.video[0]
        for other in container.streams:
            if other.index == index:
                assert isinstance(other, VideoStream)
                stream = other
            else:
                other.discard = Discard.all
        stream.codec_context.thread_count = 1
        # Nothing is repaired on the way: an error that the decoder notices is an error.
        stream.codec_context.options = {
            "err_detect": "crccheck+explode",
            "max_pixels": str(MOST_PIXELS),
        }
        yield container, stream


def read_timeline(path: Path) -> Timeline:
    """Every packet of a video's main stream and its time; decodes nothing.

    Raises:
        BadClipError: There is no video stream, or it has no packet that is whole and has a time.
    """
    with open_media(path) as container:
        streams = _video_streams(path, container)
        headers: dict[int, list[_Header]] = {stream.index: [] for stream in streams}
        cut = ""
        try:
            for packet in demux(path, container, streams):
                headers[packet.stream.index].append(_header(packet))
        except BadClipError as error:
            cut = error.got
        timelines = [
            _timeline(
                path, container, stream, headers[stream.index], cut or _index_is_cut(path, stream)
            )
            for stream in streams
        ]
        return timelines[_main(streams, timelines)]


def demux(
    path: Path, container: InputContainer, streams: Sequence[VideoStream]
) -> Iterator["av.Packet[VideoStream]"]:
    """The packets of some streams in decoding order, as far as they are whole.

    Raises:
        BadClipError: Reading fails, the demultiplexer complains, or a packet is not whole. What the
            codec's parser says of a packet does not count here: perhaps nobody needs that packet.
    """
    parsers = tuple(f"{stream.codec.name}:" for stream in streams)
    began: set[int] = set()  # streams of which a keyframe came; a recording may begin in a packet
    before = error_count()
    try:
        for packet in container.demux(*streams):
            if packet.is_keyframe:
                began.add(packet.stream.index)
            if packet.is_corrupt and packet.stream.index in began:
                raise bad(path, "it is cut off or damaged: a packet is not whole")
            if packet.size:  # the last one is empty, a sign for decoders
                yield cast("av.Packet[VideoStream]", packet)
            before, earlier = error_count(), before
            if before != earlier and not last_error().startswith(parsers):
                raise bad(path, f"it cannot be read to its end ({last_error()})")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise bad(path, f"it cannot be read to its end ({_text(error, before)})") from error


def clock_start_s(container: InputContainer) -> Fraction:
    """Which time of a file's clock is 0 here, in seconds; the same for picture and sound."""
    if _ZERO_BASED & set(container.format.name.split(",")):
        return Fraction(0)
    return Fraction(container.start_time or 0, av.time_base)


def bad(path: Path, reason: str, remedy: str = _REPLACE) -> BadClipError:
    """The error of a media file that cannot be used."""
    return BadClipError(f"{path.name}: {reason}", "a whole video or sound file", remedy)


def error_count() -> int:
    """How many errors FFmpeg has logged in this process: it repairs much and says so only there."""
    count: int = av.logging.get_last_error()[0]
    return count


def last_error() -> str:
    """What FFmpeg logged last as an error."""
    entry = av.logging.get_last_error()[1]
    return "no reason given" if entry is None else f"{entry[1]}: {entry[2].strip()}"


class _Header(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_shown: bool


def _header(packet: "av.Packet[VideoStream]") -> _Header:
    return _Header(
        packet.pts,
        packet.dts,
        packet.duration or 0,
        packet.is_keyframe,
        not packet.is_discard,
    )


def _video_streams(path: Path, container: InputContainer) -> list[VideoStream]:
    """The streams that may be the main one; the others are left out when demultiplexing."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise bad(path, "there is no video stream in it")
    for stream in streams:
        if stream.codec_context is None:
            raise bad(path, "FFmpeg has no decoder for its video", _ENCODE)
        if stream.width * stream.height > MOST_PIXELS:
            raise bad(path, f"its header claims {stream.width} x {stream.height} pixels")
        if stream.width * stream.height == 0:
            raise bad(path, "its header gives no picture size, or an absurd one")
    chosen = {stream.index for stream in streams}
    for other in container.streams:
        if other.index not in chosen:
            other.discard = Discard.all
    return streams


def _timeline(
    path: Path, container: InputContainer, stream: VideoStream, headers: list[_Header], cut: str
) -> Timeline:
    base = stream.time_base
    assert base is not None
    tick_s = Fraction(base.numerator, base.denominator)
    by_order = _times_are_of_decoding(container, stream, headers)
    packets: list[Packet] = []
    for header in headers:
        tick = header.dts if by_order and container.format.name == "avi" else header.pts
        if tick is None and packets:
            tick = packets[-1].pts  # the second field of a picture
        if tick is None:
            raise bad(path, "its packets carry no presentation times", _REMUX)
        packets.append(Packet(tick, *header[2:]))
    zero = round(clock_start_s(container) / tick_s)
    return Timeline(packets, tick_s, zero, stream.index, by_order, cut)


def _times_are_of_decoding(
    container: InputContainer, stream: VideoStream, headers: list[_Header]
) -> bool:
    # AVI has no other, and files made from it may keep them. Where pictures are shown in another
    # order than they are decoded, presentation runs ahead of decoding by less and by more.
    ahead = {h.pts - h.dts for h in headers if h.pts is not None and h.dts is not None}
    return bool(stream.codec_context.has_b_frames) and len(ahead) == 1


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


def _count_errors() -> None:
    # PyAV leaves FFmpeg's log alone by default, and then does not count errors either. At PANIC it
    # counts them and prints nothing.
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.PANIC)


def _text(error: Exception, errors_before: int) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{reason}; {last_error()}" if error_count() != errors_before else reason
