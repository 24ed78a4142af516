"""Batches of triples with their images. Legend: n triples, m images, Z the side of an image."""

import numpy as np
import pytest
import torch

from avsc.data import augment, image_cache, image_source, rng, triples
from avsc.data.image_source import Item, StoredImages
from avsc.data.loader import TripleLoader
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.recipe_augment import AugmentRecipe
from avsc.store.reader import Store
from tests.data.small_loader import LABELS, ROWS, SIDE, assert_equal, audio, images, loader_of


def test_an_epoch_holds_every_triple_once_with_its_own_sound_label_and_image(store: Store) -> None:
    loader = loader_of(store)
    every = loader.triples
    batches = list(loader.epoch(3))
    assert len(batches) == loader.batches_per_epoch
    index = np.concatenate([batch.index for batch in batches])
    np.testing.assert_array_equal(np.sort(index), np.arange(len(every)))
    frames = store.audio("scalogram", ROWS)
    recipe = AugmentRecipe()
    for batch in batches:
        expected = frames[every.clip[batch.index], every.frame[batch.index]]
        np.testing.assert_array_equal(audio(batch).numpy(), expected)
        np.testing.assert_array_equal(batch.labels.numpy(), every.label[batch.index])
        assert images(batch).shape == (len(batch.index), 3, SIDE, SIDE)
        assert images(batch).is_contiguous(memory_format=torch.channels_last)
        assert images(batch).dtype == torch.uint8
        # The definition, one image at a time.
        place, number = len(batch.index) // 2, int(batch.index[len(batch.index) // 2])
        image = jpeg.decode(store.jpeg(int(every.rows[every.clip[number]]), every.second[number]))
        drawn = rng.generator(0, 3, rng.Purpose.AUGMENT).random((len(every), augment.DRAWS))
        uniform = drawn[[number]]
        todo = augment.plan(uniform, np.array([image.shape[:2]]), SIDE, recipe)
        scaled, out = (np.empty((SIDE, SIDE, 3), np.uint8) for _ in range(2))
        augment.crop_resize(image, todo.box[0], bool(todo.flip[0]), scaled)
        augment.jitter(scaled, augment.colour_maps(todo.colour)[0], out)
        seen = images(batch)[batch.image_index[place]].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(seen, out)


@pytest.mark.parametrize("threads", [2, 4])
def test_any_number_of_threads_gives_the_same_batches(store: Store, threads: int) -> None:
    alone = list(loader_of(store, "train.threads=1").epoch(1))
    assert_equal(alone, list(loader_of(store, f"train.threads={threads}").epoch(1)))


@pytest.mark.parametrize("shared", ["", "train.images_per_second=2"])
def test_two_ranks_share_each_batch_without_overlap_or_gap(store: Store, shared: str) -> None:
    settings = [shared] if shared else []
    whole = list(loader_of(store, *settings).epoch(1))
    ranks = [list(loader_of(store, *settings, rank=r, world=2).epoch(1)) for r in range(2)]
    for one, first, second in zip(whole, *ranks, strict=True):
        joined = np.concatenate([first.index, second.index])
        np.testing.assert_array_equal(joined, one.index)
        assert torch.equal(torch.cat([images(first), images(second)]), images(one))
        assert torch.equal(torch.cat([audio(first), audio(second)]), audio(one))


@pytest.mark.parametrize("cache", ["none", "host", "device"])
def test_batches_that_are_kept_stay_as_they_were(store: Store, cache: str) -> None:
    loader = loader_of(store, f"train.cache={cache}")
    batches, copies = [], []
    for batch in loader.epoch(0):
        batches.append(batch)
        copies.append(images(batch).clone())
    assert len(batches) > 4
    for batch, copy in zip(batches, copies, strict=True):
        assert torch.equal(images(batch), copy)


def test_reused_buffers_hold_the_same_images_until_the_next_batch(store: Store) -> None:
    reusing = loader_of(store, reuse_buffers=True)
    for one, other in zip(loader_of(store).epoch(0), reusing.epoch(0), strict=True):
        assert torch.equal(images(one), images(other))
        assert images(other).is_contiguous(memory_format=torch.channels_last)


def test_ranks_know_the_whole_batchs_size(store: Store) -> None:
    ranks = [list(loader_of(store, rank=r, world=3).epoch(0)) for r in range(3)]
    for shares in zip(*ranks, strict=True):
        assert {share.total for share in shares} == {sum(len(share.index) for share in shares)}


def test_an_epoch_resumed_at_any_batch_goes_on_as_it_would_have(store: Store) -> None:
    whole = list(loader_of(store).epoch(2))
    for first in range(len(whole) + 1):
        assert_equal(whole[first:], list(loader_of(store).epoch(2, first_batch=first)))


def test_epochs_and_seeds_differ_in_order_and_in_augmentation(store: Store) -> None:
    one = list(loader_of(store).epoch(0))
    for other in (list(loader_of(store).epoch(1)), list(loader_of(store, "train.seed=1").epoch(0))):
        assert not np.array_equal(one[0].index, other[0].index)
        place = {int(t): (b, i) for b in other for i, t in enumerate(b.index)}
        same = 0
        for i, triple in enumerate(one[0].index):
            batch, there = place[int(triple)]
            same += torch.equal(images(one[0])[i], images(batch)[there])
        assert same == 0


