"""A run that learnt to do without sound or picture."""

from pathlib import Path

import pytest

SETTINGS = (
    "visual.model=test_resnet.r160_in1k",
    "visual.weights=random",
    "visual.image_size=32",
    "train.batch_size=32",
    "train.val_fraction=0.3",
    "train.threads=1",
    "train.images_per_second=1",
    "train.epochs=12",
    "train.drop_audio=0.25",
    "train.drop_image=0.25",
    "train.shift_s=1",
)


@pytest.fixture(scope="session")
def robust(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint run whose training dropped modalities."""
    from avsc import recipe
    from avsc.train.run import train

    path = tmp_path_factory.mktemp("robust") / "run"
    train(small_store, path, recipe.load(None, SETTINGS), device="cpu")
    return path
