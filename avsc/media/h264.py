"""What a packet of H.264 says of its picture, without decoding it.

Containers call every picture a keyframe from which a player recovers, also one that later pictures
reach back over (open groups, periodic intra refresh). Decoding is exact from an IDR picture only.

In MP4 and Matroska a packet is a row of NAL units, each behind its length (ISO/IEC 14496-15). The
byte after the length holds ``nal_ref_idc``, which is 0 when no other picture refers to this one,
and the unit's type (ITU-T H.264, 7.3.1).
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

_CONFIGURATION_VERSION = 1
_SLICES = {1, 2, 5}
_IDR = 5
_LONGEST_PADDING = 64  # bytes of zeros behind a unit; some multiplexers put a few
# An encoder puts a 3 behind two zeros, so that none of these is ever inside a unit.
_NEVER_INSIDE = (b"\0\0\0", b"\0\0\1", b"\0\0\2")
# Elsewhere (MPEG-TS, AVI) units stand behind start codes: Annex B. nal_ref_idc of IDR is not 0.
_IDR_BEHIND_START_CODE = re.compile(rb"\x00\x00\x01[\x25\x45\x65]")


class Role(Enum):
    """What a picture is to the others."""

    REFERENCE = auto()  # others may be predicted from it
    DISPOSABLE = auto()  # leaving it out changes no other picture
    BROKEN = auto()  # no encoder writes such a packet


def length_bytes(extradata: bytes | None) -> int | None:
    r"""How long the lengths are, 1 to 4 bytes; None when units are not stored behind lengths.

    >>> length_bytes(bytes([1, 100, 0, 31, 255, 225, 0])), length_bytes(b"\0\0\0\1\x67\0\0")
    (4, None)
    """
    return _length_bytes(extradata, at=4)


def hevc_length_bytes(extradata: bytes | None) -> int | None:
    """`length_bytes` of HEVC, whose packets are built alike."""
    return _length_bytes(extradata, at=21)


def _length_bytes(extradata: bytes | None, at: int) -> int | None:
    if extradata is None or len(extradata) <= at + 1 or extradata[0] != _CONFIGURATION_VERSION:
        return None
    return (extradata[at] & 3) + 1


def is_whole(packet: memoryview, size_bytes: int) -> bool:
    """Whether a packet is one that an encoder may have written, as far as its bytes show."""
    try:
        return len(list(_unit_heads(packet, size_bytes))) > 0
    except ValueError:
        return False


def role(packet: memoryview, size_bytes: int) -> Role:
    """The role of a packet's picture.

    Args:
        packet: The packet's bytes.
        size_bytes: `length_bytes` of its stream.
    """
    try:
        slices = [head for head in _unit_heads(packet, size_bytes) if head & 31 in _SLICES]
    except ValueError:
        return Role.BROKEN
    if not slices:
        return Role.BROKEN
    return Role.REFERENCE if any(head & 0x60 for head in slices) else Role.DISPOSABLE


def is_idr(packet: memoryview, size_bytes: int | None) -> bool:
    """Whether decoding is exact from this packet on.

    Args:
        packet: The packet's bytes.
        size_bytes: `length_bytes` of its stream.
    """
    if size_bytes is None:
        return _IDR_BEHIND_START_CODE.search(packet) is not None
    try:
        return any(head & 31 == _IDR for head in _unit_heads(packet, size_bytes, check=False))
    except ValueError:
        return False


def _unit_heads(packet: memoryview, size_bytes: int, *, check: bool = True) -> Iterator[int]:
    """The first byte of every unit; ValueError when lengths or bytes cannot be an encoder's."""
    at = 0
    while at < len(packet):
        start = at + size_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        if at == start or at > len(packet) or packet[start] & 0x80:
            raise ValueError(at)
        if check:
            _check_zeros(bytes(packet[start:at]))
        yield packet[start]


def _check_zeros(unit: bytes) -> None:
    kept = unit.rstrip(b"\0")
    if len(unit) - len(kept) > _LONGEST_PADDING or any(zeros in kept for zeros in _NEVER_INSIDE):
        raise ValueError(unit[:4])
