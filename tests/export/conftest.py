"""One run of each kind, trained for an epoch so that nothing in it is at its initial value."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avsc import recipe
from avsc.store.schema import FBankSettings, ImageSettings, ScalogramSettings, StoreSettings
from avsc.train.run import train

STRATEGIES = ("joint", "audio", "video")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def store(make_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = StoreSettings(
        clip_seconds=2,
        partition_clips=8,
        scalogram=ScalogramSettings(bands=32, q=3),
        fbank=FBankSettings(bands=24, f_min_hz=50.0),
        image=ImageSettings(short_side=36),
    )
    path = tmp_path_factory.mktemp("export") / "store"
    return make_store(path, 40, settings=settings, size=(36, 64), learnable=True)


@pytest.fixture(scope="session")
def runs(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each strategy; that on sound alone hears the FBank."""
    base = tmp_path_factory.mktemp("runs")
    made = {}
    for strategy in STRATEGIES:
        feature = "fbank" if strategy == "audio" else "scalogram"
        settings = [
            "visual.model=test_resnet.r160_in1k",
            "visual.weights=random",
            "visual.image_size=32",
            "train.epochs=1",
            "train.batch_size=32",
            "train.val_fraction=0.3",
            "train.threads=1",
            "train.images_per_second=1",
            f"train.strategy={strategy}",
            f"audio.feature={feature}",
        ]
        made[strategy] = base / strategy
        train(store, made[strategy], recipe.load(None, settings), device="cpu")
    return made