def test_triples_of_one_second_share_views_when_asked_to(store: Store) -> None:
    loader = loader_of(store, "train.images_per_second=2")
    batches = list(loader.epoch(0))
    every = loader.triples
    assert sum(len(images(batch)) for batch in batches) == len(ROWS) * 10 * 2
    seen = np.concatenate([batch.index for batch in batches])
    np.testing.assert_array_equal(np.sort(seen), np.arange(len(every)))
    for batch in batches:
        assert batch.image_index.max() == len(images(batch)) - 1
        for view in range(len(images(batch))):
            of = batch.index[batch.image_index.numpy() == view]
            assert 2 <= len(of) <= 3
            assert len(set(zip(every.clip[of], every.second[of], strict=True))) == 1
    assert len(batches[0].index) == pytest.approx(50, abs=6)


@pytest.mark.parametrize("cache", ["host", "device"])
@pytest.mark.parametrize("shared", ["", "train.images_per_second=1"])
def test_a_resident_fold_gives_the_same_batches(store: Store, cache: str, shared: str) -> None:
    settings = [shared] if shared else []
    streamed = list(loader_of(store, *settings).epoch(1))
    resident = list(loader_of(store, *settings, f"train.cache={cache}").epoch(1))
    if cache == "host":
        assert_equal(streamed, resident)
    for one, other in zip(streamed, resident, strict=True):
        np.testing.assert_array_equal(one.index, other.index)
        apart = (images(one).int() - images(other).int()).abs()
        assert apart.max() <= 3  # rounding of the crop, then of the colours, up to 1.4 times each
        assert apart.float().mean() < 0.3


def test_a_loader_may_lack_images_or_sound(store: Store) -> None:
    for batch in loader_of(store, image_size=None).epoch(0):
        assert batch.images is None
        assert batch.audio is not None
    for batch in loader_of(store, audio=None).epoch(0):
        assert batch.images is not None
        assert batch.audio is None


def test_too_few_samples_for_the_ranks_are_refused(store: Store) -> None:
    every = triples.training_triples(ROWS[:1], LABELS[:1], 3)
    with pytest.raises(AvscError) as caught:
        TripleLoader(every, triples.views(every, None), seed=0, batch_size=8, world=2)
    assert caught.value.got.startswith("3 ")


def test_images_of_any_size_may_be_mixed(store: Store) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (20 + 9 * i, 70 - 9 * i, 3), np.uint8) for i in range(4)]

    class Mixed(StoredImages):
        def fetch(self, clip: int, second: int) -> Item:
            return jpeg.encode(pictures[(clip + second) % 4], 400, 90)

    every = triples.training_triples(ROWS, LABELS, 56)
    source = Mixed(store, ROWS)
    sizes = image_cache.measure(source, len(ROWS), 10, threads=2)
    assert sizes[1, 2].tolist() == [47, 43]
    device = image_cache.load(source, sizes, "cpu", threads=2)
    assert len(device.groups) == 4
    found = []
    for given in (source, image_cache.load(source, sizes, None, threads=2), device):
        loader = TripleLoader(
            every, triples.views(every, None), seed=0, batch_size=64, source=given, side=24
        )
        found.append(torch.cat([images(batch) for batch in loader.epoch(0)]))
    assert torch.equal(found[0], found[1])
    assert (found[0].int() - found[2].int()).abs().max() <= 3


def test_headers_are_enough_to_know_an_images_size(store: Store) -> None:
    source = StoredImages(store, ROWS)
    data = store.jpeg(0, 0)
    assert image_source.size_of(source, 0, 0, data) == jpeg.decode(data).shape[:2] == (48, 64)
    with pytest.raises(AvscError) as caught:
        image_source.size_of(source, 1, 3, b"no JPEG")
    assert store.clips[2].id in caught.value.got
    assert "second 3" in caught.value.got


@pytest.mark.parametrize("settings", [(), ("train.shift_s=3", "train.drop_audio=0.3")])
def test_every_triple_has_the_targets_of_its_sounds_second(
    store: Store, settings: tuple[str, ...]
) -> None:
    targets = np.random.default_rng(0).random((len(ROWS), 10, 4)).astype(np.float32)
    loader = loader_of(store, *settings, targets=targets)
    halves = [loader_of(store, *settings, targets=targets, rank=k, world=2) for k in range(2)]
    index = []
    for one in (loader, *halves):
        for batch in one.epoch(1):
            of = loader.triples
            wanted = targets[of.clip[batch.index], of.second[batch.index]]
            assert batch.targets is not None
            np.testing.assert_array_equal(batch.targets.numpy(), wanted)
            index += batch.index.tolist()
    assert sorted(index) == sorted(list(range(len(loader.triples))) * 2)
    assert all(batch.targets is None for batch in loader_of(store, *settings).epoch(1))
