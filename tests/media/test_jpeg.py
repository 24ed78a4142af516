import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.media import jpeg


@pytest.fixture
def picture() -> np.ndarray:
    rows, columns = np.mgrid[:120, :200]
    waves = 128 + 60 * np.sin(columns / 12) + 50 * np.cos(rows / 9)
    return np.stack([waves, 255 - waves, waves / 2], axis=-1).clip(0, 255).astype(np.uint8)


def test_a_picture_survives_encoding_nearly_unchanged(picture: np.ndarray) -> None:
    back = jpeg.decode(jpeg.encode(picture, 360, 95))
    assert back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).mean() < 3


def test_the_same_picture_gives_the_same_bytes(picture: np.ndarray) -> None:
    first = jpeg.encode(picture, 64, 90)
    assert first == jpeg.encode(picture.copy(), 64, 90)
    assert first == jpeg.encode(np.asfortranarray(picture), 64, 90)


@given(st.integers(16, 3000), st.integers(16, 3000), st.integers(16, 720))
def test_scaling_down_keeps_the_aspect_and_never_enlarges(h: int, w: int, short: int) -> None:
    new_h, new_w = jpeg.scaled_size(h, w, short)
    assert min(new_h, new_w) == min(h, w, short)
    factor = min(new_h, new_w) / min(h, w)
    assert abs(max(new_h, new_w) - factor * max(h, w)) <= 0.5
    assert (new_h, new_w) == jpeg.scaled_size(w, h, short)[::-1]


def test_the_short_side_is_as_asked_and_the_size_is_in_the_header(picture: np.ndarray) -> None:
    assert jpeg.size(jpeg.encode(picture, 60, 90)) == (60, 100)
    assert jpeg.size(jpeg.encode(picture.transpose(1, 0, 2), 60, 90)) == (100, 60)
    assert jpeg.size(jpeg.encode(picture, 121, 90)) == (120, 200)


def test_scaling_down_averages_areas() -> None:
    checks = np.zeros((64, 64, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 200
    small = jpeg.decode(jpeg.encode(checks, 32, 95))
    assert np.abs(small.astype(int) - 100).max() <= 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.99])
def test_a_cut_jpeg_is_refused(picture: np.ndarray, share: float) -> None:
    data = jpeg.encode(picture, 360, 90)
    with pytest.raises(AvscError):
        jpeg.decode(data[: int(share * len(data))])


def test_bytes_that_are_no_jpeg_are_refused() -> None:
    with pytest.raises(AvscError):
        jpeg.decode(b"<html><body>404</body></html>" * 20)
    with pytest.raises(AvscError):
        jpeg.size(bytes(1000))


def test_a_header_that_claims_an_absurd_size_is_refused_before_decoding(
    picture: np.ndarray,
) -> None:
    data = bytearray(jpeg.encode(picture, 360, 90))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (30_000).to_bytes(2, "big") * 2
    with pytest.raises(AvscError, match="30000 x 30000"):
        jpeg.decode(bytes(data))


def test_a_memoryview_is_decoded_without_a_copy_of_ours(picture: np.ndarray) -> None:
    data = jpeg.encode(picture, 60, 90)
    np.testing.assert_array_equal(jpeg.decode(memoryview(data)), jpeg.decode(data))
