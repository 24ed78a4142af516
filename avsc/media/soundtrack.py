"""The sound of a recording of any length, second by second in bounded memory, or a piece of it.

``avsc.media.audio`` reads a WAV file whose length is known, whole. Here a WAV file or the sound
track of a video is streamed: decoded, resampled with soxr HQ as it goes, and cut.
"""

import re
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError, BadClipError
from avsc.media.audio import Mono, check_mono, check_samples, open_wav, read_stereo
from avsc.media.demux import clock_start_s, open_media
from avsc.store.layout import StoredClip

BLOCK_S = 10  # of a WAV read at once
LONGEST_GAP_S = 600.0  # a jump in a track's clock beyond this is damage, not silence
SHORTEST_LACK_S = 0.05  # headers are right to within a packet, of some 20 ms
_SETTLED_S = 0.05  # clocks jitter by less than this between frames
_UNKNOWN_SIZE = 0x7FFF0000  # pipes write this much or more where they cannot know

Samples = NDArray[np.float32]


def stream_seconds(path: Path, rate_hz: int = timebase.SAMPLE_RATE_HZ) -> Generator[Samples]:
    """Yields each whole second of a recording's sound; what is left under a second is dropped.

    A last second that lacks 10 ms or less is padded, as that of a data set's clip is. Where the
    track's clock leaves a gap there is silence, and where its frames overlap the later one is cut.

    Args:
        path: A WAV file, or anything with a sound track (the first that can be decoded is taken).
            One channel is used as both; more than two are mixed down.
        rate_hz: Sampling rate of the result.

    Yields:
        float32 [2 (left, right), rate_hz].

    Raises:
        AvscError: There is no sound in it, it is cut off or damaged, or its samples are no numbers.
            It comes after the seconds that are whole.
    """
    yield from _cut(_blocks(path, "duplicate", rate_hz), rate_hz)


def read_clip_sound(
    path: Path,
    clip: StoredClip,
    clip_seconds: int,
    mono: Mono,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
) -> Samples:
    """Reads the sound of a data set's clip.

    Args:
        path: Path of the file with its sound.
        clip: The clip; one without a length of its own is a whole WAV file.
        clip_seconds: Length in seconds of such a clip.
        mono: What to do with a recording of one channel.
        rate_hz: Sampling rate of the result.

    Returns:
        float32 [2 (left, right), seconds * rate_hz].

    Raises:
        AvscError: The file cannot be read, or is not as long as the clip.
    """
    if clip.seconds is None:
        return read_stereo(path, clip_seconds, mono, rate_hz)
    return read_piece(path, clip.start, clip.seconds, mono, rate_hz)


def read_piece(
    path: Path,
    start_s: float,
    seconds: int,
    mono: Mono = "duplicate",
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
) -> Samples:
    """Reads some seconds of a recording's sound; what the track lacks under 50 ms is silence.

    Args:
        path: See ``stream_seconds``.
        start_s: Where the piece begins, in seconds.
        seconds: Length of the piece in seconds.
        mono: What to do with a recording of one channel.
        rate_hz: Sampling rate of the result.

    Returns:
        float32 [2 (left, right), seconds * rate_hz].

    Raises:
        AvscError: There is no sound in it, it is damaged before the piece ends, or it is too short.
    """
    first, length = round(start_s * rate_hz), seconds * rate_hz
    sound = _at_or_before(first, path, mono, rate_hz)
    try:
        sound.drop(first)
        piece = sound.peek(length)
    except BaseException:
        del _last.sounds[rate_hz]  # it cannot go on; the next piece is read from the start
        raise
    missing = first + length - sound.end
    if missing > SHORTEST_LACK_S * rate_hz:
        raise BadClipError(
            f"the sound of {path.name} ends at {sound.end / rate_hz:.3f} s",
            f"sound up to {start_s + seconds:g} s",
            "get the whole file again",
        )
    piece = np.concatenate([piece, np.zeros((max(missing, 0), 2), np.float32)])[:length]
    return np.ascontiguousarray(piece.T)


