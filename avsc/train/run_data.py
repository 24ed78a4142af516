"""What a run trains on and is validated on, ready on its device.

Shape legend: C training clips, K validation clips and n segments of these, S seconds of the longest
clip, f frames of a segment, B bands, D features of the visual encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data.loader import TripleLoader, default_threads, training_loader
from avsc.data.split import Clips, TrainingFold, standardisation
from avsc.data.triples import within
from avsc.models.embedding_cache import EmbeddingCache
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train.distributed import Ranks
from avsc.train.validate import HeldOutSegments

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RunData:
    """A run's data.

    Attributes:
        loader: Training batches, of raw images or of stored embeddings.
        held_out: Segments of the validation clips.
        statistics: Mean and standard deviation of the training frames, [2, B] each; None
            without audio.
    """

    loader: TripleLoader
    held_out: HeldOutSegments
    statistics: tuple[Floats, Floats] | None


def read_run_data(
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    ranks: Ranks,
    *,
    elsewhere: Path,
    say: Callable[[str], None],
) -> RunData:
    """Reads, and where need be computes, what a run trains on.

    Args:
        store: Complete store.
        fold: Training fold of the store.
        recipe: Recipe of the run.
        encoder: Visual encoder on its device; None for the strategy ``audio``.
        ranks: Processes of the run.
        elsewhere: Folder for embeddings that cannot lie beside the store.
        say: Function that prints the image cache's budget.

    Raises:
        AvscError: The store has not the feature, or something in it is damaged.
    """
    feature, device = recipe.audio.feature, ranks.device
    audio = segments = None
    seconds = within(store.seconds(fold.validation.rows), store.settings.clip_seconds)  # [K, S]
    if recipe.train.strategy != "video":
        audio = store.audio(feature, fold.train.rows)
        cut = store.segments(feature, fold.validation.rows)[seconds]  # [n, f, 2, B]
        segments = torch.from_numpy(cut).to(device)
    raw = encoder is not None and recipe.train.image_source() == "raw"
    stored = held_out = None
    if encoder is not None:
        cache = EmbeddingCache(store, encoder, elsewhere)
        threads = recipe.train.threads or default_threads()
        plain = _embeddings(cache, fold.validation, threads, ranks)
        held_out = plain[torch.from_numpy(seconds)].to(device)  # [n, D]
        if not raw:
            stored = _embeddings(cache, fold.train, threads, ranks)
    loader = training_loader(
        store,
        fold.train,
        recipe,
        audio=audio,
        image_size=encoder.config.size if encoder is not None and raw else None,
        embeddings=stored,
        device=device,
        rank=ranks.rank,
        world=ranks.world,
        reuse_buffers=True,
        say=say,
    )
    return RunData(
        loader,
        HeldOutSegments(
            segments, held_out, np.repeat(fold.validation.labels, seconds.sum(axis=1)), ranks
        ),
        None if audio is None else standardisation(audio, store.frames(fold.train.rows)),
    )


def _embeddings(cache: EmbeddingCache, clips: Clips, threads: int, ranks: Ranks) -> Tensor:
    """Float32 [n, S, D], computed by all ranks together where they are not stored yet."""
    cache.compute(clips.rows, threads, ranks.rank, ranks.world)
    ranks.wait()
    return torch.from_numpy(cache.read(clips.rows))
