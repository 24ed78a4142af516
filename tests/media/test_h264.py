import pytest

from avsc.media.h264 import Role, is_idr, length_bytes, role

SLICE, IDR, SEI = 1, 5, 6


def packet(*units: tuple[int, int], size_bytes: int = 4) -> memoryview:
    """Units of (nal_ref_idc, type) behind their lengths."""
    body = [bytes([ref << 5 | kind]) + b"payload" for ref, kind in units]
    return memoryview(b"".join(len(u).to_bytes(size_bytes, "big") + u for u in body))


@pytest.mark.parametrize("size_bytes", [1, 2, 4])
def test_a_picture_is_a_reference_if_one_of_its_slices_says_so(size_bytes: int) -> None:
    kept = packet((0, SEI), (2, SLICE), size_bytes=size_bytes)
    spare = packet((0, SEI), (0, SLICE), (0, SLICE), size_bytes=size_bytes)
    assert role(kept, size_bytes) is Role.REFERENCE
    assert role(spare, size_bytes) is Role.DISPOSABLE


@pytest.mark.parametrize(
    "broken",
    [
        memoryview(bytes(100)),
        packet((2, SLICE))[:-1],
        memoryview(bytes(packet((2, SLICE))) + b"\0\0\0\xff"),
        packet((4, SLICE)),
        memoryview(b"\0\0\0\6\x41a\0\0\0b"),
        memoryview(b"\0\0\0\6\x41a\0\0\2b"),
        memoryview(b"\0\0\0\xc8\x41" + bytes(199)),
        packet((0, SEI)),
        memoryview(b""),
    ],
    ids=[
        "zeros",
        "cut",
        "stray length",
        "forbidden bit",
        "zeros inside",
        "no escape",
        "zeros to the end",
        "no picture",
        "empty",
    ],
)
def test_a_packet_whose_parts_do_not_add_up_is_broken(broken: memoryview) -> None:
    assert role(broken, 4) is Role.BROKEN
    assert not is_idr(broken, 4)


def test_only_idr_pictures_are_exact_starts_behind_lengths_and_start_codes() -> None:
    assert is_idr(packet((0, SEI), (3, IDR)), 4)
    assert not is_idr(packet((3, SLICE)), 4)
    assert is_idr(memoryview(b"\0\0\0\1\x09\xf0\0\0\1\x65data"), None)
    assert not is_idr(memoryview(b"\0\0\0\1\x09\xf0\0\0\1\x41data"), None)


def test_lengths_are_only_known_from_a_configuration_record() -> None:
    assert length_bytes(bytes([1, 100, 0, 31, 0xFD, 0xE1, 0])) == 2
    assert length_bytes(b"\0\0\0\1\x67\0\0\0") is None
    assert length_bytes(None) is None


def test_escaped_and_padding_zeros_are_sound() -> None:
    assert role(memoryview(b"\0\0\0\x08\x41a\0\0\3\1\0\0"), 4) is Role.REFERENCE
