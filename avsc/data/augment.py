"""Augmentation of raw images: RandomResizedCrop, RandomHorizontalFlip and ColorJitter.

The parameters of many images are computed at once from uniform draws. They are applied here with
OpenCV, and in ``augment_gpu`` with torch. Both compute the same:

- Crop and resize. Boxes are distributed as torchvision's (ten tries of area and aspect ratio, then
  the largest centred box). A side that shrinks by a factor of at least k, a whole number, is first
  averaged over runs of k pixels; the rest (a factor below 2, or an enlargement) is bilinear with
  pixel centres at halves. OpenCV's INTER_AREA for any factor costs more than decoding the JPEG.
- Colour. Brightness, contrast, saturation and hue are linear in the pixel and commute: they mix
  it with black, with the image's mean grey and with its own grey, and rotate it about the grey
  axis. So they are one 3 x 3 matrix and one offset per image, and values are clamped once, at the
  end. torchvision clamps after every step, in a random order, and rotates the hue in HSV space,
  which is not linear and costs milliseconds.

Shape legend: n images, H, W lines and columns of an image, Z the side of the square result.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avsc.recipe_augment import AugmentRecipe

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_TRIES = 10
_POSITION = 2 * _TRIES  # where the draws begin that follow those of the tries
_FLIP = _POSITION + 2
_COLOUR = _FLIP + 1
DRAWS = _COLOUR + 4  # uniform numbers of an image

GREY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
# Luma and two chroma axes (YIQ): grey stays grey and keeps its luma when the chroma plane turns.
_CHROMA = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_CHROMA = np.linalg.inv(_CHROMA)


@dataclass(frozen=True)
class Augmentations:
    """The parameters of n images' augmentation.

    Attributes:
        box: Top, left, height and width of the crop in pixels, [n, 4].
        flip: Whether the image is mirrored, [n].
        colour: Factors of brightness, contrast and saturation, and rotation of the hue in
            turns, [n, 4].
    """

    box: NDArray[np.int64]
    flip: NDArray[np.bool_]
    colour: Floats


def plan(
    uniform: Floats, sizes: NDArray[np.int64], side: int, recipe: AugmentRecipe
) -> Augmentations:
    """Computes the parameters of n images from their draws.

    Args:
        uniform: Uniform draws in [0, 1), [n, DRAWS].
        sizes: Height and width of each image, [n, 2].
        side: Side Z of the result in pixels.
        recipe: Ranges and probabilities.
    """
    return Augmentations(
        _boxes(uniform, sizes, side, recipe),
        uniform[:, _FLIP] < recipe.flip,
        colours(uniform, recipe),
    )


def colours(uniform: Floats, recipe: AugmentRecipe) -> Floats:
    """The colour parameters alone, [n, 4], of draws [n, DRAWS]; images have no influence."""
    spread = np.array([recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue])
    centre = np.array([1.0, 1.0, 1.0, 0.0])
    return centre + spread * (2 * uniform[:, _COLOUR : _COLOUR + 4] - 1)


def changes_colours(recipe: AugmentRecipe) -> bool:
    """Whether the recipe changes colours at all."""
    return max(recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue) > 0


def whole_shrink(length: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Number of pixels that are averaged to one before the bilinear step, elementwise."""
    return np.maximum(length // side, 1)


def _boxes(
    uniform: Floats, sizes: NDArray[np.int64], side: int, recipe: AugmentRecipe
) -> NDArray[np.int64]:
    """Crop boxes [n, 4] as torchvision draws them; ``whole_shrink`` divides their sides."""
    tries = uniform[:, :_POSITION].reshape(-1, _TRIES, 2)
    area = sizes.prod(axis=1)[:, None] * (
        recipe.crop_scale_min + (1 - recipe.crop_scale_min) * tries[..., 0]
    )
    ratio = recipe.crop_ratio_max ** (2 * tries[..., 1] - 1)
    tried = np.rint(np.sqrt(np.stack([area / ratio, area * ratio], axis=-1))).astype(np.int64)
    fits = ((tried > 0) & (tried <= sizes[:, None])).all(axis=-1)  # [n, tries]
    chosen = tried[np.arange(len(sizes)), fits.argmax(axis=1)]
    fitted = fits.any(axis=1)[:, None]
    shape = np.where(fitted, chosen, _largest_within(sizes, recipe.crop_ratio_max))
    shape -= shape % whole_shrink(shape, side)
    room = sizes - shape + 1
    drawn = np.floor(uniform[:, _POSITION:_FLIP] * room).astype(np.int64)
    start = np.where(fitted, drawn, (sizes - shape) // 2)
    return np.concatenate([start, shape], axis=1)


def _largest_within(sizes: NDArray[np.int64], ratio_max: float) -> NDArray[np.int64]:
    """The largest (height, width) of an image whose aspect ratio is allowed, [n, 2]."""
    allowed = np.rint(sizes[:, ::-1] * ratio_max).astype(np.int64)
    return np.asarray(np.minimum(sizes, allowed), np.int64)


def crop_resize(image: Pixels, box: NDArray[np.int64], flip: bool, out: Pixels) -> None:
    """Cuts a box out of an image, scales it and mirrors it on request.

    Args:
        image: The image, [H, W, 3].
        box: Top, left, height and width of the crop in pixels, [4].
        flip: Whether the result is mirrored.
        out: The result, [Z, Z, 3].
    """
    side = len(out)
    top, left, height, width = box.tolist()
    crop = image[top : top + height, left : left + width]
    shrink_y, shrink_x = max(height // side, 1), max(width // side, 1)
    if shrink_y > 1 or shrink_x > 1:
        reduced = (width // shrink_x, height // shrink_y)
        crop = np.asarray(cv2.resize(crop, reduced, interpolation=cv2.INTER_AREA), np.uint8)
    if flip:
        cv2.flip(cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR), 1, dst=out)
    else:
        cv2.resize(crop, (side, side), dst=out, interpolation=cv2.INTER_LINEAR)


def colour_maps(colour: Floats) -> Floats:
    """The linear maps of n images, [n, 3, 4]: a matrix and, in the last column, an offset.

    The offset is that of a mean grey of 1, to which it is proportional: the mean is known only
    when an image is decoded, all else is computed for many images at once.

    Args:
        colour: Parameters as in ``Augmentations.colour``, [n, 4].
    """
    brightness, contrast, saturation, hue = (colour[:, i, None, None] for i in range(4))
    mixed = saturation * _hue_rotations(hue[:, 0, 0]) + (1 - saturation) * GREY
    offset = np.broadcast_to(brightness * (1 - contrast), (len(colour), 3, 1))
    return np.concatenate([brightness * contrast * mixed, offset], axis=2)


def _hue_rotations(hue: Floats) -> Floats:
    """Rotations of the chroma plane by ``hue`` turns, as RGB matrices [n, 3, 3]."""
    turn = np.zeros((len(hue), 3, 3))
    angle = 2 * np.pi * hue
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 2, 1] = np.sin(angle)
    turn[:, 1, 2] = -turn[:, 2, 1]
    return np.asarray(_FROM_CHROMA @ turn @ _CHROMA, np.float64)


def jitter(image: Pixels, colour_map: Floats, out: Pixels) -> None:
    """Changes an image's colours.

    Args:
        image: The image, [Z, Z, 3].
        colour_map: Its map of ``colour_maps``, [3, 4].
        out: The result, [Z, Z, 3].
    """
    red, green, blue, _ = cv2.mean(image)
    with_mean = colour_map.copy()
    with_mean[:, 3] *= GREY[0] * red + GREY[1] * green + GREY[2] * blue
    cv2.transform(image, with_mean, dst=out)
