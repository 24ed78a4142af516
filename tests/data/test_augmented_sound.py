"""Batches of augmented sound: with any ranks, resumed, beside images of every kind."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from avsc.data.batch import Batch
from avsc.data.encoded_views import ViewsInMemory
from avsc.errors import AvscError
from avsc.recipe import Recipe, load
from avsc.store.reader import Store
from tests.data import small_loader
from tests.data.small_loader import ROWS

loader_of = partial(small_loader.loader_of, image_size=None)
EVERYTHING = ("mixup=1", "mask=0.3", "gain_db=6", "swap=0.5", "mixstyle=0.5")
KINDS = ("mixup=1", "mask=0.3", "gain_db=6", "swap=0.5", "mixstyle=1")


def encoded() -> ViewsInMemory:
    values = torch.randn(2, 4, 10, 3, generator=torch.Generator().manual_seed(0))
    return ViewsInMemory(values, torch.device("cpu"), torch.device("cpu"))


def by_index(batches: list[Batch]) -> Tensor:
    """The audio of an epoch in the order of its triples, [T, 2, B]."""
    index = torch.from_numpy(np.concatenate([batch.index for batch in batches]))
    audio = torch.cat([batch.audio for batch in batches if batch.audio is not None])
    return audio[index.argsort()]


def mixed(batch: Batch) -> Tensor:
    """The embeddings as the model mixes them."""
    assert batch.embedding is not None
    assert batch.mix is not None
    return batch.mix.of(batch.embedding)


def test_off_a_batch_has_the_sound_of_the_store_and_no_mix(store: Store) -> None:
    loader = loader_of(store)
    frames = torch.from_numpy(store.audio("scalogram", ROWS))
    for batch in loader.epoch(0):
        clip, frame = loader.triples.clip[batch.index], loader.triples.frame[batch.index]
        assert batch.audio is not None
        assert torch.equal(batch.audio, frames[clip, frame])
        assert batch.mix is batch.inputs.mix is None


@pytest.mark.parametrize("kind", KINDS)
def test_on_it_changes_the_sound_and_nothing_else(store: Store, kind: str) -> None:
    plain = list(loader_of(store, image_size=16).epoch(1))
    changed = list(loader_of(store, kind, image_size=16).epoch(1))
    for one, other in zip(plain, changed, strict=True):
        np.testing.assert_array_equal(one.index, other.index)
        for name in ("labels", "images", "image_index"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        assert (other.mix is not None) == kind.startswith("mixup")
    before, after = by_index(plain), by_index(changed)
    touched = (before != after).flatten(1).any(dim=1).float().mean()
    assert touched > 0.3
    again = by_index(list(loader_of(store, kind, image_size=16).epoch(2)))
    assert not torch.equal(after, again)  # another epoch, other draws


def test_but_for_mixup_the_sound_of_a_triple_is_the_same_in_batches_of_any_size(
    store: Store,
) -> None:
    small = list(loader_of(store, *EVERYTHING[1:], "train.batch_size=12").epoch(1))
    assert torch.equal(by_index(small), by_index(list(loader_of(store, *EVERYTHING[1:]).epoch(1))))


@pytest.mark.parametrize("shared", ["images_per_second=unset", "images_per_second=2"])
@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_batches_of_one_process(store: Store, world: int, shared: str) -> None:
    settings = (*EVERYTHING, shared, "train.views=2")
    whole = list(loader_of(store, *settings, encoded=encoded()).epoch(1))
    ranks = [
        list(loader_of(store, *settings, encoded=encoded(), rank=r, world=world).epoch(1))
        for r in range(world)
    ]
    for one, *parts in zip(whole, *ranks, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.index for part in parts]), one.index)
        assert one.audio is not None
        audio = torch.cat([part.audio for part in parts if part.audio is not None])
        assert torch.equal(audio, one.audio)
        assert torch.equal(torch.cat([mixed(part) for part in parts]), mixed(one))
        assert {part.total for part in parts} == {len(one.index)}


def test_an_epoch_resumed_at_any_batch_goes_on_as_it_would_have(store: Store) -> None:
    whole = list(loader_of(store, *EVERYTHING).epoch(2))
    for first in range(len(whole) + 1):
        rest = list(loader_of(store, *EVERYTHING).epoch(2, first_batch=first))
        assert len(rest) == len(whole) - first
        for one, other in zip(whole[first:], rest, strict=True):
            assert one.audio is not None
            assert other.audio is not None
            assert one.mix is not None
            assert other.mix is not None
            assert torch.equal(one.audio, other.audio)
            assert torch.equal(one.mix.partner, other.mix.partner)
            assert torch.equal(one.mix.share, other.mix.share)


def test_mixed_sound_is_of_the_very_samples_whose_labels_and_images_are_mixed(
    store: Store,
) -> None:
    plain = list(loader_of(store, encoded=encoded()).epoch(0))
    found = list(loader_of(store, "mixup=1", encoded=encoded()).epoch(0))
    for one, other in zip(plain, found, strict=True):
        assert one.audio is not None
        assert other.mix is not None
        assert torch.equal(other.audio, other.mix.of(one.audio))  # type: ignore[arg-type]
        assert (other.mix.partner != torch.arange(len(other.labels))).all()


def test_a_dataset_does_not_leave_out_what_was_asked_for_in_silence(store: Store) -> None:
    with pytest.raises(AvscError) as caught:
        store.dataset("train", Recipe(augment_audio={"mixup": 1.0}))
    assert "mixup 1" in caught.value.got
    assert len(store.dataset("all", Recipe(augment_audio={"mixup": 1.0}))) == 8 * 56


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("mixup=1.1", "augment_audio.mixup"),
        ("mixup_alpha=0", "augment_audio.mixup_alpha"),
        ("augment_audio.mask=1", "augment_audio.mask"),
        ("gain_db=-1", "augment_audio.gain_db"),
        ("gain_db=nan", "augment_audio.gain_db"),
        ("swap=true", "augment_audio.swap"),
        ("mixstyle_alpha=inf", "augment_audio.mixstyle_alpha"),
        ("augment_audio.mixupp=1", "augment_audio.mixup"),
        ("augment.mixup=1", "augment_audio.mixup"),
    ],
)
def test_what_is_no_augmentation_is_refused_by_name(setting: str, named: str) -> None:
    with pytest.raises(AvscError) as caught:
        load(None, [setting])
    assert named in caught.value.got


def test_a_strategy_without_sound_refuses_it() -> None:
    with pytest.raises(AvscError) as caught:
        load(None, ["strategy=video", "gain_db=3", "mixup=0.5"])
    assert "gain_db 3" in caught.value.got
    assert "mixup 0.5" in caught.value.got
    assert not load(None, ["strategy=video"]).augment_audio.is_on
