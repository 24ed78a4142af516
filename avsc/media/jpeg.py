"""JPEG bytes of a picture and back. Legend: H, W lines and columns of a picture."""

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from avsc.errors import AvscError

MOST_PIXELS = 7680 * 4320  # 8K; a header that claims more is refused before anything is allocated
_LONGEST_SIDE = 65_500  # what libjpeg can write


def encode(rgb: NDArray[np.uint8], short_side: int, quality: int) -> bytes:
    """A picture as a baseline JPEG (4:2:0, slow integer transform), scaled down if it is larger.

    Args:
        rgb: uint8 [H, W, 3].
        short_side: Pixels of the shorter side afterwards; a smaller picture stays as it is.
        quality: 1 to 100, libjpeg's scale.
    """
    picture = np.ascontiguousarray(_scale_down(rgb, short_side))
    data: bytes = simplejpeg.encode_jpeg(
        picture, quality=quality, colorspace="RGB", colorsubsampling="420", fastdct=False
    )
    return data


def decode(data: bytes | memoryview) -> NDArray[np.uint8]:
    """The picture of a JPEG, uint8 [H, W, 3].

    Raises:
        AvscError: The bytes are damaged, are no JPEG, or claim an absurd size.
    """
    size(data)
    try:
        picture: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, colorspace="RGB", fastdct=False, fastupsample=False, strict=True
        )
    except ValueError as error:
        raise _damaged(str(error)) from error
    return picture


def size(data: bytes | memoryview) -> tuple[int, int]:
    """(H, W) of a JPEG, from its header alone.

    Raises:
        AvscError: The header is damaged or claims an absurd size.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except ValueError as error:
        raise _damaged(str(error)) from error
    if height * width > MOST_PIXELS:
        raise _damaged(f"its header claims {width} x {height} pixels")
    return int(height), int(width)


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(H, W) after scaling down to a short side; the long side is rounded to the nearest pixel.

    >>> scaled_size(720, 1280, 360), scaled_size(1080, 607, 360), scaled_size(256, 340, 360)
    ((360, 640), (641, 360), (256, 340))
    """
    shorter = min(height, width)
    if shorter <= short_side:
        return height, width
    # In integers, halves upwards: the same on every machine.
    longer = (2 * max(height, width) * short_side + shorter) // (2 * shorter)
    return (short_side, longer) if height <= width else (longer, short_side)


def _scale_down(rgb: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    height, width = scaled_size(rgb.shape[0], rgb.shape[1], short_side)
    if max(height, width) > _LONGEST_SIDE:
        raise AvscError(f"a picture of {width} x {height} pixels", "sides that JPEG can hold")
    if (height, width) == rgb.shape[:2]:
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _damaged(reason: str) -> AvscError:
    return AvscError(
        f"a JPEG that cannot be decoded: {reason}",
        "the JPEG that was written",
        "replace the file that holds it, or remove it",
    )
