"""Batches of encoded views: from memory, from disk, by ranks, in an epoch that goes on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avsc.data.batch import Batch
from avsc.data.encoded_views import ViewsInMemory, ViewsOnDisk
from avsc.errors import AvscError
from avsc.models import visual_weights
from avsc.models.view_bank import ViewBank
from avsc.recipe_augment import AugmentRecipe
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
from tests.data.small_loader import ROWS, loader_of


def embedding(batch: Batch) -> Tensor:
    assert batch.embedding is not None
    return batch.embedding


def test_views_of_a_bank_are_those_of_each_triples_own_image(store: Store, tmp_path: Path) -> None:
    values = np.arange(3 * 4 * 10 * 2, dtype=np.float16).reshape(3, 4, 10, 2)
    device = torch.device("cpu")
    loader = loader_of(
        store, image_size=None, encoded=ViewsInMemory(torch.from_numpy(values), device, device)
    )
    seen = []
    for epoch in range(2):
        for batch in loader.epoch(epoch):
            assert batch.embedding is not None
            clip, second = loader.triples.clip[batch.index], loader.triples.second[batch.index]
            own = values[:, clip, second]  # [3, n, 2]
            hit = (batch.embedding.numpy() == own).all(axis=2)
            assert (hit.sum(axis=0) == 1).all()
            seen.append(hit.argmax(axis=0)[np.argsort(batch.index)])
    assert set(np.concatenate(seen).tolist()) == {0, 1, 2}
    assert any(
        (a != b).any() for a, b in zip(seen[: len(seen) // 2], seen[len(seen) // 2 :], strict=True)
    )


@pytest.mark.parametrize("settings", [[], ["train.images_per_second=2", "train.views=3"]])
def test_ranks_and_a_resumed_epoch_draw_the_same_views(store: Store, settings: list[str]) -> None:
    values = torch.arange(3 * 4 * 10, dtype=torch.float16).reshape(3, 4, 10, 1)
    encoded = ViewsInMemory(values, "cpu", "cpu")

    def drawn(first: int = 0, **ranks: int) -> list[Batch]:
        loader = loader_of(store, *settings, image_size=None, encoded=encoded, **ranks)
        return list(loader.epoch(1, first))

    whole = drawn()
    for alone, resumed in zip(whole[2:], drawn(2), strict=True):
        assert torch.equal(embedding(alone), embedding(resumed))
    for alone, a, b in zip(whole, drawn(rank=0, world=2), drawn(rank=1, world=2), strict=True):
        assert torch.equal(embedding(alone), torch.cat([embedding(a), embedding(b)]))
        np.testing.assert_array_equal(alone.index, np.concatenate([a.index, b.index]))


def test_frames_that_share_an_image_share_its_view(store: Store) -> None:
    values = torch.arange(8 * 4 * 10, dtype=torch.float16).reshape(8, 4, 10, 1)
    encoded = ViewsInMemory(values, "cpu", "cpu")
    settings = ["train.images_per_second=1", "train.views=8"]
    loader = loader_of(store, *settings, image_size=None, encoded=encoded)
    for batch in loader.epoch(0):
        for image in range(int(batch.image_index.max()) + 1):
            assert len(set(embedding(batch)[batch.image_index == image].flatten().tolist())) == 1


def test_views_on_disk_are_those_in_memory(store: Store) -> None:
    encoder = visual_weights.build(
        VisualRecipe(model="test_resnet", weights="random", image_size=32)
    )
    bank = ViewBank(store, encoder, Path("nowhere"), AugmentRecipe(), views=2)
    bank.compute(ROWS, threads=2)
    settings = store.settings
    shape = (settings.partition_clips, settings.clip_seconds, encoder.features)
    in_memory = ViewsInMemory(torch.from_numpy(bank.read(ROWS)), "cpu", "cpu")
    on_disk = ViewsOnDisk(bank.path, 2, ROWS, shape, "cpu")
    rows = torch.randperm(2 * len(ROWS) * 10)
    assert torch.equal(in_memory.take(rows), on_disk.take(rows))

    shutil.rmtree(bank.path / "c" / "1")  # what is mapped already stays
    assert torch.equal(in_memory.take(rows), on_disk.take(rows))
    later = ViewsOnDisk(bank.path, 2, ROWS, shape, "cpu")
    with pytest.raises(AvscError, match=str(bank.path / "c" / "1")):
        later.take(rows)
