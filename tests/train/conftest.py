"""A small store and recipe that train in seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avsc import recipe
from avsc.recipe import Recipe
from avsc.store.schema import FBankSettings, ImageSettings, ScalogramSettings, StoreSettings

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tests run side by side; more threads would only take turns.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def quick() -> MakeRecipe:
    """A recipe of two short epochs with a tiny random encoder, and settings on top."""

    def make(*settings: str) -> Recipe:
        tiny = ["visual.model=test_resnet", "visual.weights=random", "visual.image_size=32"]
        short = ["train.epochs=2", "train.batch_size=32", "train.val_fraction=0.3"]
        return recipe.load(None, [*tiny, *short, "train.threads=1", *settings])

    return make


@pytest.fixture(scope="session")
def store_settings() -> StoreSettings:
    """Two-second clips of few bands and small pictures: 9 frames a clip."""
    return StoreSettings(
        clip_seconds=2,
        partition_clips=8,
        scalogram=ScalogramSettings(bands=32),
        fbank=FBankSettings(bands=24),
        image=ImageSettings(short_side=36),
    )


@pytest.fixture(scope="session")
def small_store(
    make_store: Callable[..., Path],
    store_settings: StoreSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """40 clips that can be told apart, one of the training fold quarantined."""
    path = tmp_path_factory.mktemp("small") / "store"
    return make_store(
        path, 40, settings=store_settings, size=(36, 64), learnable=True, quarantined=[0]
    )
