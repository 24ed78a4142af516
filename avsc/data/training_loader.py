"""The loader of a recipe's training batches: what it streams, and from where."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from avsc import console
from avsc.data import image_cache, triples
from avsc.data.augment_audio import SoundAugmentation, sound_statistics
from avsc.data.encoded_views import EncodedViews
from avsc.data.image_source import ImageSource, StoredImages
from avsc.data.loader import TripleLoader, default_threads
from avsc.data.split import Clips
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
        recipe: Its ``train`` (seed, batch size, cache, threads, shared images), ``augment`` and
            ``augment_audio`` sections count.
        audio: See ``TripleLoader``.
        tower: See ``TripleLoader``.
        image_size: Side of the visual encoder's input in pixels; None for batches without raw
            images.
        encoded: See ``TripleLoader``.
        targets: See ``TripleLoader``.
        device: See ``TripleLoader``.
        rank: See ``TripleLoader``.
        world: See ``TripleLoader``.
        reuse_buffers: See ``TripleLoader``.
        say: Function that prints the budget of the image cache.

    Raises:
        AvscError: There are too few clips, the cache of the recipe does not fit, or an image is
            damaged.
    """
    frames = store.frames(clips.rows)
    every = triples.training_triples(clips.rows, clips.labels, frames)
    sound = None
    if audio is not None and recipe.augment_audio.is_on:
        bank = store.settings.bank(recipe.audio.feature)
        statistics = sound_statistics(audio, frames)
        sound = SoundAugmentation(recipe.augment_audio, bank, statistics.to(device))
    source: ImageSource | None = None
    # Frames that share an image share a view; those of plain images share it in any case.
    shares = image_size is not None or recipe.train.views is not None
    if image_size is not None:
        threads = recipe.train.threads or default_threads()
        shape = (len(clips.rows), store.settings.clip_seconds)
        stored = StoredImages(store, clips.rows)
        source = image_cache.cached(
            stored, shape, recipe.train, device=torch.device(device), threads=threads, say=say
        )
    return TripleLoader(
        every,
        triples.views(every, recipe.train.images_per_second if shares else None),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        audio=audio,
        tower=tower,
        source=source,
        encoded=encoded,
        targets=targets,
        side=image_size or 0,
        recipe=recipe.augment,
        disturbed=recipe.train,
        sound=sound,
        device=device,
        rank=rank,
        world=world,
        threads=recipe.train.threads,
        reuse_buffers=reuse_buffers,
    )
