"""The loader of a recipe's training batches: what it streams, and from where."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from avsc import console
from avsc.data import image_cache, triples
from avsc.data.augment_audio import SoundAugmentation, sound_statistics
from avsc.data.encoded_views import EncodedViews
from avsc.data.image_cache import DeviceImages
from avsc.data.image_source import ImageSource, StoredImages
from avsc.data.loader import TripleLoader, default_threads
from avsc.data.split import Clips
from avsc.data.triples import Triples, Views
from avsc.recipe import Recipe
from avsc.store.reader import Store


def training_loader(
    store: Store,
    clips: Clips,
    recipe: Recipe,
    *,
    audio: NDArray[np.float32] | None,
    tower: NDArray[np.float32] | None = None,
    image_size: int | None,
    encoded: EncodedViews | None = None,
    targets: NDArray[np.float32] | None = None,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world: int = 1,
    reuse_buffers: bool = False,
    say: Callable[[str], None] = console.say,
) -> TripleLoader:
    """The loader of all triples of some clips, as a recipe has it.

    Args:
        store: The store of the clips.
        clips: The training clips.
        recipe: Recipe whose sections ``train``, ``augment`` and ``augment_audio`` count.
        audio: See ``TripleLoader``.
        tower: See ``TripleLoader``.
        image_size: Side of the images in pixels; None for batches without raw images.
        encoded: See ``TripleLoader``.
        targets: See ``TripleLoader``.
        device: See ``TripleLoader``.
        rank: See ``TripleLoader``.
        world: See ``TripleLoader``.
        reuse_buffers: See ``TripleLoader``.
        say: Function that prints the budget of the image cache.

    Raises:
        AvscError: There are too few clips, the cache does not fit, or an image is damaged.
    """
    every = triples.training_triples(clips.rows, clips.labels, store.frames(clips.rows))
    return TripleLoader(
        every,
        _shared_views(every, recipe, image_size),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        audio=audio,
        tower=tower,
        source=_images(store, clips, recipe, image_size, device=device, say=say),
        encoded=encoded,
        targets=targets,
        side=image_size or 0,
        recipe=recipe.augment,
        disturbed=recipe.train,
        sound=_augmentation(store, clips, recipe, audio, device=device),
        device=device,
        rank=rank,
        world=world,
        threads=recipe.train.threads,
        reuse_buffers=reuse_buffers,
    )


def _shared_views(every: Triples, recipe: Recipe, image_size: int | None) -> Views:
    """Which triples share a view; those of plain images share it in any case."""
    has_views = image_size is not None or recipe.train.views is not None
    return triples.views(every, recipe.train.images_per_second if has_views else None)


def _images(
    store: Store,
    clips: Clips,
    recipe: Recipe,
    image_size: int | None,
    *,
    device: torch.device | str,
    say: Callable[[str], None],
) -> ImageSource | DeviceImages | None:
    """The raw images, kept where the recipe's cache has room for them."""
    if image_size is None:
        return None
    threads = recipe.train.threads or default_threads()
    shape = (len(clips.rows), store.settings.clip_seconds)
    stored = StoredImages(store, clips.rows)
    return image_cache.cached(
        stored, shape, recipe.train, device=torch.device(device), threads=threads, say=say
    )


def _augmentation(
    store: Store,
    clips: Clips,
    recipe: Recipe,
    audio: NDArray[np.float32] | None,
    *,
    device: torch.device | str,
) -> SoundAugmentation | None:
    """The augmentation of the frames; None where they stay as they are."""
    if audio is None or not recipe.augment_audio.is_on:
        return None
    bank = store.settings.bank(recipe.audio.feature)
    statistics = sound_statistics(audio, store.frames(clips.rows))
    return SoundAugmentation(recipe.augment_audio, bank, statistics.to(device))
