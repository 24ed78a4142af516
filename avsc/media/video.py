"""The pictures of a video at given times, decoding no more than they need.

The packets are demultiplexed twice: once for their times alone, from which `avsc.media.frames`
chooses, and once to decode the chosen stretches. The first pass decodes nothing and costs a few
milliseconds; nothing ever seeks, and neither the file nor more than one picture is held in memory.

Pictures are as the screen shows them: upright (turned by the file's rotation), by the file's own
colour matrix and range; grey and 10-bit videos become 8-bit RGB too. The conversion is FFmpeg's
plain one, which is also decord's, bit for bit (but for 10 bits, which the two dither differently).
Pixels that are not square and fields that are interlaced stay as they are.

Damage. A clip is refused when anything that had to be decoded for it is damaged and it shows: the
decoder fails, complains or mends, a packet's bytes are none an encoder writes, or a picture does
not come out. H.264 has no checksums, so that a flipped bit may decode to another valid picture
(3 of 40 copies with one flipped bit did; of 80 with five or more none passed), and FFmpeg looks
even less for damage inside pictures of HEVC. Archives' own checksums guard against that.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media import frames, h264
from avsc.media.demux import bad, demux, error_count, last_error, open_video, read_timeline
from avsc.media.frames import NoPicture, Run, Timeline
from avsc.store.schema import ImageSettings

# Codecs in which a packet may hold a picture that is never shown.
_HIDDEN_PICTURES = {"vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9", "libaom-av1"}


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
        settings: `frame_choice` "on-screen" (the last picture that does not begin after the time)
            or "keyframe" (the nearest keyframe within 0.5 s); `backend` "pyav" or "decord".

    Yields:
        One `Picture` a time; the same picture may come twice.

    Raises:
        BadClipError: The file cannot be read, is damaged where it is needed, or does not cover
            the times. It may come after some pictures: a clip is good once all have come.
    """
    assert all(a <= b for a, b in pairwise(times_s))
    timeline = read_timeline(path)
    chosen = _choose(path, timeline, times_s, settings)
    if settings.backend == "decord":
        from avsc.media.video_decord import decode
    else:
        decode = _decode
    times = Counter(chosen)  # in the order of showing
    # Strict, so that the decoder runs to its end and can still say that something was damaged.
    for packet, rgb in zip(times, decode(path, timeline, list(times)), strict=True):
        picture = Picture(rgb, timeline.seconds(timeline.packets[packet].pts))
        yield from repeat(picture, times[packet])


def _choose(
    path: Path, timeline: Timeline, times_s: Sequence[float], settings: ImageSettings
) -> list[int]:
    by_key = settings.frame_choice == "keyframe"
    choose = frames.nearest_keyframes if by_key else frames.on_screen
    chosen = choose(timeline, times_s)
    if isinstance(chosen, NoPicture):
        raise BadClipError(
            f"{path.name}: no picture for {chosen.time_s:g} s: {chosen.reason}",
            f"a picture for every time up to {times_s[-1]:g} s",
            "use --frame-choice on-screen" if by_key else "get the whole file again",
        )
    return chosen


def _decode(path: Path, timeline: Timeline, chosen: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    try:
        runs = frames.plan_runs(timeline, chosen)
    except LookupError as error:
        raise bad(
            path, "damaged or cut: no clean keyframe comes before a wanted picture"
        ) from error
    with open_video(path) as (container, stream):
        packets = enumerate(demux(path, container, stream))
        reformatter = VideoReformatter()
        for run in runs:
            for frame in _Decoder(path, stream, timeline, run).wanted(packets):
                yield _rgb(frame, reformatter)
            stream.codec_context.flush_buffers()


class _Decoder:
    """Decodes one run and keeps account of what goes in and comes out."""

    def __init__(self, path: Path, stream: VideoStream, timeline: Timeline, run: Run) -> None:
        self.path = path
        self.context = stream.codec_context
        self.timeline = timeline
        self.run = run
        self.length_bytes = _length_bytes(stream)
        self.owed: set[int] = set()  # presentation times of pictures that have not come out

    def wanted(
        self, packets: Iterator[tuple[int, "av.Packet[VideoStream]"]]
    ) -> Iterator[VideoFrame]:
        """The wanted pictures, in the order of showing; reads packets up to the run's last."""
        wanted = {self.timeline.packets[i].pts for i in self.run.wanted}
        for packet in self._needed(packets):
            yield from (f for f in self._pictures(packet) if f.pts in wanted)
        yield from (f for f in self._pictures(None) if f.pts in wanted)
        hides = self.context.name in _HIDDEN_PICTURES
        missing = self.owed & wanted if hides else self.owed
        if missing:
            raise self._bad(min(missing), "no picture comes out of the decoder")

    def _needed(
        self, packets: Iterator[tuple[int, "av.Packet[VideoStream]"]]
    ) -> Iterator["av.Packet[VideoStream]"]:
        wanted = set(self.run.wanted)
        for i, packet in packets:
            header = self.timeline.packets[i]
            if self.run.first <= i and header.pts >= self.run.not_before:
                if packet.is_corrupt:
                    raise self._bad(header.pts, "a packet is not whole")
                if self._is_reference(packet) or i in wanted:
                    if header.is_shown:
                        self.owed.add(header.pts)
                    yield packet
            if i >= self.run.last:
                return

    def _is_reference(self, packet: "av.Packet[VideoStream]") -> bool:
        # A third of the work at x264's defaults is pictures that no other is predicted from.
        if self.length_bytes is None:
            return True
        data = memoryview(packet)
        if self.context.name == "h264":
            role = h264.role(data, self.length_bytes)
        else:
            whole = h264.is_whole(data, self.length_bytes)
            role = h264.Role.REFERENCE if whole else h264.Role.BROKEN
        if role is h264.Role.BROKEN:
            raise self._bad(packet.pts, "no encoder writes such a packet")
        return role is h264.Role.REFERENCE

    def _pictures(self, packet: "av.Packet[VideoStream] | None") -> Iterator[VideoFrame]:
        before = error_count()
        at = None if packet is None else packet.pts
        try:
            pictures = self.context.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            raise self._bad(at, f"the decoder fails ({last_error()})") from error
        if error_count() != before:
            raise self._bad(at, f"the decoder complains ({last_error()})")
        for frame in pictures:
            if frame.is_corrupt:
                raise self._bad(frame.pts, "the decoder had to mend a picture")
            if frame.pts is not None:
                self.owed.discard(frame.pts)
            yield frame

    def _bad(self, pts: int | None, reason: str) -> BadClipError:
        where = "at its end" if pts is None else f"near {self.timeline.seconds(pts):.3f} s"
        return bad(self.path, f"it is damaged {where}: {reason}")


def _length_bytes(stream: VideoStream) -> int | None:
    context = stream.codec_context
    if context.name == "h264":
        return h264.length_bytes(context.extradata)
    return h264.hevc_length_bytes(context.extradata) if context.name == "hevc" else None


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    converted = reformatter.reformat(frame, format="rgb24", interpolation="BILINEAR", threads=1)
    rgb = np.asarray(converted.to_ndarray(), np.uint8)
    turns = round(frame.rotation / 90)  # anticlockwise
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb
