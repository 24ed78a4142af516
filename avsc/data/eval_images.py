"""Images as the visual encoder's weights expect them when nothing is augmented.

What timm's evaluation transform does: the shorter side is scaled to side / crop_pct with an
antialiased filter, and the middle square is cut out. Shape legend: n images, Z the side.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import image_source, ring
from avsc.data.image_source import ImageSource, Pixels


@dataclass(frozen=True)
class EvalView:
    """How an image is brought to size."""

    side: int
    crop_pct: float = 1.0  # the square's share of the scaled image's shorter side
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"


def eval_image(image: Pixels, view: EvalView) -> Pixels:
    """Scales and crops one image [H, W, 3] to [Z, Z, 3]."""
    height, width = image.shape[:2]
    short = int(view.side / view.crop_pct)
    longer = int(short * max(height, width) / min(height, width))
    size = (short, longer) if height <= width else (longer, short)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None]
    scaled = torch.nn.functional.interpolate(
        planes, size, mode=view.interpolation, antialias=True, align_corners=False
    )[0].permute(1, 2, 0)
    top, left = (round((length - view.side) / 2) for length in size)  # halves to even, as there
    square = scaled[top : top + view.side, left : left + view.side]
    return np.ascontiguousarray(square.numpy())


def iter_eval_images(
    source: ImageSource,
    clips: int,
    seconds: int,
    view: EvalView,
    *,
    threads: int,
    batch: int = 64,
) -> Generator[tuple[int, Tensor]]:
    """Yields every image of a fold once, clip after clip and second after second.

    Args:
        source: The images.
        clips: How many clips there are.
        seconds: Of a clip.
        view: How images are brought to size.
        threads: That decode.
        batch: Images at a time.

    Yields:
        The first image's number (``clip * seconds + second``) and uint8 [n, 3, Z, Z], channels
        last in memory, overwritten once the next is asked for.

    Raises:
        AvscError: An image is damaged; its clip and second are named.
    """
    total = clips * seconds
    plans = ((first, min(batch, total - first)) for first in range(0, total, batch))
    buffers = [np.empty((batch, view.side, view.side, 3), np.uint8) for _ in range(3)]

    def fill(first: int, buffer: NDArray[np.uint8], start: int, stop: int) -> None:
        for i in range(start, stop):
            where = divmod(first + i, seconds)
            pixels = image_source.decoded(source, *where, source.fetch(*where))
            buffer[i] = eval_image(pixels, view)

    with closing(ring.filled(plans, buffers, fill, threads)) as full:
        for first, buffer in full:
            count = min(batch, total - first)
            yield first, torch.from_numpy(buffer[:count]).permute(0, 3, 1, 2)
