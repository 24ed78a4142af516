"""Makes views of images and encodes them: decoding and cropping in threads, the rest on the device.

Shape legend: m views, n images of a batch, Z the side of an image, D features of the encoder.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from avsc.data import augment, augment_gpu, rng
from avsc.data.eval_images import eval_transform, iter_images
from avsc.data.image_source import ImageSource, Pixels
from avsc.models.visual import VisualEncoder
from avsc.recipe_augment import AugmentRecipe

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BATCH = {"cuda": 256}  # images at a time; elsewhere:
BATCH_ELSEWHERE = 32
AHEAD = 2  # batches that a GPU may have before it; bounds its memory
_IMAGE_BITS = 40  # of an image's number beside its view's


class ViewMaker:
    """Encodes plain or augmented views of images.

    Args:
        encoder: Visual encoder on its device.
        augmentation: Augmentation of the views; None for plain ones.
    """

    def __init__(self, encoder: VisualEncoder, augmentation: AugmentRecipe | None) -> None:
        self._encoder = encoder
        self._is_plain = augmentation is None
        self._recipe = augmentation or AugmentRecipe()
        self._changes_colours = augment.changes_colours(self._recipe)
        self._on_cuda = encoder.device.type == "cuda"
        self._transform = eval_transform(encoder.config)

    def encode(
        self, source: ImageSource, where: Ints, view: Ints, image: Ints, threads: int
    ) -> Floats:
        """Embeddings of views, float32 [m, D].

        Args:
            source: The images.
            where: Clip and second in the source of each view's image, [m, 2].
            view: Number of each view, [m].
            image: Number of each view's image in the store, [m].
            threads: Number of decoding threads.

        Raises:
            AvscError: An image is damaged; its clip and second are named.
        """
        uniform = None
        if not self._is_plain:
            drawn = (
                view_draws(self._recipe.seed, v, i)
                for v, i in zip(view.tolist(), image.tolist(), strict=True)
            )
            uniform = np.array(list(drawn)).reshape(-1, augment.DRAWS)

        def write(number: int, pixels: Pixels, out: Pixels) -> None:
            if uniform is None:
                out[:] = self._transform(Image.fromarray(pixels)).permute(1, 2, 0).numpy()
            else:
                self._augment(pixels, uniform[number : number + 1], out)

        batches = iter_images(
            source,
            where,
            self._encoder.config.size,
            write,
            threads=threads,
            batch=batch_size(self._encoder.device),
            pinned=self._on_cuda,
        )
        with closing(batches):
            if self._on_cuda:
                return self._encoded_on_gpu(batches, uniform)
            parts = [encode_padded(self._encoder, images) for _, images in batches]
        return np.concatenate(parts)

    def _augment(self, pixels: Pixels, uniform: NDArray[np.float64], out: Pixels) -> None:
        """Crops, scales and mirrors an image; changes its colours too where no GPU does."""
        todo = augment.plan(uniform, np.array([pixels.shape[:2]]), len(out), self._recipe)
        here = self._changes_colours and not self._on_cuda
        scaled = np.empty_like(out) if here else out
        augment.crop_resize(pixels, todo.box[0], bool(todo.flip[0]), scaled)
        if here:
            augment.jitter(scaled, augment.colour_maps(todo.colour)[0], out)

    def _encoded_on_gpu(
        self, batches: Iterable[tuple[int, Tensor]], uniform: NDArray[np.float64] | None
    ) -> Floats:
        """Copies each batch while the GPU encodes those before it; fetches all at the end."""
        device = self._encoder.device
        copier, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)  # type: ignore[no-untyped-call]
        parts: list[Tensor] = []
        before: deque[torch.cuda.Event] = deque()
        for first, images in batches:
            with torch.cuda.stream(copier):
                full = _padded(self._encoder, images)
            copier.synchronize()  # the buffer is filled again now
            full.record_stream(current)
            if uniform is not None and self._changes_colours:
                colours = augment.colours(uniform[first : first + len(images)], self._recipe)
                pixels = full[: len(images)].permute(0, 2, 3, 1)
                full[: len(images)] = augment_gpu.jitter(pixels, colours).permute(0, 3, 1, 2)
            parts.append(self._encoder(full)[: len(images)].clone())
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(current)
            before.append(done)
            if len(before) > AHEAD:
                before.popleft().synchronize()
        return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)


def view_draws(seed: int, view: int, image: int) -> NDArray[np.float64]:
    """The uniform draws of one view of one image, [DRAWS].

    Args:
        seed: The recipe's ``augment.seed``.
        view: Number of the view, below 2^16.
        image: Number of the image in the store, below 2^40.
    """
    stream = rng.generator(seed, view << _IMAGE_BITS | image, rng.Purpose.VIEW)
    return stream.random(augment.DRAWS)


def encode_padded(encoder: VisualEncoder, images: Tensor) -> Floats:
    """Encodes uint8 [n, 3, Z, Z] in a batch of a fixed size, so that values and speed are steady.

    What an image's embedding is must not depend on how many came along with it, and a compiled
    encoder must not be compiled again for the last few.
    """
    return np.asarray(encoder(_padded(encoder, images))[: len(images)].cpu().numpy(), np.float32)


def _padded(encoder: VisualEncoder, images: Tensor) -> Tensor:
    """The images on the encoder's device, and black ones up to the size of a batch."""
    shape = (batch_size(encoder.device), *images.shape[1:])
    full = torch.zeros(shape, dtype=torch.uint8, device=encoder.device)
    full = full.contiguous(memory_format=torch.channels_last)
    full[: len(images)].copy_(images, non_blocking=True)
    return full


def batch_size(device: torch.device) -> int:
    """Number of images encoded at a time."""
    return BATCH.get(device.type, BATCH_ELSEWHERE)
