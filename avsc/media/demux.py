"""A video file opened safely, its main stream, and the times of that stream's packets.

Presentation time 0 is the start of the file's own clock in the formats whose clock starts at 0
(MP4, Matroska), so that a late first picture is late and edit lists are respected; the others
(MPEG-TS, AVI, ...) count from the start of their first stream.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from avsc.errors import BadClipError
from avsc.media import h264
from avsc.media.frames import Packet, Timeline

MOST_PIXELS = 7680 * 4320  # 8K; a header that claims more is refused before anything is allocated
_ZERO_BASED = {"mov", "mp4", "matroska", "webm"}
_REPLACE = "get the file again; if it is so at its source, allow for it with --max-bad"
_REMUX = "write its times anew: ffmpeg -fflags +genpts -i FILE -c copy NEW.mp4"


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file and its main video stream, ready to decode in one thread; always closed again.

    Raises:
        BadClipError: It cannot be opened, has no video, or claims an absurd size.
    """
    _count_errors()
    limits = {"max_pixels": str(MOST_PIXELS)}
    before = error_count()
    try:
        # For the pictures that opening may decode to learn what the header does not say.
        container = av.open(str(path), options=limits)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise bad(path, f"it cannot be opened as a video ({_text(error, before)})") from error
    with container:
        stream = _main_stream(path, container)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        stream.codec_context.thread_count = 1
        # Nothing is mended on the way: an error that the decoder notices is an error.
        stream.codec_context.options = {"err_detect": "crccheck+explode", **limits}
        yield container, stream


def read_timeline(path: Path) -> Timeline:
    """Every packet of a video's main stream and its time; decodes nothing.

    Raises:
        BadClipError: There is no video stream, it is cut off, or it cannot be read to its end.
    """
    with open_video(path) as (container, stream):
        _refuse_truncated(path, stream)
        packets = []
        for packet in demux(path, container, stream):
            if packet.is_corrupt:
                raise bad(path, "it is cut off or damaged: a packet is not whole")
            if packet.pts is None:
                raise bad(path, "its packets carry no presentation times", _REMUX)
            packets.append(_header(packet, packet.pts, stream))
        tick_s = _tick_s(stream)
        return Timeline(packets, tick_s, round(clock_start_s(container) / tick_s))


def demux(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator["av.Packet[VideoStream]"]:
    """The packets of a stream in decoding order.

    Raises:
        BadClipError: Reading fails, or the demultiplexer complains. What the codec's parser says of
            a packet does not count here: perhaps nobody needs that packet.
    """
    before = error_count()
    try:
        for packet in container.demux(stream):
            if packet.size:  # the last one is empty, a sign for decoders
                yield packet
            before, earlier = error_count(), before
            if before != earlier and not last_error().startswith(f"{stream.codec.name}:"):
                raise bad(path, f"it cannot be read to its end ({last_error()})")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise bad(path, f"it cannot be read to its end ({_text(error, before)})") from error


def clock_start_s(container: InputContainer) -> Fraction:
    """Which time of a file's clock is 0 here, in seconds; the same for picture and sound."""
    if _ZERO_BASED & set(container.format.name.split(",")):
        return Fraction(0)
    return Fraction(container.start_time or 0, av.time_base)


def bad(path: Path, reason: str, remedy: str = _REPLACE) -> BadClipError:
    """The error of a video that cannot be used."""
    return BadClipError(f"{path.name}: {reason}", "a sound video file", remedy)


def error_count() -> int:
    """How many errors FFmpeg has logged in this process: it mends much and says so only there."""
    count: int = av.logging.get_last_error()[0]
    return count


def last_error() -> str:
    """What FFmpeg logged last as an error."""
    entry = av.logging.get_last_error()[1]
    return "no reason given" if entry is None else f"{entry[1]}: {entry[2].strip()}"


def _count_errors() -> None:
    # PyAV leaves FFmpeg's log alone by default, and then does not count errors either. At PANIC it
    # counts them and prints nothing.
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.PANIC)


def _main_stream(path: Path, container: InputContainer) -> VideoStream:
    """The video with the most pixels; cover art is none."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise bad(path, "there is no video stream in it")
    stream = max(streams, key=lambda s: s.width * s.height)
    if stream.width * stream.height > MOST_PIXELS:
        raise bad(path, f"its header claims {stream.width} x {stream.height} pixels")
    if stream.width * stream.height == 0:
        raise bad(path, "its header gives no picture size, or an absurd one")
    return stream


def _refuse_truncated(path: Path, stream: VideoStream) -> None:
    # Where the index comes first (+faststart) a file that was cut off opens without a word.
    held = path.stat().st_size
    needed = max((e.pos + e.size for e in stream.index_entries), default=0)
    if needed > held:
        raise bad(path, f"it is cut off: its index names {needed} bytes, {held} are there")


def _header(packet: "av.Packet[VideoStream]", pts: int, stream: VideoStream) -> Packet:
    key = packet.is_keyframe
    start = key and _decodes_alone(packet, stream)
    return Packet(pts, packet.duration or 0, key, start, not packet.is_discard)


def _decodes_alone(packet: "av.Packet[VideoStream]", stream: VideoStream) -> bool:
    if stream.codec_context.name != "h264":
        return True
    lengths = h264.length_bytes(stream.codec_context.extradata)
    return h264.is_idr(memoryview(packet), lengths)


def _tick_s(stream: VideoStream) -> Fraction:
    base = stream.time_base
    assert base is not None
    return Fraction(base.numerator, base.denominator)


def _text(error: Exception, errors_before: int) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{reason}; {last_error()}" if error_count() != errors_before else reason
