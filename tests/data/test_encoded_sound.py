"""A fold's triples with a pre-trained audio encoder's embeddings, as a PyTorch data set."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch.utils.data import DataLoader

from avsc import timebase
from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.store.reader import Store
from tests.audio_models import AST_FEATURES, ast_by_hand, make_encoded, save_ast, save_clap
from tests.conftest import MakeRecipe


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its store, an encoder and the embeddings of the store's sound by it."""
    return make_encoded(tmp_path_factory.mktemp("base"), clips=8)


@pytest.fixture
def store(base: Path) -> Store:
    return Store.open(base / "store")


@pytest.fixture
def recipe(quick: MakeRecipe) -> Recipe:
    return quick("audio.feature=fbank", "train.seed=3")


@pytest.mark.parametrize("fold", ["train", "validation", "test", "all"])
def test_the_fourth_part_is_the_embedding_of_the_second_of_the_frame(
    base: Path, store: Store, recipe: Recipe, fold: str
) -> None:
    triples = store.dataset(fold, recipe)
    data = store.dataset(fold, recipe, audio_model=base / "ast")
    split = training_fold(store, recipe.train)
    rows = [row for row, clip in enumerate(store.clips) if fold in (clip.fold, "all")]
    if fold in ("train", "validation"):
        rows = (split.train if fold == "train" else split.validation).rows.tolist()
    second = timebase.second_of_frames(56)
    assert len(data) == len(triples) == 56 * len(rows)
    for index in (0, 56, len(data) - 1):
        frame, image, label, heard = data[index]
        for part, plain in zip((frame, image, label), triples[index], strict=True):
            assert torch.equal(part, plain)
        clip, number = divmod(index, 56)
        path = base / "tau" / store.clips[rows[clip]].audio
        sound, rate = soundfile.read(path, dtype="float32")
        mono = soxr.resample(sound, rate, 16_000, quality="HQ").mean(axis=1)
        start = 16_000 * int(second[number])
        (wanted,) = ast_by_hand(base / "ast", mono[None, start : start + 16_000])
        np.testing.assert_allclose(heard, wanted, atol=1e-4)
        assert heard.dtype == torch.float32


def test_workers_and_pickles_give_the_same(base: Path, store: Store, recipe: Recipe) -> None:
    data = store.dataset("train", recipe, audio_model=str(base / "ast"))
    content = pickle.dumps(data)
    assert len(content) < 200_000
    assert repr(pickle.loads(content)) == repr(data)
    assert "AST ast" in repr(data)
    for method in ("fork", "spawn"):
        some = torch.utils.data.Subset(data, [0, 60, 100, 3])
        loader = DataLoader(some, batch_size=2, num_workers=1, multiprocessing_context=method)
        heard = torch.cat([batch[3] for batch in loader])
        assert heard.shape == (4, AST_FEATURES)
        for place, index in enumerate((0, 60, 100, 3)):
            assert torch.equal(heard[place], data[index][3])


def test_sound_that_is_not_encoded_is_said_with_the_command(
    base: Path, store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    for other in (save_ast(tmp_path / "other", seed=1), save_clap(tmp_path / "clap")):
        with pytest.raises(AvscError) as caught:
            store.dataset("train", recipe, audio_model=other)
        assert f"avsc embed {base / 'store'} DATASET --audio-model {other}" in caught.value.remedy
    with pytest.raises(AvscError) as caught:
        store.dataset("train", recipe, audio_model=tmp_path / "absent")
    assert str(tmp_path / "absent") in caught.value.got


def test_a_chunk_that_is_damaged_later_is_no_embedding(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    for name in ("store", "store.embeddings"):
        shutil.copytree(base / name, tmp_path / name)
    store = Store.open(tmp_path / "store")
    (chunk,) = (tmp_path / "store.embeddings").glob("*.zarr/c/0/1/0/0")
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        store.dataset("all", recipe, audio_model=base / "ast")
    assert "5 of 8 clips" in caught.value.got
