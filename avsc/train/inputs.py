"""What the scorer is given: of a training batch, and of the validation clips.

Shape legend: C training clips, S seconds, n samples of a batch, m images of it, B bands, D
features of the visual encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.console import say
from avsc.data.batch import Batch
from avsc.data.loader import TripleLoader, default_threads, training_loader
from avsc.data.split import Clips, TrainingFold, standardisation
from avsc.models.embedding_cache import EmbeddingCache
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.store.read import Store
from avsc.train.distributed import Ranks
from avsc.train.validate import Segments

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """A run's data, ready on its device.

    Attributes:
        stream: Training batches.
        encoder: Of raw images; None where embeddings are stored or there are no images.
        stored: Embeddings of the training images, [C, S, D]; None where they are encoded afresh.
        segments: Of the validation clips.
        statistics: Mean and deviation of the training frames, [2, B] each; None without audio.
    """

    stream: TripleLoader
    encoder: VisualEncoder | None
    stored: Tensor | None
    segments: Segments
    statistics: tuple[Floats, Floats] | None

    def of_batch(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Frames [n, 2, B] and embeddings [n, D] of a batch, each None if it is not used."""
        if self.encoder is not None:
            assert batch.images is not None
            encoded = self.encoder.encode_steadily(batch.images)
            return batch.audio, encoded[batch.image_index]
        if self.stored is None:
            return batch.audio, None
        triples = self.stream.triples
        clip = torch.from_numpy(triples.clip[batch.index])
        second = torch.from_numpy(triples.second[batch.index])
        device = self.stored.device
        return batch.audio, self.stored[clip.to(device), second.to(device)]

    def images(self, batch: Batch) -> int:
        """How many images this rank encoded for a batch; samples where it encodes none."""
        return len(batch.labels) if batch.images is None else len(batch.images)


def gather(
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    *,
    device: torch.device,
    ranks: Ranks,
    elsewhere: Path,
    say: Callable[[str], None] = say,
) -> Inputs:
    """Reads, and where need be computes, what a run trains on.

    Args:
        store: A complete store.
        fold: Its training fold.
        recipe: The run's.
        encoder: On its device; None for the strategy ``audio``.
        device: Where batches are wanted.
        ranks: Of the run.
        elsewhere: For embeddings that cannot lie beside the store.
        say: Where the image cache's budget is printed.

    Raises:
        AvscError: The store has not the feature, or something in it is damaged.
    """
    feature = recipe.audio.feature
    listens = recipe.train.strategy != "video"
    audio = store.audio(feature, fold.train.rows) if listens else None
    raw = encoder is not None and recipe.train.image_source() == "raw"
    stored = heldout = None
    if encoder is not None:
        cache = EmbeddingCache(store, encoder, elsewhere)
        threads = recipe.train.threads or default_threads()
        heldout = _embeddings(cache, fold.validation, threads, ranks).to(device)
        if not raw:
            stored = _embeddings(cache, fold.train, threads, ranks).to(device)
    stream = training_loader(
        store,
        fold.train,
        recipe,
        audio=audio,
        image_size=encoder.config.size if encoder is not None and raw else None,
        device=device,
        rank=ranks.rank,
        world=ranks.world,
        reuse_buffers=True,
        say=say,
    )
    return Inputs(
        stream,
        encoder if raw else None,
        stored,
        Segments(
            _frames(store, fold.validation, recipe, device) if listens else None,
            heldout,
            fold.validation.labels,
        ),
        None if audio is None else standardisation(audio),
    )


def _embeddings(cache: EmbeddingCache, part: Clips, threads: int, ranks: Ranks) -> Tensor:
    """Float32 [n, S, D], computed by all ranks together where they are not stored yet."""
    cache.compute(part.rows, threads, ranks.rank, ranks.world)
    ranks.wait()
    return torch.from_numpy(cache.read(part.rows))


def _frames(store: Store, part: Clips, recipe: Recipe, device: torch.device) -> Tensor:
    return torch.from_numpy(store.segments(recipe.audio.feature, part.rows)).to(device)
