"""A fold's triples as a PyTorch data set: aligned, picklable, the same in every process."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from avsc import recipe as recipes
from avsc import timebase
from avsc.data.eval_images import eval_image
from avsc.data.split import training_fold
from avsc.data.training_loader import training_loader
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.models import visual_weights
from avsc.recipe import Recipe
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
from avsc.store.schema import Status
from tests.conftest import MakeRecipe, MakeStore

FRAMES = 9  # of a two-second clip


@pytest.fixture
def store(small_store: Path) -> Store:
    return Store.open(small_store)


@pytest.fixture
def recipe(quick: MakeRecipe) -> Recipe:
    return quick("train.seed=3")


def test_train_and_validation_are_the_split_of_the_recipe(store: Store, recipe: Recipe) -> None:
    split = training_fold(store, recipe.train)
    assert len(store.dataset("train", recipe)) == FRAMES * len(split.train.rows)
    assert len(store.dataset("validation", recipe)) == FRAMES * len(split.validation.rows)
    good = store.status() == Status.GOOD
    tested = sum(good[row] for row, clip in enumerate(store.clips) if clip.fold == "test")
    assert len(store.dataset("test", recipe)) == FRAMES * tested
    assert len(store.dataset("all", recipe)) == FRAMES * good.sum()


def test_a_triple_is_aligned(store: Store, recipe: Recipe) -> None:
    data = store.dataset("test", recipe)
    good = store.status() == Status.GOOD
    rows = [row for row, clip in enumerate(store.clips) if clip.fold == "test" and good[row]]
    config = visual_weights.build(recipe.visual).config
    second = timebase.second_of_frames(FRAMES)
    for index in (0, 8, 9, 13, len(data) - 1):
        clip, frame = divmod(index, FRAMES)
        found, image, label = data[index]
        np.testing.assert_array_equal(found, store.audio("scalogram", [rows[clip]])[0, frame])
        picture = jpeg.decode(store.jpeg(rows[clip], int(second[frame])))
        wanted = eval_image(picture, config)
        np.testing.assert_array_equal(image, wanted.transpose(2, 0, 1))
        assert store.scenes[label] == store.clips[rows[clip]].scene
        assert (found.dtype, image.dtype, label.dtype) == (torch.float32, torch.uint8, torch.int64)


@pytest.mark.parametrize("settings", [[], ["train.images_per_second=1"], ["augment.hue=0.1"]])
def test_item_i_is_triple_i_of_the_training_stream(
    store: Store, quick: MakeRecipe, settings: list[str]
) -> None:
    recipe = quick(*settings)
    clips = training_fold(store, recipe.train).train
    frames = store.audio("scalogram", clips.rows)
    loader = training_loader(store, clips, recipe, audio=frames, image_size=32, say=lambda _: None)
    batches = loader.epoch(2)
    batch = next(batches)
    loader.close()
    data = store.dataset("train", recipe, epoch=2)
    assert batch.audio is not None
    assert batch.images is not None
    for place, index in enumerate(batch.index[:12].tolist()):
        frame, image, label = data[index]
        assert torch.equal(frame, batch.audio[place])
        assert torch.equal(image, batch.images[batch.image_index[place]])
        assert label == batch.labels[place]


def test_an_epoch_has_its_own_images_and_gives_them_again(store: Store, recipe: Recipe) -> None:
    first, again, other = (store.dataset("train", recipe, epoch=k)[5][1] for k in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_stored_embeddings_images_are_not_augmented(store: Store, quick: MakeRecipe) -> None:
    recipe = quick("train.images=embedding")
    first, other = (store.dataset("train", recipe, epoch=k)[5][1] for k in (0, 1))
    assert torch.equal(first, other)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_any_kind_give_the_same(store: Store, recipe: Recipe, method: str) -> None:
    data = store.dataset("train", recipe)
    wanted = [data[index] for index in range(24)]
    some = torch.utils.data.Subset(data, range(24))
    loader = DataLoader(some, batch_size=8, num_workers=2, multiprocessing_context=method)
    kept = list(loader)  # every batch, to the end
    for place, (frame, image, label) in enumerate(wanted):
        batch, within = divmod(place, 8)
        assert torch.equal(kept[batch][0][within], frame)
        assert torch.equal(kept[batch][1][within], image)
        assert kept[batch][2][within] == label


def test_a_pickle_is_small_and_gives_the_same(store: Store, recipe: Recipe) -> None:
    data = store.dataset("test", recipe)
    content = pickle.dumps(data)
    again = pickle.loads(content)
    assert len(content) < 200_000
    assert len(again) == len(data)
    assert all(torch.equal(a, b) for a, b in zip(again[3], data[3], strict=True))
    assert repr(again) == repr(data)


def test_a_store_is_pickled_by_its_place(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = pickle.loads(pickle.dumps(store))
    assert again.sha256 == store.sha256
    np.testing.assert_array_equal(again.audio("fbank", [3]), store.audio("fbank", [3]))
    monkeypatch.chdir(Path(store.place).parent)
    near = pickle.dumps(Store.open(Path(store.place).name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(near).sha256 == store.sha256


def test_a_store_that_changed_in_between_is_refused(
    tmp_path: Path, make_store: MakeStore, small_store: Path
) -> None:
    settings = Store.open(small_store).settings
    place = make_store(tmp_path / "store", 10, settings=settings)
    content = pickle.dumps(Store.open(place))
    place.rename(tmp_path / "moved")
    make_store(place, 10, settings=settings, seed=1)
    with pytest.raises(AvscError) as caught:
        pickle.loads(content)
    assert str(place) in caught.value.got


def test_an_end_there_is(store: Store, recipe: Recipe) -> None:
    data = store.dataset("test", recipe)
    assert torch.equal(data[-1][0], data[len(data) - 1][0])
    with pytest.raises(IndexError):
        data[len(data)]


@pytest.mark.parametrize("fold", ["tset", ""])
def test_a_fold_that_is_not_there_is_refused_with_those_that_are(
    store: Store, recipe: Recipe, fold: str
) -> None:
    with pytest.raises(AvscError) as caught:
        store.dataset(fold, recipe)
    assert "validation" in caught.value.expected


def test_a_feature_that_the_store_lacks_is_refused(
    tmp_path: Path, make_store: MakeStore, quick: MakeRecipe
) -> None:
    store = Store.open(make_store(tmp_path / "store", 12, features=("fbank",), clip_seconds=1))
    with pytest.raises(AvscError) as caught:
        store.dataset("train", quick())
    assert "scalogram" in caught.value.got


def _pretrained_folder(folder: Path) -> VisualRecipe:
    small = VisualRecipe(model="test_resnet", weights="random", image_size=48)
    encoder = visual_weights.build(small)
    state = dict(encoder.backbone.state_dict())
    visual_weights.save_folder(folder, "test_resnet", state, encoder.config)
    return VisualRecipe(model="test_resnet", weights=str(folder))


@pytest.mark.parametrize(
    "recipe_of",
    [
        lambda _: VisualRecipe(model="test_resnet.r160_in1k", weights="random"),
        lambda _: VisualRecipe(model="resnet18", weights="random", image_size=100),
        _pretrained_folder,
    ],
)
def test_images_are_as_the_encoder_expects_them(
    recipe_of: Callable[[Path], VisualRecipe], tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path)
    assert visual_weights.expected_image(recipe) == visual_weights.build(recipe).config


def test_the_default_recipe_needs_no_weights(store: Store) -> None:
    frame, image, _ = store.dataset("test")[0]
    assert frame.shape == (2, 32)
    assert image.shape == (3, 288, 288)
    assert recipes.Recipe().visual.weights == "pretrained"
