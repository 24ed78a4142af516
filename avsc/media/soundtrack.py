"""The sound of a recording of any length, second by second in bounded memory.

``avsc.media.audio`` reads a clip whose length is known, whole. Here a WAV file or the sound track
of a video is streamed: decoded, resampled to 16 kHz with soxr HQ as it goes, and cut into seconds.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.media.audio import LOUDEST, read_header
from avsc.media.demux import clock_start_s

BLOCK_S = 10  # of a WAV read at once
LONGEST_GAP_S = 600.0  # a jump in a track's clock beyond this is damage, not silence
_SETTLED_S = 0.05  # clocks jitter by less than this between frames

Samples = NDArray[np.float32]


def stream_seconds(path: Path) -> Generator[Samples]:
    """Yields each whole second of a recording's sound; what is left under a second is dropped.

    A last second that lacks 10 ms or less is padded, as that of a data set's clip is.

    Args:
        path: A WAV file, or anything with a sound track (the first is taken). One channel is used
            as both; more than two are mixed down.

    Yields:
        float32 [2 (left, right), 16000].

    Raises:
        AvscError: There is no sound in it, it cannot be decoded, or its samples are no numbers.
    """
    blocks = _wav_blocks(path) if path.suffix.lower() == ".wav" else _track_blocks(path)
    yield from _cut(_checked(path, blocks))


def has_sound(path: Path) -> bool:
    """Whether a video file has a sound track."""
    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio)
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def _wav_blocks(path: Path) -> Iterator[Samples]:
    try:
        with path.open("rb") as opened:
            header = read_header(path, opened)
        if header.present_bytes < header.claimed_bytes:
            raise AvscError(
                f"{path} is truncated: its header claims {header.claimed_bytes} bytes of sound,"
                f" the file holds {header.present_bytes}",
                "the whole file",
                "copy or download the file again",
            )
        with soundfile.SoundFile(path) as file:
            if file.channels > 2:
                raise AvscError(f"{path} has {file.channels} channels", "one or two")
            resampler = _Resampler(file.samplerate)
            for block in file.blocks(BLOCK_S * file.samplerate, dtype="float32", always_2d=True):
                yield resampler.feed(_as_stereo(np.asarray(block, np.float32)))
            yield resampler.end()
    except (OSError, soundfile.LibsndfileError) as error:
        raise _unreadable(path, error) from error


def _track_blocks(path: Path) -> Iterator[Samples]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AvscError(
                    f"{path} has no sound track",
                    "a recording with sound",
                    "give the sound as a second file: `avsc predict RUN VIDEO --audio WAV`",
                )
            track = container.streams.audio[0]
            begin_s = float(clock_start_s(container))
            resampler = _Resampler(track.rate)
            mixer = AudioResampler(format="flt", layout="mono" if track.channels == 1 else "stereo")
            written = 0  # samples at the track's own rate
            for frame in container.decode(track):
                due = written
                if frame.pts is not None and frame.time_base is not None:
                    due = round((float(frame.pts * frame.time_base) - begin_s) * track.rate)
                gap = due - written
                if gap > LONGEST_GAP_S * track.rate:
                    raise AvscError(
                        f"{path}: the sound track's clock jumps by {gap / track.rate:.0f} s",
                        "a continuous recording",
                        "write it anew, for example with `ffmpeg -i IN -c copy OUT.mkv`",
                    )
                if gap > _SETTLED_S * track.rate:
                    written += gap
                    yield resampler.feed(np.zeros((gap, 2), np.float32))
                for mixed in mixer.resample(frame):
                    samples = mixed.to_ndarray().reshape(-1, len(mixed.layout.channels))
                    written += len(samples)
                    yield resampler.feed(_as_stereo(np.asarray(samples, np.float32)))
            yield resampler.end()
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


class _Resampler:
    """A stream at any rate to 16 kHz; [n, 2] in, [m, 2] out."""

    def __init__(self, rate_hz: int) -> None:
        same = rate_hz == timebase.SAMPLE_RATE_HZ
        self._stream = (
            None
            if same
            else soxr.ResampleStream(rate_hz, timebase.SAMPLE_RATE_HZ, 2, "float32", "HQ")
        )

    def feed(self, samples: Samples) -> Samples:
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples), np.float32)

    def end(self) -> Samples:
        nothing = np.zeros((0, 2), np.float32)
        if self._stream is None:
            return nothing
        return np.asarray(self._stream.resample_chunk(nothing, last=True), np.float32)


def _as_stereo(samples: Samples) -> Samples:
    stereo = samples if samples.shape[1] == 2 else np.repeat(samples, 2, axis=1)
    return np.ascontiguousarray(stereo)


def _checked(path: Path, blocks: Iterator[Samples]) -> Iterator[Samples]:
    for block in blocks:
        # Written so that a NaN, which compares false with everything, fails too.
        if len(block) and not np.abs(block).max() <= LOUDEST:
            raise AvscError(
                f"{path} holds samples that are not finite or absurdly loud",
                "samples within full scale, -1 to 1",
                "write the file again from its source",
            )
        yield block


def _cut(blocks: Iterator[Samples]) -> Iterator[Samples]:
    rate = timebase.SAMPLE_RATE_HZ
    held = np.zeros((0, 2), np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        whole = len(held) // rate
        for second in range(whole):
            yield np.ascontiguousarray(held[second * rate : (second + 1) * rate].T)
        held = held[whole * rate :]
    if timebase.fits_length(len(held), rate, 1):
        yield np.ascontiguousarray(timebase.trim_or_pad(held.T, rate))


def _unreadable(path: Path, error: Exception) -> AvscError:
    return AvscError(
        f"cannot read the sound of {path}: {error}",
        "a WAV file, or a video with a sound track",
        "check the path; copy the file again",
    )
