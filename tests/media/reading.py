"""Reading numbered pictures, and refusing to."""

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from avsc.errors import BadClipError
from avsc.media.video import Picture, read_pictures
from avsc.store.schema import ImageSettings
from avsc.timebase import image_times_s
from tests.media.make_video import number_of

REAL = Path(__file__).parents[3] / "shared" / "real" / "video"
CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real media are not here")
needs_decord = pytest.mark.skipif(find_spec("decord") is None, reason="no decord on this machine")
TEN_S = image_times_s(10).tolist()
KEYFRAMES = ImageSettings(frame_choice="keyframe")


def read(
    path: Path, times_s: Sequence[float] = TEN_S, settings: ImageSettings | None = None
) -> list[Picture]:
    return list(read_pictures(path, times_s, settings or ImageSettings()))


def numbers(path: Path, times_s: Sequence[float] = TEN_S) -> list[int]:
    return [number_of(picture.rgb) for picture in read(path, times_s)]


def numbers_at(rate: Fraction, offset_s: Fraction = Fraction(0)) -> list[int]:
    """The frames on screen of a constant rate, in exact arithmetic."""
    return [int((Fraction(t) + offset_s) * rate) for t in TEN_S]


SIGNED_UNITS = [
    matrix
    for one in (1, -1)
    for other in (1, -1)
    for matrix in (((one, 0), (0, other)), ((0, one), (other, 0)))
]


def assert_refused(path: Path, times_s: Sequence[float] = TEN_S) -> None:
    with pytest.raises(BadClipError) as caught:
        read(path, times_s)
    assert path.name in caught.value.got
    assert caught.value.remedy


def flipped(data: bytes, first: int, end: int, bits: int, seed: int) -> bytes:
    damaged = bytearray(data)
    for bit in np.random.default_rng(seed).integers(8 * first, 8 * end, bits):
        damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)
