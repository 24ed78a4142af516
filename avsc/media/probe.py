"""What the headers of a recording say: length, rate, size; nothing is decoded."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from avsc.errors import AvscError, BadClipError
from avsc.media.audio import open_wav
from avsc.media.demux import clock_start_s, open_media
from avsc.media.soundtrack import sound_track

Track = VideoStream | AudioStream


@dataclass(frozen=True)
class Sound:
    """A recording's sound.

    Attributes:
        end_s: Where it ends on the recording's clock, in seconds.
        rate_hz: Samples a second.
        channels: Number of channels.
    """

    end_s: float
    rate_hz: int
    channels: int


@dataclass(frozen=True)
class Pictures:
    """A recording's pictures.

    Attributes:
        start_s: When the first one appears, in seconds on the recording's clock.
        end_s: Where they end.
        width: Columns of a picture as it is stored.
        height: Lines of a picture as it is stored.
    """

    start_s: float
    end_s: float
    width: int
    height: int


@dataclass(frozen=True)
class Probe:
    """A recording's headers.

    Attributes:
        sound: Its sound.
        pictures: Its pictures.
    """

    sound: Sound
    pictures: Pictures

    @property
    def end_s(self) -> float:
        """Where the first of sound and pictures ends."""
        return min(self.sound.end_s, self.pictures.end_s)


def probe(video: Path, audio: Path) -> Probe:
    """Reads the headers of a recording's files.

    Args:
        video: The file with its pictures.
        audio: The file with its sound, which may be the same.

    Raises:
        BadClipError: A file cannot be opened, or lacks a track of its kind that can be decoded.
    """
    try:
        return Probe(_sound(audio), _pictures(video))
    except BadClipError:
        raise
    except AvscError as error:
        raise BadClipError(*error.args) from error


def _sound(path: Path) -> Sound:
    if path.suffix.lower() == ".wav":
        with open_wav(path) as file:
            return Sound(file.frames / file.samplerate, file.samplerate, file.channels)
    with open_media(path) as container:
        track = sound_track(path, container)
        return Sound(_span(container, track)[1], track.rate, track.channels)


def _pictures(path: Path) -> Pictures:
    with open_media(path) as container:
        tracks = [
            track
            for track in container.streams.video
            if not track.disposition & Disposition.attached_pic
        ]
        if not tracks:
            raise BadClipError(f"{path.name} has no pictures", "a video")
        main = max(tracks, key=lambda track: track.width * track.height)
        if main.codec_context is None:
            raise BadClipError(f"{path.name}: FFmpeg has no decoder for its video", "a video")
        return Pictures(*_span(container, main), main.width, main.height)


def _span(container: InputContainer, track: Track) -> tuple[float, float]:
    """Where a track begins and ends on the file's clock, in seconds."""
    assert track.time_base is not None
    zero = clock_start_s(container)
    start = Fraction(track.start_time or 0) * track.time_base
    end = _stated_end(track)
    if end is None:
        end = _last_time(container, track)
    return float(start - zero), float(max(end, start) - zero)


def _stated_end(track: Track) -> Fraction | None:
    if track.duration is not None and track.time_base is not None:
        return Fraction((track.start_time or 0) + track.duration) * track.time_base
    stated = track.metadata.get("DURATION", "")  # Matroska's end, hours:minutes:seconds
    try:
        hours, minutes, seconds = stated.split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    except ValueError:
        return None


def _last_time(container: InputContainer, track: Track) -> Fraction:
    """The end of a track's last packet: for a file whose header does not say it."""
    end = Fraction(0)
    assert track.time_base is not None
    try:
        for packet in container.demux(track):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * track.time_base)
    except av.FFmpegError:
        pass  # it is cut off: what came before counts
    return end
