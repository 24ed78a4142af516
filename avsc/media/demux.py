"""A media file opened safely, and the packets of its video streams as far as they are whole.

Presentation time 0 is the start of the file's own clock in the formats whose clock starts at 0
(MP4, Matroska), so that a late first picture is late and edit lists are respected; the others
(MPEG-TS, AVI, ...) count from the start of their first stream.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import av.logging
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from avsc.errors import BadClipError

MOST_PIXELS = 7680 * 4320  # 8K; a header that claims more is refused before anything is allocated
_ZERO_BASED = {"mov", "mp4", "matroska", "webm"}
_REPLACE = "get the file again; if it is so at its source, allow for it with --max-bad"


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


def seek(
    path: Path, container: InputContainer, stream: VideoStream, times: Sequence[int], first: int
) -> Iterator[tuple[int, "av.Packet[VideoStream]"]] | None:
    """The packets of a stream and their indices from a keyframe on, without what is before it.

    Args:
        path: The video, for messages.
        container: The file, of which nothing was read.
        stream: The stream.
        times: Presentation time of each packet in ticks, in decoding order.
        first: Index of the keyframe.

    Returns:
        Packets from ``first`` or an earlier one on; None if it is not certain where they are.

    Raises:
        BadClipError: Later on: the packets are not those of the times, or as ``demux``.
    """
    try:
        container.seek(times[first], stream=stream)
    except (av.FFmpegError, OSError):
        return None
    packets = demux(path, container, [stream])
    landed = next(packets, None)
    places = [i for i, tick in enumerate(times) if landed is not None and tick == landed.pts]
    if landed is None or len(places) != 1 or places[0] > first:
        return None
    return _in_place(path, enumerate(chain([landed], packets), places[0]), times)


def _in_place(
    path: Path, packets: Iterator[tuple[int, "av.Packet[VideoStream]"]], times: Sequence[int]
) -> Iterator[tuple[int, "av.Packet[VideoStream]"]]:
    for i, packet in packets:
        # The second field of a picture has no time.
        if i >= len(times) or packet.pts not in (None, times[i]):
            raise bad(path, "its packets are others after seeking")
        yield i, packet


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


def _count_errors() -> None:
    # PyAV leaves FFmpeg's log alone by default, and then does not count errors either. At PANIC it
    # counts them and prints nothing.
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.PANIC)


def _text(error: Exception, errors_before: int) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{reason}; {last_error()}" if error_count() != errors_before else reason
