"""WAV files of a known length in, stereo at 16 kHz (or another rate) out.

libsndfile decodes. It returns what there is of a truncated file without an error, but a clip's
length is known, so that a file that lacks more than 10 ms is refused. Nothing is allocated before
the header and the length have been checked.
"""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import BadClipError

LOWEST_RATE_HZ = timebase.SAMPLE_RATE_HZ  # below it the upper bands would be empty
HIGHEST_RATE_HZ = 384_000
# Full scale is 1. Beyond this a float WAV holds something else than sound, and its power spectrum
# might overflow float32.
LOUDEST = 1e6

Mono = Literal["refuse", "duplicate"]

_WAV_FORMATS = {"WAV", "WAVEX", "RF64"}


def read_stereo(
    path: Path, seconds: int, mono: Mono = "refuse", rate_hz: int = timebase.SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Reads a WAV file of a known length.

    Args:
        path: A WAV or RF64 file at 16 kHz or more.
        seconds: Length of the clip in seconds; up to 10 ms less or more is padded or cut.
        mono: What to do with a file of one channel.
        rate_hz: Sampling rate of the result.

    Returns:
        float32 [2 (left, right), seconds * rate_hz].

    Raises:
        BadClipError: The file is missing, not a WAV file, of another length (so also truncated),
            mono (unless ``duplicate``), of more than two channels, or holds no numbers.
    """
    try:
        with open_wav(path) as file:
            _check_header(path, file, seconds, mono)
            samples = np.asarray(file.read(dtype="float32", always_2d=True), np.float32)
            from_hz = file.samplerate
    except soundfile.SoundFileError as error:
        raise BadClipError(f"cannot read {path}: {error}", "a readable WAV file") from error
    # Fewer samples than announced: the file became shorter while it was read.
    _check_length(path, len(samples), from_hz, seconds)
    check_samples(path, samples)
    stereo = _resampled(samples, from_hz, rate_hz, seconds)
    return stereo if len(stereo) == 2 else np.concatenate([stereo, stereo])


@contextmanager
def open_wav(path: Path) -> Iterator[soundfile.SoundFile]:
    """Opens a WAV file, with any of the sizes that recorders and pipes leave in its header.

    Raises:
        BadClipError: It is missing or not a WAV file.
    """
    with ExitStack() as stack:
        try:
            start = stack.enter_context(path.open("rb")).read(64)
            file = stack.enter_context(soundfile.SoundFile(os.fsencode(path)))  # of any bytes
            if file.frames == 0 and start[:4] == b"RIFF":
                unfinished = stack.enter_context(_Unfinished(path))
                file = stack.enter_context(soundfile.SoundFile(unfinished))
        except OSError as error:
            raise BadClipError(f"cannot read {path}: {error}", "a readable WAV file") from error
        except (soundfile.SoundFileError, ValueError) as error:
            raise _not_wav(path, start) from error
        if file.format not in _WAV_FORMATS:
            raise _not_wav(path, start)
        yield file


class _Unfinished(io.FileIO):
    """A WAV file whose sizes are still 0, as a recorder that was not stopped leaves it.

    libsndfile then reads to the end of the file, but only where RIFF's size is 8: so it reads 8.
    """

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        position = self.tell()
        count = super().readinto(buffer) or 0
        content = memoryview(buffer).cast("B")
        for offset, value in enumerate((8, 0, 0, 0), start=4):
            if position <= offset < position + count:
                content[offset - position] = value
        return count


def check_samples(path: Path, samples: NDArray[np.float32]) -> None:
    """Refuses samples that are NaN, infinite or absurdly loud.

    Raises:
        BadClipError: Some are; the message says how many.
    """
    # Written so that a NaN, which compares false with everything, fails too.
    if len(samples) and not (samples.max() <= LOUDEST and samples.min() >= -LOUDEST):
        wrong = int(np.count_nonzero(~(np.abs(samples) <= LOUDEST)))
        raise BadClipError(
            f"{path}: {wrong} samples are NaN, infinite or beyond {LOUDEST:.0e} times full scale",
            "samples within full scale, -1 to 1",
            "write the file again from its source",
        )


def check_mono(path: Path, channels: int, mono: Mono) -> None:
    """Refuses a file of one channel where that is not to be used twice.

    Raises:
        BadClipError: It has one channel.
    """
    if channels == 1 and mono == "refuse":
        raise BadClipError(
            f"{path} is mono",
            "two channels: the features are of their average and their difference",
            "record in stereo, or use the one channel twice with `--mono duplicate`",
        )


def _check_header(path: Path, file: soundfile.SoundFile, seconds: int, mono: Mono) -> None:
    check_mono(path, file.channels, mono)
    if file.channels not in (1, 2):
        raise BadClipError(
            f"{path} has {file.channels} channels", "two channels", "mix it down to stereo"
        )
    if not LOWEST_RATE_HZ <= file.samplerate <= HIGHEST_RATE_HZ:
        raise BadClipError(
            f"{path} has {file.samplerate} samples a second",
            f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}",
            "record at 48 kHz; resampling a slower file adds no sound to it",
        )
    _check_length(path, file.frames, file.samplerate, seconds)


def _check_length(path: Path, samples: int, rate_hz: int, seconds: int) -> None:
    if not timebase.fits_length(samples, rate_hz, seconds):
        raise BadClipError(
            f"{path} lasts {samples / rate_hz:.3f} s",
            f"{seconds} s to within {timebase.LENGTH_TOLERANCE_S * 1000:.0f} ms",
            "if it was cut off, copy or download it again; recordings of other lengths can be used"
            " as a folder of videos for each scene, or in a table clips.csv (video, audio, scene)",
        )


def _not_wav(path: Path, start: bytes) -> BadClipError:
    if not start:
        found = "an empty file"
    elif start.lstrip()[:1] == b"<":
        found = "an HTML or XML page, as a failed download leaves behind"
    elif start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"WAVE":
        found = "a WAV file whose header is damaged"
    else:
        found = f"a file that begins with {start[:4]!r}"
    return BadClipError(f"{path} is {found}", "a WAV file", "copy or download the file again")


def _resampled(
    samples: NDArray[np.float32], from_hz: int, to_hz: int, seconds: int
) -> NDArray[np.float32]:
    # [n, channels] at from_hz -> [channels, seconds * to_hz]
    exact = timebase.trim_or_pad(samples.T, seconds * from_hz).T
    resampled = np.asarray(soxr.resample(exact, from_hz, to_hz, quality="HQ")).T
    return np.ascontiguousarray(timebase.trim_or_pad(resampled, seconds * to_hz))
