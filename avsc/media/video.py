"""The pictures of a video at given times, decoding no more than they need.

The packets are demultiplexed twice: once for their times alone, from which `avsc.media.frames`
chooses, and once to decode the chosen stretches. The first pass decodes nothing and costs a few
milliseconds; in a long recording the second one seeks to the keyframe. Neither the file nor more
than two pictures are held in memory. Where the quick way meets anything odd (open groups, fields, a
jump to a keyframe from which decoding is not exact yet), everything is decoded from the start.

Pictures are as the screen shows them: upright (turned and mirrored by the file's display matrix),
by the file's own colour matrix and range; grey and 10-bit videos become 8-bit RGB too. The
conversion is FFmpeg's plain one, which is also decord's, bit for bit (but for 10 bits, which the
two dither differently). Pixels that are not square and fields that are interlaced stay as they are.

Damage. FFmpeg's decoder is the judge: a clip is refused when the decoder fails, complains or marks
a picture as corrupt, or when a wanted picture does not come out. H.264 has no checksums, so that a
flipped bit may decode to another valid picture (RESULTS.md says how often), and FFmpeg looks even
less for damage inside pictures of HEVC. Archives' own checksums guard against that.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, repeat
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media import frames
from avsc.media.demux import bad, demux, error_count, last_error, open_video, seek
from avsc.media.frames import NoPicture, Stretch, Timeline
from avsc.media.timeline import read_timeline_once
from avsc.store.schema import ImageSettings

# Packets before the first wanted one from which on seeking is worth it: 40 s of 25 pictures each.
SEEK_FROM = 1000
# Formats with an index, in which a packet is the same whether one seeks to it or not.
_SEEKABLE = {"mov", "mp4", "matroska", "webm"}
# Codecs in which a packet may hold a picture that is never shown.
_HIDDEN_PICTURES = {"vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9", "libaom-av1"}
# Encoders of these write no long row of zeros inside a packet: a hole in the file is one.
_WITHOUT_ZEROS = {"h264", "hevc"}
_HOLE = bytes(72)
# The decoder is told to drop a picture from before the keyframe at which it began.
_EXPECTED_AT_START = "h264: mmco: unref short failure"

# Display matrices of 0, 1, 2 and 3 quarter turns anticlockwise.
_ROTATIONS = np.array(
    [[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]], np.int32
)


@dataclass(frozen=True)
class Picture:
    """A picture of a video.

    Attributes:
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
        settings: `frame_choice` "on-screen" (the last picture that does not begin after the time)
            or "keyframe" (the nearest keyframe within 0.5 s); `backend` "pyav" or "decord".

    Yields:
        One `Picture` a time; the same picture may come twice.

    Raises:
        BadClipError: The file cannot be read, is damaged where it is needed, or does not cover
            the times. It may come after some pictures: a clip is good once all have come.
    """
    assert all(a <= b for a, b in pairwise(times_s))
    timeline = read_timeline_once(path)
    ticks = _choose(path, timeline, times_s, settings)
    if settings.backend == "decord":
        from avsc.media.video_decord import decode
    else:
        decode = _decode
    times = Counter(ticks)  # in the order of showing
    # Strict, so that the decoder runs to its end and can still say that something was damaged.
    for tick, rgb in zip(times, decode(path, timeline, list(times)), strict=True):
        yield from repeat(Picture(rgb, timeline.seconds(tick)), times[tick])


def _choose(
    path: Path, timeline: Timeline, times_s: Sequence[float], settings: ImageSettings
) -> list[int]:
    by_key = settings.frame_choice == "keyframe"
    choose = frames.nearest_keyframes if by_key else frames.on_screen
    chosen = choose(timeline, times_s)
    if isinstance(chosen, NoPicture):
        cut = f" ({timeline.cut})" if timeline.cut else ""
        raise BadClipError(
            f"{path.name}: no picture for {chosen.time_s:g} s: {chosen.reason}{cut}",
            f"a picture for every time up to {times_s[-1]:g} s",
            "use --frame-choice on-screen" if by_key else "get the whole file again",
        )
    return chosen


def _decode(path: Path, timeline: Timeline, ticks: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """uint8 [H, W, 3] of each of some different, ascending presentation times."""
    reformatter = VideoReformatter()
    done = 0
    # Each way is exact or fails. Where the quick ones fail, the file is damaged, or one of those
    # that need the thorough way: it will tell.
    for way in () if timeline.by_order else (_decode_after_seek, _decode_runs):
        try:
            for frame in islice(way(path, timeline, ticks), done, None):
                yield _rgb(frame, reformatter)
                done += 1
        except BadClipError:
            continue
        if done == len(ticks):
            return
    for frame in islice(_decode_all(path, timeline, ticks), done, None):
        yield _rgb(frame, reformatter)


def _decode_after_seek(
    path: Path, timeline: Timeline, ticks: Sequence[int]
) -> Iterator[VideoFrame]:
    """The quick way into a long recording; nothing where seeking is not worth it or not exact."""
    stretches = _stretches(path, timeline, ticks)
    first = stretches[0].first
    if first < SEEK_FROM:
        return
    with open_video(path, timeline.stream) as (container, stream):
        if not _SEEKABLE & set(container.format.name.split(",")):
            return
        packets = seek(path, container, stream, [packet.pts for packet in timeline.packets], first)
        if packets is not None:
            yield from _decode_stretches(path, stream, timeline, stretches, packets)


def _decode_runs(path: Path, timeline: Timeline, ticks: Sequence[int]) -> Iterator[VideoFrame]:
    """The quick way: from keyframe to keyframe, without pictures that no other refers to."""
    stretches = _stretches(path, timeline, ticks)
    with open_video(path, timeline.stream) as (container, stream):
        packets = enumerate(demux(path, container, [stream]))
        yield from _decode_stretches(path, stream, timeline, stretches, packets)


def _stretches(path: Path, timeline: Timeline, ticks: Sequence[int]) -> list[Stretch]:
    try:
        return frames.plan_stretches(timeline, ticks)
    except LookupError as error:
        raise bad(path, "no keyframe comes before a wanted picture") from error


def _decode_stretches(
    path: Path,
    stream: VideoStream,
    timeline: Timeline,
    stretches: Sequence[Stretch],
    packets: Iterator[tuple[int, "av.Packet[VideoStream]"]],
) -> Iterator[VideoFrame]:
    for stretch in stretches:
        decoder = _Decoder(path, stream, timeline, stretch)
        left = list(reversed(stretch.wanted))
        for at, frame in decoder.shown(packets, skip=True):
            if frame.interlaced_frame:
                raise decoder.bad(at, "a picture of two fields, of which one may be missing")
            if left and at == left[-1]:
                left.pop()
                yield frame
        if left:
            raise decoder.bad(left[-1], "no picture comes out of the decoder")
        stream.codec_context.flush_buffers()


def _decode_all(path: Path, timeline: Timeline, ticks: Sequence[int]) -> Iterator[VideoFrame]:
    """The thorough way: every picture from the start, and of these what is on screen each time."""
    begin = timeline.first_key
    whole = Stretch(begin, len(timeline.packets) - 1, timeline.packets[begin].pts, tuple(ticks))
    left = list(reversed(ticks))
    with open_video(path, timeline.stream) as (container, stream):
        decoder = _Decoder(path, stream, timeline, whole)
        before = None
        for shown in decoder.shown(enumerate(demux(path, container, [stream])), skip=False):
            while left and shown[0] > left[-1]:
                yield decoder.on_screen(left.pop(), before)
            if not left:
                return
            before = shown
        while left:
            yield decoder.on_screen(left.pop(), before)


class _Decoder:
    """Decodes one stretch of packets.

    Args:
        path: The video, for messages.
        stream: Its main stream, as `open_video` gives it.
        timeline: The stream's packets.
        stretch: Packets to decode.
    """

    def __init__(
        self, path: Path, stream: VideoStream, timeline: Timeline, stretch: Stretch
    ) -> None:
        self.path = path
        self.context = stream.codec_context
        self.timeline = timeline
        self.stretch = stretch
        # Behind start codes, as in MPEG-TS, zeros may fill up a packet.
        packed = (self.context.extradata or b"")[:1] == b"\1"
        self.without_zeros = packed and self.context.name in _WITHOUT_ZEROS

    def shown(
        self, packets: Iterator[tuple[int, "av.Packet[VideoStream]"]], *, skip: bool
    ) -> Iterator[tuple[int, VideoFrame]]:
        """The pictures in the order of showing and when each appears; of one time the last.

        Args:
            packets: The stream's packets and their indices, read up to the stretch's last.
            skip: Whether pictures that are not wanted and that no other refers to are left out.
        """
        times = iter(self.timeline.shown) if self.timeline.by_order else None
        last: tuple[int, VideoFrame] | None = None
        for frame in self._frames(packets, skip):
            at = next(times, None) if times else frame.pts
            if at is None or (last and at < last[0]):
                raise self.bad(frame.pts, "pictures do not come out in the order of their times")
            if last and at > last[0]:
                yield last
            last = at, frame
        if last:
            yield last

    def on_screen(self, tick: int, shown: tuple[int, VideoFrame] | None) -> VideoFrame:
        """The picture of a tick, which is ``shown``, the last that is not after it.

        Raises:
            BadClipError: A later one should have come out of the decoder.
        """
        if shown and shown[0] == tick:
            return shown[1]
        # The packet may hold the second field of the picture before, or one that is never shown.
        previous = max((t for t in self.timeline.shown if t < tick), default=None)
        may_be_none = self.context.name in _HIDDEN_PICTURES or (shown and shown[1].interlaced_frame)
        if shown and may_be_none and shown[0] == previous:
            return shown[1]
        raise self.bad(tick, "no picture comes out of the decoder")

    def bad(self, tick: int | None, reason: str) -> BadClipError:
        """The error of a video that is damaged near a time."""
        where = "at its end" if tick is None else f"near {self.timeline.seconds(tick):.3f} s"
        return bad(self.path, f"it is damaged {where}: {reason}")

    def _frames(
        self, packets: Iterator[tuple[int, "av.Packet[VideoStream]"]], skip: bool
    ) -> Iterator[VideoFrame]:
        wanted = set(self.stretch.wanted)
        skip = skip and self.context.name == "h264"
        began = False
        before = error_count()
        for i, packet in packets:
            tick = self.timeline.packets[i].pts
            if i >= self.stretch.first and tick >= self.stretch.not_before:
                if self.without_zeros and _HOLE in bytes(packet):
                    raise self.bad(tick, "there is a hole in a packet")
                if packet.pts is not None:  # second fields have no time; in AVI it is made up
                    packet.pts = tick
                # While it may skip, the decoder does not say that a packet holds no picture.
                if error_count() != before:
                    raise self.bad(tick, f"a packet is damaged ({last_error()})")
                self.context.skip_frame = "NONREF" if skip and tick not in wanted else "DEFAULT"
                for frame in self._decoded(packet, began):
                    began = True
                    yield frame
            if i >= self.stretch.last:
                break
            before = error_count()
        yield from self._decoded(None, began)

    def _decoded(
        self, packet: "av.Packet[VideoStream] | None", began: bool
    ) -> Iterator[VideoFrame]:
        before = error_count()
        tick = None if packet is None else packet.pts
        pictures: list[VideoFrame] = []
        try:
            pictures = self.context.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            if began or last_error() != _EXPECTED_AT_START:
                raise self.bad(tick, f"the decoder fails ({last_error()})") from error
        if error_count() != before and (began or last_error() != _EXPECTED_AT_START):
            raise self.bad(tick, f"the decoder complains ({last_error()})")
        for frame in pictures:
            if frame.is_corrupt:
                raise self.bad(frame.pts, "the decoder had to repair a picture")
            yield frame


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    converted = reformatter.reformat(frame, format="rgb24", interpolation="BILINEAR", threads=1)
    return np.ascontiguousarray(_upright(np.asarray(converted.to_ndarray(), np.uint8), frame))


def _upright(rgb: NDArray[np.uint8], frame: VideoFrame) -> NDArray[np.uint8]:
    """A picture turned and mirrored by the display matrix, which maps column p and row q to
    column a p + c q and row b p + d q.
    """
    (a, b), (c, d) = display_matrix(frame)
    if abs(b) + abs(c) > abs(a) + abs(d):
        rgb, a, d = rgb.swapaxes(0, 1), c, b
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def display_matrix(frame: VideoFrame) -> NDArray[np.int32]:
    """The part ((a, b), (c, d)) of a picture's display matrix (ISO/IEC 14496-12)."""
    try:
        data = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except KeyError:
        return np.asarray(_ROTATIONS[0])
    except ValueError:  # beside it is a kind of side data that PyAV does not know
        return np.asarray(_ROTATIONS[round(frame.rotation / 90) % 4])
    return np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2]
