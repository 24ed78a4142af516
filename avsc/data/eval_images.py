"""Images as the visual encoder's weights expect them when nothing is augmented.

The transform is timm's own evaluation transform of the weights, without its normalisation.
Shape legend: n images, H, W lines and columns of an image, Z the side of the result.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from avsc.data import image_source, ring
from avsc.data.image_source import ImageSource, Pixels

if TYPE_CHECKING:
    from avsc.models.visual import ImageConfig


def eval_transform(config: "ImageConfig") -> Callable[[Image.Image], Tensor]:
    """The evaluation transform of timm, from a Pillow image to uint8 [3, Z, Z].

    Args:
        config: Size, crop and interpolation that the weights expect.
    """
    from timm.data.transforms_factory import create_transform

    transform: Callable[[Image.Image], Tensor] = create_transform(
        (3, config.size, config.size),
        is_training=False,
        interpolation=config.interpolation,
        mean=config.mean,  # the colour of the border, where there is one
        crop_pct=config.crop_pct,
        crop_mode=config.crop_mode,
        normalize=False,
    )
    return transform


def eval_image(image: Pixels, config: "ImageConfig") -> Pixels:
    """Scales and crops one image [H, W, 3] to [Z, Z, 3]."""
    square = eval_transform(config)(Image.fromarray(image))
    return np.ascontiguousarray(square.permute(1, 2, 0).numpy())


def iter_eval_images(
    source: ImageSource,
    clips: int,
    seconds: int,
    config: "ImageConfig",
    *,
    threads: int,
    batch: int = 64,
) -> Generator[tuple[int, Tensor]]:
    """Yields every image of a fold once, clip after clip and second after second.

    Args:
        source: The images.
        clips: Number of clips of the fold.
        seconds: Number of images of a clip.
        config: What the weights expect of an image.
        threads: Number of decoding threads.
        batch: Number of images yielded at a time.

    Yields:
        The first image's number (``clip * seconds + second``) and uint8 [n, 3, Z, Z], channels
        last in memory; the tensor is overwritten once the next one is asked for.

    Raises:
        AvscError: An image is damaged; its clip and second are named.
    """
    where = np.stack(np.divmod(np.arange(clips * seconds), seconds), axis=1)
    transform = eval_transform(config)

    def write(_number: int, image: Pixels, out: Pixels) -> None:
        out[:] = transform(Image.fromarray(image)).permute(1, 2, 0).numpy()

    yield from iter_images(source, where, config.size, write, threads=threads, batch=batch)


def iter_images(
    source: ImageSource,
    where: NDArray[np.int64],
    side: int,
    write: Callable[[int, Pixels, Pixels], None],
    *,
    threads: int,
    batch: int,
    pinned: bool = False,
) -> Generator[tuple[int, Tensor]]:
    """Yields images in order, each brought to size by a function; like ``iter_eval_images``.

    An image that comes several times in a row is decoded once by each thread.

    Args:
        source: The images.
        where: Clip and second of each image, [N, 2].
        side: Side Z of the results in pixels.
        write: Function of an image's number, its pixels [H, W, 3] and the result [Z, Z, 3], which
            it fills; called in threads.
        threads: Number of decoding threads.
        batch: Number of images yielded at a time.
        pinned: Whether the results lie in memory that a GPU copies from without waiting.
    """
    plans = ((first, min(batch, len(where) - first)) for first in range(0, len(where), batch))
    shape = (batch, side, side, 3)
    buffers = [torch.empty(shape, dtype=torch.uint8, pin_memory=pinned) for _ in range(3)]

    def fill(first: int, buffer: Tensor, start: int, stop: int) -> None:
        results, last, pixels = buffer.numpy(), None, None
        for i in range(start, stop):
            clip, second = where[first + i].tolist()
            if pixels is None or (clip, second) != last:
                pixels = image_source.decoded(source, clip, second, source.fetch(clip, second))
                last = (clip, second)
            write(first + i, pixels, results[i])

    with closing(ring.filled(plans, buffers, fill, threads)) as full:
        for first, buffer in full:
            yield first, buffer[: min(batch, len(where) - first)].permute(0, 3, 1, 2)
