"""WAV files in, 16 kHz stereo out; whatever is wrong with a file is said in plain words.

The files are parsed and decoded here: libsndfile returns what there is of a truncated file without
a word, so the header has to be read anyway, and its 24-bit conversion takes six times as long as
ours (tests/benchmarks/RESULTS.md). Nothing is allocated on a header's word: a header that claims
more than a clip of the wanted length, or more than the file holds, is refused before.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import BadClipError

LOWEST_RATE_HZ = timebase.SAMPLE_RATE_HZ  # below it the upper bands would be empty
HIGHEST_RATE_HZ = 384_000
# Full scale is 1. Beyond this a float WAV holds something else than sound, and its power spectrum
# might overflow float32.
LOUDEST = 1e6

_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE  # WAVE format tags
_CONVERT = "convert it, for example with `ffmpeg -i IN.wav -c:a pcm_s24le OUT.wav`"
_COPY_AGAIN = "copy or download the file again"


@dataclass(frozen=True)
class WavHeader:
    """What a WAV file says of itself, and how many bytes of sound it really holds."""

    coding: int  # WAVE format tag: 1 integers, 3 floats
    sample_bytes: int
    channels: int
    rate_hz: int
    claimed_bytes: int
    present_bytes: int

    @property
    def samples(self) -> int:
        """Samples in each channel, as claimed."""
        return self.claimed_bytes // (self.sample_bytes * self.channels)


def read_stereo(
    path: Path, seconds: int, mono: Literal["refuse", "duplicate"] = "refuse"
) -> NDArray[np.float32]:
    """Reads a WAV file of a known length.

    Args:
        path: A WAV file of integers or floats, at 16 kHz or more.
        seconds: How long it should be; up to 10 ms less or more is padded or cut.
        mono: What to do with a file of one channel.

    Returns:
        float32 [2 (left, right), seconds * 16000].

    Raises:
        BadClipError: The file is missing, not a WAV file, truncated, of another length, mono
            (unless ``duplicate``), of more than two channels, or holds no numbers.
    """
    try:
        with path.open("rb") as file:
            header = read_header(path, file)
            _check_header(path, header, seconds, mono)
            samples = _decode(path, file, header)
    except OSError as error:
        raise BadClipError(f"cannot read {path}: {error}", "a readable WAV file") from error
    _check_samples(path, samples)
    stereo = _at_model_rate(samples, header.rate_hz, seconds)
    return stereo if len(stereo) == 2 else np.concatenate([stereo, stereo])


def read_header(path: Path, file: BinaryIO) -> WavHeader:
    """Reads a WAV file's header without believing it, and leaves ``file`` where the sound begins.

    Raises:
        BadClipError: It is not a RIFF WAVE file with a format and a data chunk.
    """
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
            file.seek(-len(layout), os.SEEK_CUR)
        file.seek(length + length % 2, os.SEEK_CUR)  # chunks begin on even bytes
    raise _not_wav(path, "a WAV file without sound in it")


def _looks_like(start: bytes, size: int) -> str:
    if size == 0:
        return "an empty file"
    if start.lstrip()[:1] == b"<":
        return "an HTML or XML page, as a failed download leaves behind"
    return f"a file that begins with {start[:4]!r}"


def _not_wav(path: Path, found: str) -> BadClipError:
    return BadClipError(f"{path} is {found}", "a WAV file (RIFF)", _COPY_AGAIN)


def _header(path: Path, layout: bytes, claimed: int, present: int) -> WavHeader:
    if len(layout) < 16:
        raise _not_wav(path, "a WAV file without a format chunk")
    coding, channels, rate_hz, _, frame_bytes, bits = struct.unpack("<HHIIHH", layout[:16])
    if coding == _EXTENSIBLE and len(layout) >= 26:
        coding = struct.unpack_from("<H", layout, 24)[0]
    sample_bytes = -(-bits // 8)
    if (coding, sample_bytes) not in _DECODERS or channels * sample_bytes != frame_bytes:
        raise BadClipError(
            f"{path}: format {coding}, {channels} channels of {bits} bits, {frame_bytes} bytes in"
            " all",
            "integers of 8 to 32 bits or floats",
            _CONVERT,
        )
    return WavHeader(coding, sample_bytes, channels, rate_hz, claimed, present)


def _check_header(path: Path, header: WavHeader, seconds: int, mono: str) -> None:
    if header.channels == 1 and mono == "refuse":
        raise BadClipError(
            f"{path} is mono",
            "two channels: the features are of their average and their difference",
            "record in stereo, or use the one channel twice with `--mono duplicate`",
        )
    if header.channels not in (1, 2):
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
            _COPY_AGAIN,
        )
    if not timebase.fits_length(header.samples, header.rate_hz, seconds):
        raise BadClipError(
            f"{path} lasts {header.samples / header.rate_hz:.3f} s",
            f"{seconds} s to within {timebase.LENGTH_TOLERANCE_S * 1000:.0f} ms",
            "cut the file to its length, or remove the clip",
        )


def _decode(path: Path, file: BinaryIO, header: WavHeader) -> NDArray[np.float32]:
    # [samples, channels]; the header has been checked, so the size is known to be small.
    count = header.samples * header.channels
    raw = bytearray(1 + count * header.sample_bytes)  # why one more: _from_int24
    got = file.readinto(memoryview(raw)[1:])  # type: ignore[attr-defined]
    if got != len(raw) - 1:
        raise BadClipError(f"{path} became shorter while it was read", "the whole file")
    values = _DECODERS[header.coding, header.sample_bytes](raw)
    return values.reshape(header.samples, header.channels)


def _from_uint8(raw: bytearray) -> NDArray[np.float32]:
    return (np.frombuffer(raw, np.uint8, offset=1) - np.float32(128)) / np.float32(128)


def _from_int16(raw: bytearray) -> NDArray[np.float32]:
    return np.frombuffer(raw, "<i2", offset=1) * np.float32(2**-15)


def _from_int24(raw: bytearray) -> NDArray[np.float32]:
    # Four bytes at every third place: a sample as the upper 24 bits of an int32, the byte before it
    # as the lower 8, which are then cleared. Hence the spare byte in front of the first sample.
    count = len(raw) // 3
    wide = np.ndarray((count,), "<i4", raw, 0, (3,)).astype(np.int32)
    wide &= -256
    return wide.astype(np.float32) * np.float32(2**-31)


def _from_int32(raw: bytearray) -> NDArray[np.float32]:
    return np.frombuffer(raw, "<i4", offset=1).astype(np.float32) * np.float32(2**-31)


def _from_float32(raw: bytearray) -> NDArray[np.float32]:
    return np.frombuffer(raw, "<f4", offset=1).astype(np.float32)


def _from_float64(raw: bytearray) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # becomes infinite, which is refused as such
        return np.frombuffer(raw, "<f8", offset=1).astype(np.float32)


_DECODERS: dict[tuple[int, int], Callable[[bytearray], NDArray[np.float32]]] = {
    (_INTEGERS, 1): _from_uint8,
    (_INTEGERS, 2): _from_int16,
    (_INTEGERS, 3): _from_int24,
    (_INTEGERS, 4): _from_int32,
    (_FLOATS, 4): _from_float32,
    (_FLOATS, 8): _from_float64,
}


def _check_samples(path: Path, samples: NDArray[np.float32]) -> None:
    # Written so that a NaN, which compares false with everything, fails too.
    if not (samples.max() <= LOUDEST and samples.min() >= -LOUDEST):
        wrong = int(np.count_nonzero(~(np.abs(samples) <= LOUDEST)))
        raise BadClipError(
            f"{path}: {wrong} samples are NaN, infinite or beyond {LOUDEST:.0e} times full scale",
            "samples within full scale, -1 to 1",
            "write the file again from its source",
        )


def _at_model_rate(samples: NDArray[np.float32], rate_hz: int, seconds: int) -> NDArray[np.float32]:
    # [n, channels] at rate_hz -> [channels, seconds * 16000]
    target_hz = timebase.SAMPLE_RATE_HZ
    channels = np.ascontiguousarray(timebase.trim_or_pad(samples.T, seconds * rate_hz))
    # soxr takes [n, channels]; it is fastest on channels that lie apart in memory.
    resampled = np.asarray(soxr.resample(channels.T, rate_hz, target_hz, quality="HQ")).T
    return np.ascontiguousarray(timebase.trim_or_pad(resampled, seconds * target_hz))
