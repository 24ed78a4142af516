"""A run's training stream, as its recipe has it: triples, shared views and the image cache."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from avsc import console
from avsc.data import image_cache, triples
from avsc.data.image_source import ImageSource, StoredImages
from avsc.data.loader import TripleStream, default_threads
from avsc.recipe import Recipe

if TYPE_CHECKING:
    from avsc.store.read import Store

Ints = NDArray[np.int64]


def training_stream(
    store: "Store",
    rows: Ints,
    labels: Ints,
    recipe: Recipe,
    *,
    audio: NDArray[np.float32] | None,
    image_size: int | None,
    embeddings: torch.Tensor | None = None,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world: int = 1,
    reuse_buffers: bool = False,
    say: Callable[[str], None] = console.say,
) -> TripleStream:
    """The stream of all triples of some clips.

    Args:
        store: Where the images are.
        rows: The training clips' rows, [C].
        labels: Their scenes' indices, [C].
        recipe: ``train`` (seed, batch size, cache, threads, shared views) and ``augment``.
        audio: The clips' frames, float32 [C, F, 2, B]; None for a stream without sound.
        embeddings: Of the clips' stored images, float32 [C, S, D]; None to encode afresh.
        image_size: The side of the visual encoder's input; None for a stream without images.
        device: Where batches are wanted.
        rank: This process's.
        world: How many processes share each batch.
        reuse_buffers: See ``TripleStream``.
        say: Where the image cache's budget is printed.

    Raises:
        AvscError: There are too few clips, the cache that is asked for does not fit, or an image
            is damaged.
    """
    every = triples.training_triples(rows, labels, store.settings.clip_frames)
    shared = recipe.train.images_per_second if image_size is not None else None
    device = torch.device(device)
    source: ImageSource | None = None
    if image_size is not None:
        source = _source(store, rows, recipe, device, say)
    return TripleStream(
        every,
        triples.views(every, shared),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        audio=audio,
        source=source,
        embeddings=embeddings,
        side=image_size or 0,
        recipe=recipe.augment,
        device=device,
        rank=rank,
        world=world,
        threads=recipe.train.threads,
        reuse_buffers=reuse_buffers,
    )


def _source(
    store: "Store", rows: Ints, recipe: Recipe, device: torch.device, say: Callable[[str], None]
) -> ImageSource:
    """The images where ``train.cache`` wants them."""
    stored = StoredImages(store, rows)
    if recipe.train.cache == "none":
        return stored
    threads = recipe.train.threads or default_threads()
    sizes = image_cache.measure(stored, len(rows), store.settings.clip_seconds, threads)
    # The device rounds otherwise than OpenCV, so how much memory happens to be free must not
    # decide between them where runs shall be bit-equal; the host's cache changes no bit.
    fixed = recipe.train.deterministic and recipe.train.cache == "auto"
    room = None if fixed else image_cache.device_room(device)
    kind, line = image_cache.choose(
        recipe.train.cache, image_cache.decoded_bytes(sizes), room, image_cache.host_room()
    )
    say(line)
    if kind == "none":
        return stored
    return image_cache.load(stored, sizes, device if kind == "device" else None, threads)
