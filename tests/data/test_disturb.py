"""Missing modalities and shifted images in training: shares, ranges, and what depends on what."""

import numpy as np
import pytest
import torch

from avsc.data import disturb, triples
from avsc.data.encoded_views import ViewsInMemory
from avsc.data.loader import TripleLoader
from avsc.recipe_sections import TrainRecipe

DROPS = TrainRecipe(drop_audio=0.3, drop_image=0.2, seed=5)


def test_so_many_samples_lack_each_modality_and_none_lacks_both() -> None:
    present = disturb.present(20_000, DROPS, 0)
    assert 1 - present.mean(axis=0) == pytest.approx([0.3, 0.2], abs=0.015)
    assert present.any(axis=1).all()


def test_what_a_sample_lacks_depends_on_seed_epoch_and_index_alone() -> None:
    first = disturb.present(100, DROPS, 0)
    assert np.array_equal(disturb.present(100, DROPS, 0), first)
    assert np.array_equal(disturb.present(60, DROPS, 0), first[:60])
    assert not np.array_equal(disturb.present(100, DROPS, 1), first)
    other = DROPS.model_copy(update={"seed": 6})
    assert not np.array_equal(disturb.present(100, other, 0), first)


def test_images_come_from_seconds_of_the_clip_within_the_shift_all_equally_often() -> None:
    recipe = TrainRecipe(shift_s=2)
    second = np.tile(np.arange(5), 4000)
    found = disturb.shifted(second, np.full(len(second), 5), recipe, 0)
    for here, wanted in enumerate([(0, 1, 2), (0, 1, 2, 3), range(5), (1, 2, 3, 4), (2, 3, 4)]):
        counts = np.bincount(found[second == here], minlength=5)
        assert np.flatnonzero(counts).tolist() == list(wanted)
        assert counts[list(wanted)] == pytest.approx(4000 / len(wanted), rel=0.15)


def _loader(recipe: TrainRecipe) -> TripleLoader:
    every = triples.training_triples(np.arange(3), np.arange(3), 56)
    embeddings = torch.arange(30.0).reshape(3, 10, 1)  # each second's is its own number
    frames = np.zeros((3, 56, 2, 24), np.float32)
    return TripleLoader(
        every,
        triples.views(every, None),
        seed=recipe.seed,
        batch_size=16,
        audio=frames,
        encoded=ViewsInMemory(embeddings[None], torch.device("cpu"), torch.device("cpu")),
        disturbed=recipe,
    )


def test_a_batch_says_what_is_present_whatever_batch_it_is_resumed_at() -> None:
    loader = _loader(DROPS)
    table = disturb.present(len(loader.triples), DROPS, 2)
    for batch in [*loader.epoch(2), *loader.epoch(2, first_batch=4)]:
        assert batch.present is not None
        assert np.array_equal(batch.present.numpy(), table[batch.index])
        assert batch.inputs.present is batch.present


def test_without_drops_a_batch_is_whole() -> None:
    assert all(batch.present is None for batch in _loader(TrainRecipe()).epoch(0))


def test_a_shifted_embedding_is_of_another_second_of_the_same_clip() -> None:
    loader = _loader(TrainRecipe(shift_s=3))
    moved = 0
    for batch in loader.epoch(0):
        assert batch.embedding is not None
        clip, second = np.divmod(batch.embedding[:, 0].numpy().astype(int), 10)
        assert np.array_equal(clip, loader.triples.clip[batch.index])
        distance = np.abs(second - loader.triples.second[batch.index])
        assert distance.max() <= 3
        moved += int((distance > 0).sum())
    assert moved > len(loader.triples) / 2


@pytest.mark.parametrize(
    "keys",
    [{"drop_audio": 0.6, "drop_image": 0.4}, {"strategy": "audio", "drop_image": 0.1},
     {"strategy": "video", "shift_s": 1}],
)  # fmt: skip
def test_what_leaves_no_sample_whole_is_refused(
    keys: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="drop_audio"):
        TrainRecipe.model_validate(keys)
