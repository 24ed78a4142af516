"""Loaders of four clips of a small store, and what is in their batches."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from avsc.data.batch import Batch
from avsc.data.loader import TripleLoader
from avsc.data.split import Clips
from avsc.data.training_loader import training_loader
from avsc.recipe import load
from avsc.store.reader import Store

ROWS = np.array([0, 2, 5, 7])
LABELS = np.array([0, 2, 5, 7])
SIDE = 32


def loader_of(store: Store, *settings: str, **more: Any) -> TripleLoader:
    recipe = load(None, ["train.batch_size=50", "train.cache=none", *settings])
    frames = store.audio("scalogram", ROWS)
    given: dict[str, Any] = {"audio": frames, "image_size": SIDE, "say": lambda _: None} | more
    return training_loader(store, Clips(ROWS, LABELS), recipe, **given)


def assert_equal(one: list[Batch], other: list[Batch]) -> None:
    assert [batch.number for batch in one] == [batch.number for batch in other]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.index, b.index)
        for name in ("labels", "audio", "images", "image_index"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name


def images(batch: Batch) -> Tensor:
    assert batch.images is not None
    return batch.images


def audio(batch: Batch) -> Tensor:
    assert batch.audio is not None
    return batch.audio