class _Sound:
    """The stream of a recording's sound, held where the last piece began.

    Pieces of one recording come one after the other: each goes on where the one before was, so
    that a long recording is decoded once, and its pieces are those of one stream.
    """

    def __init__(self, key: object, blocks: Iterator[Samples]) -> None:
        self.key = key
        self.begin = 0  # of what is held, in samples
        self._blocks = blocks
        self._held = np.zeros((0, 2), np.float32)

    @property
    def end(self) -> int:
        """End of what is held, in samples."""
        return self.begin + len(self._held)

    def drop(self, first: int) -> None:
        """Leaves out what is before a sample."""
        while self.end <= first and (block := next(self._blocks, None)) is not None:
            self.begin, self._held = self.end, block
        self._held = self._held[max(first - self.begin, 0) :]
        self.begin = max(first, self.begin) if len(self._held) else self.end

    def peek(self, length: int) -> Samples:
        """The next samples, [length, 2], or fewer at the end; they stay held."""
        kept, count = [self._held], len(self._held)
        while count < length and (block := next(self._blocks, None)) is not None:
            kept.append(block)
            count += len(block)
        self._held = np.concatenate(kept)
        return self._held[:length]


_last = threading.local()  # each thread's last recording at each rate, as ``sounds``


def _at_or_before(first: int, path: Path, mono: Mono, rate_hz: int) -> _Sound:
    """The sound of a recording, not further than a sample; of an altered file anew."""
    state = path.stat() if path.exists() else None
    key = (path, mono, state and (state.st_ino, state.st_size, state.st_mtime_ns))
    sounds: dict[int, _Sound] = _last.__dict__.setdefault("sounds", {})
    sound = sounds.get(rate_hz)
    if sound is None or sound.key != key or sound.begin > first:
        sound = sounds[rate_hz] = _Sound(key, _blocks(path, mono, rate_hz))
    return sound


def _blocks(path: Path, mono: Mono, rate_hz: int) -> Iterator[Samples]:
    """The sound of a recording at a rate, [n, 2]."""
    is_wav = path.suffix.lower() == ".wav"
    return (_wav_blocks if is_wav else _track_blocks)(path, mono, rate_hz)


def _wav_blocks(path: Path, mono: Mono, rate_hz: int) -> Iterator[Samples]:
    with open_wav(path) as file:
        check_mono(path, file.channels, mono)
        if file.channels > 2:
            raise AvscError(f"{path} has {file.channels} channels", "one or two")
        yield from _resampled(file.samplerate, rate_hz, _wav_samples(path, file))


