"""What a packet of H.264 says of its picture, without decoding it.

In MP4 and Matroska a packet is a row of NAL units, each behind its length (ISO/IEC 14496-15). The
byte after the length holds ``nal_ref_idc``, which is 0 when no other picture refers to this one,
and the unit's type (ITU-T H.264, 7.3.1).
"""

from enum import Enum, auto

_AVCC_VERSION = 1
_SLICES = {1, 2, 5}


class Role(Enum):
    """What a picture is to the others."""

    REFERENCE = auto()  # others may be predicted from it
    DISPOSABLE = auto()  # leaving it out changes no other picture
    BROKEN = auto()  # the packet's lengths do not add up, or it holds no picture


def length_bytes(extradata: bytes | None) -> int | None:
    """How long the lengths are, 1 to 4 bytes; None when units are not stored behind lengths.

    >>> length_bytes(bytes([1, 100, 0, 31, 255])), length_bytes(bytes([0, 0, 0, 1, 103]))
    (4, None)
    """
    if extradata is None or len(extradata) < 7 or extradata[0] != _AVCC_VERSION:
        return None
    return (extradata[4] & 3) + 1


def role(packet: memoryview, size_bytes: int) -> Role:
    """The role of a packet's picture.

    Args:
        packet: The packet's bytes.
        size_bytes: `length_bytes` of its stream.
    """
    at, reference, slices = 0, 0, 0
    while at < len(packet):
        start = at + size_bytes
        at = start + int.from_bytes(packet[at:start], "big")
        if at == start or at > len(packet) or packet[start] & 0x80:
            return Role.BROKEN
        if packet[start] & 31 in _SLICES:
            slices += 1
            reference |= packet[start] & 0x60
    if not slices:
        return Role.BROKEN
    return Role.REFERENCE if reference else Role.DISPOSABLE
