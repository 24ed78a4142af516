"""The augmentations of ``augment`` on a device, for whole batches at once.

Cropping, averaging, bilinear scaling and mirroring along one axis are together one matrix, from
source lines to result lines; so an image is scaled by a matrix product along each axis, which is
fast on a GPU. Results are within one level (of 255) of OpenCV's, which rounds its weights to 11
bits.

Shape legend: n images, H, W lines and columns of an image, L either of them, Z the side of the
result.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import augment
from avsc.data.augment import Augmentations

_AT_ONCE = 64  # images at a time: bounds the working memory


def crop_resize(images: Tensor, plan: Augmentations, side: int) -> Tensor:
    """Crops, scales and mirrors uint8 [n, H, W, 3] to uint8 [n, Z, Z, 3] on its device."""
    parts = [
        _crop_resize(
            images[i : i + _AT_ONCE], plan.box[i : i + _AT_ONCE], plan.flip[i : i + _AT_ONCE], side
        )
        for i in range(0, len(images), _AT_ONCE)
    ]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _crop_resize(
    images: Tensor, box: NDArray[np.int64], flip: NDArray[np.bool_], side: int
) -> Tensor:
    n, height, width, _ = images.shape
    # Half floats hold pixel values exactly and weights to 12 bits, as many as OpenCV's.
    kind = torch.float16 if images.is_cuda else torch.float32
    mirrored = torch.from_numpy(flip).to(images.device, non_blocking=True)
    geometry = torch.from_numpy(box).to(images.device, non_blocking=True)
    down = _axis_weights(geometry[:, 0], geometry[:, 2], side, height).to(kind)  # [n, Z, H]
    across = _axis_weights(geometry[:, 1], geometry[:, 3], side, width)  # [n, Z, W]
    across = torch.where(mirrored[:, None, None], across.flip(1), across).to(kind)
    lines = down @ images.to(kind).view(n, height, width * 3)  # [n, Z, W * 3]
    columns = lines.view(n, side, width, 3).transpose(1, 2).reshape(n, width, side * 3)
    scaled = (across @ columns).view(n, side, side, 3).transpose(1, 2)  # [n, Z, Z, 3]
    return scaled.round_().clamp_(0, 255).to(torch.uint8).contiguous()


def _axis_weights(start: Tensor, length: Tensor, side: int, source: int) -> Tensor:
    """Weights of the source lines in each result line, float32 [n, Z, L].

    Args:
        start: First source line of each crop, [n].
        length: Number of source lines of each crop, [n].
        side: Number Z of result lines.
        source: Number L of source lines.
    """
    shrink = torch.clamp(length // side, min=1)[:, None, None]
    cells = length[:, None, None] // shrink
    place = torch.arange(side, device=start.device)[None, :, None]
    centre = (place + 0.5) * (cells / side) - 0.5
    centre = torch.minimum(centre.clamp(min=0), cells - 1.0)
    line = torch.arange(source, device=start.device)[None, None, :] - start[:, None, None]
    within = (line >= 0) & (line < length[:, None, None])
    cell = torch.div(line, shrink, rounding_mode="floor")
    return (1 - (cell - centre).abs()).clamp_(min=0).mul_(within) / shrink


def jitter(images: Tensor, colour: NDArray[np.float64]) -> Tensor:
    """Changes the colours of uint8 [n, Z, Z, 3] on its device by factors [n, 4]; a new tensor."""
    grey = torch.tensor(augment.GREY, dtype=torch.float32, device=images.device)
    out = torch.empty_like(images)
    for i in range(0, len(images), _AT_ONCE):
        pixels = images[i : i + _AT_ONCE].float().flatten(1, 2)  # [m, Z * Z, 3]
        maps = augment.colour_maps(colour[i : i + _AT_ONCE])
        on_device = torch.from_numpy(maps.astype(np.float32)).to(images.device, non_blocking=True)
        offset = on_device[:, :, 3] * (pixels.mean(1) @ grey)[:, None]  # [m, 3]
        changed = torch.baddbmm(offset[:, None], pixels, on_device[:, :, :3].transpose(1, 2))
        out[i : i + _AT_ONCE] = changed.round_().clamp_(0, 255).view(-1, *images.shape[1:])
    return out
