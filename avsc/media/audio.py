"""WAV files in, 16 kHz stereo out; whatever is wrong with a file is said in plain words.

libsndfile returns what there is of a truncated file without a word, so the header is read here
first and held against the file's size. Nothing is allocated on a header's word: the sizes that
decide an allocation are bounded by the length that the clip should have.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import BadClipError

LOWEST_RATE_HZ = timebase.SAMPLE_RATE_HZ  # below it the upper bands would be empty
HIGHEST_RATE_HZ = 384_000
# Full scale is 1. Beyond this a float WAV holds something else than sound, and its power spectrum
# may overflow float32.
LOUDEST = 1e6

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True)
class WavHeader:
    """What a WAV file says of itself, and how many bytes of sound it really holds."""

    coding: int  # WAVE format tag: 1 integers, 3 floats
    channels: int
    rate_hz: int
    frame_bytes: int
    claimed_bytes: int
    present_bytes: int

    @property
    def frames(self) -> int:
        """Samples a channel, as claimed."""
        return self.claimed_bytes // self.frame_bytes


def read_stereo(
    path: Path, seconds: int, mono: Literal["refuse", "duplicate"] = "refuse"
) -> NDArray[np.float32]:
    """Reads a WAV file of a known length.

    Args:
        path: A PCM or float WAV file, at 16 kHz or more.
        seconds: How long it should be; up to 10 ms less or more is padded or cut.
        mono: What to do with a file of one channel.

    Returns:
        float32 [2 (left, right), seconds * 16000].

    Raises:
        BadClipError: The file is missing, not a WAV file, truncated, of another length, mono
            (unless ``duplicate``), of more than two channels, or holds no numbers.
    """
    try:
        header = read_header(path)
        _check_header(path, header, seconds, mono)
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadClipError(
            f"cannot read {path}: {error}", "a readable WAV file", "copy the file again"
        ) from error
    _check_samples(path, header, samples)
    stereo = _at_model_rate(samples, header.rate_hz, seconds)
    return stereo if len(stereo) == 2 else np.concatenate([stereo, stereo])


def read_header(path: Path) -> WavHeader:
    """Reads a WAV file's header without believing it.

    Raises:
        BadClipError: It is not a RIFF WAVE file with a format and a data chunk.
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            raise _not_wav(path, _looks_like(riff, size))
        layout = b""
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                return _header(path, layout, length, size - file.tell())
            if name == b"fmt ":
                layout = file.read(min(length, 40))
                length -= len(layout)
            _skip(file, length)
    raise _not_wav(path, "a WAV header without sound behind it")


def _skip(file: BinaryIO, length: int) -> None:
    file.seek(length + length % 2, os.SEEK_CUR)  # chunks begin on even bytes


def _looks_like(start: bytes, size: int) -> str:
    if size == 0:
        return "an empty file"
    if start.lstrip()[:1] == b"<":
        return "an HTML or XML page, as a failed download leaves behind"
    if start[:4] in (b"RF64", b"RIFX"):
        return f"{start[:4].decode()}, a relative of WAV"
    return f"a file that begins with {start!r}"


def _not_wav(path: Path, found: str) -> BadClipError:
    return BadClipError(f"{path} is {found}", "a WAV file", "copy or download the file again")


def _header(path: Path, layout: bytes, claimed: int, present: int) -> WavHeader:
    if len(layout) < 16:
        raise _not_wav(path, "a WAV file without a format chunk")
    coding, channels, rate_hz, _, frame_bytes, bits = struct.unpack("<HHIIHH", layout[:16])
    if coding == _EXTENSIBLE and len(layout) >= 26:
        coding = struct.unpack_from("<H", layout, 24)[0]
    if coding not in (_PCM, _FLOAT) or channels * -(-bits // 8) != frame_bytes or not channels:
        raise BadClipError(
            f"{path}: format tag {coding}, {channels} channels of {bits} bits in {frame_bytes}"
            " bytes a sample",
            "plain integer or float samples",
            "convert it, for example with `ffmpeg -i IN.wav -c:a pcm_s24le OUT.wav`",
        )
    return WavHeader(coding, channels, rate_hz, frame_bytes, claimed, present)


def _check_header(path: Path, header: WavHeader, seconds: int, mono: str) -> None:
    if header.channels == 1 and mono == "refuse":
        raise BadClipError(
            f"{path} is mono",
            "two channels: the features are of their average and their difference",
            "record in stereo, or use the one channel twice with `--mono duplicate`",
        )
    if header.channels > 2:
        raise BadClipError(
            f"{path} has {header.channels} channels", "two channels", "mix it down to stereo"
        )
    if not LOWEST_RATE_HZ <= header.rate_hz <= HIGHEST_RATE_HZ:
        raise BadClipError(
            f"{path} has {header.rate_hz} samples a second",
            f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}",
            "record at 48 kHz; resampling a slower file adds no sound to it",
        )
    if header.present_bytes < header.claimed_bytes:
        raise BadClipError(
            f"{path} is truncated: its header claims {header.claimed_bytes} bytes of sound,"
            f" the file holds {header.present_bytes}",
            "the whole file",
            "copy or download the file again",
        )
    if not timebase.fits_length(header.frames, header.rate_hz, seconds):
        raise BadClipError(
            f"{path} lasts {header.frames / header.rate_hz:.3f} s",
            f"{seconds} s to within {timebase.LENGTH_TOLERANCE_S * 1000:.0f} ms",
            "cut the file to its length, or remove the clip",
        )


def _check_samples(path: Path, header: WavHeader, samples: NDArray[np.float32]) -> None:
    if samples.shape != (header.frames, header.channels):
        raise BadClipError(
            f"{path}: {samples.shape[0]} samples of {samples.shape[1]} channels could be read",
            f"{header.frames} of {header.channels}, as its header claims",
            "copy or download the file again",
        )
    # Written so that a NaN, which compares false with everything, fails too.
    if not (samples.max() <= LOUDEST and samples.min() >= -LOUDEST):
        wrong = int(np.count_nonzero(~(np.abs(samples) <= LOUDEST)))
        raise BadClipError(
            f"{path}: {wrong} samples are not finite or beyond {LOUDEST:.0e} times full scale",
            "samples within full scale, -1 to 1",
            "write the file again from its source",
        )


def _at_model_rate(samples: NDArray[np.float32], rate_hz: int, seconds: int) -> NDArray[np.float32]:
    # [n, channels] at rate_hz -> [channels, seconds * 16000]
    target_hz = timebase.SAMPLE_RATE_HZ
    conformed = timebase.trim_or_pad(samples.T, seconds * rate_hz)
    resampled = np.asarray(soxr.resample(conformed.T, rate_hz, target_hz, quality="HQ")).T
    return np.ascontiguousarray(timebase.trim_or_pad(resampled, seconds * target_hz))