def _wav_samples(path: Path, file: soundfile.SoundFile) -> Iterator[Samples]:
    try:
        for block in file.blocks(BLOCK_S * file.samplerate, dtype="float32", always_2d=True):
            samples = np.asarray(block, np.float32)
            check_samples(path, samples)
            yield _as_stereo(samples)
    except soundfile.SoundFileError as error:
        raise _unreadable(path, str(error)) from error
    # libsndfile reads what there is of a truncated file, and says so only in its log.
    sizes = re.search(r"^data *: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < _UNKNOWN_SIZE:
        raise AvscError(
            f"{path} is truncated: its header claims {sizes[1]} bytes of sound, the file holds"
            f" {sizes[2]}",
            "the whole file",
            "copy or download the file again",
        )


def _track_blocks(path: Path, mono: Mono, rate_hz: int) -> Iterator[Samples]:
    with open_media(path) as container:
        track = sound_track(path, container)
        check_mono(path, track.channels, mono)
        samples = _on_clock(path, container, track, _decoded(path, container, track))
        yield from _resampled(track.rate, rate_hz, samples)


def sound_track(path: Path, container: InputContainer) -> AudioStream:
    """The first sound track of a file that can be decoded.

    Raises:
        AvscError: There is none.
    """
    if not container.streams.audio:
        raise AvscError(
            f"{path} has no sound track",
            "a recording with sound",
            "give the sound as a second file: `avsc predict RUN VIDEO --audio WAV`",
        )
    for track in container.streams.audio:
        if track.codec_context is not None and track.rate > 0 and track.channels > 0:
            return track
    raise _unreadable(path, "FFmpeg cannot decode its sound track")


def _decoded(path: Path, container: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
    began = False
    try:
        for packet in container.demux(track):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                if began:
                    raise
                continue  # a recording may begin in the middle of a frame
            for frame in decoded:
                began = True
                yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error
    if not began:
        raise _unreadable(path, "there is no sound in its sound track")


def _on_clock(
    path: Path, container: InputContainer, track: AudioStream, frames: Iterator[AudioFrame]
) -> Iterator[Samples]:
    """Samples at the track's own rate, [n, 2], each where the track's clock puts it."""
    begin_s = float(clock_start_s(container))
    rate = track.rate
    mixer = AudioResampler(format="flt", layout="mono" if track.channels == 1 else "stereo")
    written = 0
    for frame in frames:
        ahead = 0  # samples from the end of what is written to where the frame belongs
        if frame.pts is not None and frame.time_base is not None:
            ahead = round((float(frame.pts * frame.time_base) - begin_s) * rate) - written
        if ahead > LONGEST_GAP_S * rate:
            raise AvscError(
                f"{path}: the sound track's clock jumps by {ahead / rate:.0f} s",
                "a continuous recording",
                "write it anew, for example with `ffmpeg -i IN -c copy OUT.mkv`",
            )
        if written and abs(ahead) <= _SETTLED_S * rate:
            ahead = 0
        if ahead > 0:
            written += ahead
            yield np.zeros((ahead, 2), np.float32)
        for samples in _mixed(path, mixer, frame):
            kept = samples[max(-ahead, 0) :]
            written += len(kept)
            yield kept


def _mixed(path: Path, mixer: AudioResampler, frame: AudioFrame) -> Iterator[Samples]:
    try:
        for mixed in mixer.resample(frame):
            samples = np.asarray(mixed.to_ndarray(), np.float32)
            check_samples(path, samples)
            yield _as_stereo(samples.reshape(-1, len(mixed.layout.channels)))
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable(path, f"its format changes on the way ({error})") from error


def _resampled(from_hz: int, to_hz: int, blocks: Iterator[Samples]) -> Iterator[Samples]:
    """A stream at another rate, [n, 2] to [m, 2]; what is whole comes before an error."""
    resampler = soxr.ResampleStream(from_hz, to_hz, 2, "float32", "HQ")
    error = None
    try:
        for block in blocks:
            yield np.asarray(resampler.resample_chunk(block), np.float32)
    except AvscError as raised:
        error = raised
    nothing = np.zeros((0, 2), np.float32)
    yield np.asarray(resampler.resample_chunk(nothing, last=True), np.float32)
    if error is not None:
        raise error


def _as_stereo(samples: Samples) -> Samples:
    stereo = samples if samples.shape[1] == 2 else np.repeat(samples, 2, axis=1)
    return np.ascontiguousarray(stereo)


def _cut(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    held = np.zeros((0, 2), np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        whole = len(held) // rate
        for second in range(whole):
            yield np.ascontiguousarray(held[second * rate : (second + 1) * rate].T)
        held = held[whole * rate :]
    if timebase.fits_length(len(held), rate, 1):
        yield np.ascontiguousarray(timebase.trim_or_pad(held.T, rate))


def _unreadable(path: Path, reason: str) -> AvscError:
    return AvscError(
        f"cannot read the sound of {path}: {reason}",
        "a WAV file, or a video with a sound track",
        "write its sound as a WAV file: ffmpeg -i FILE SOUND.wav",
    )
