import numpy as np
import pytest

from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.prepare.run import prepare
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.synth.make import make_dataset
from avsc.synth.plan import SynthSettings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("edition")
    settings = SynthSettings(2, 2, edition="evaluation", width=64, height=48)
    make_dataset(root / "dataset", settings, workers=1)
    assert prepare(root / "dataset", root / "store.zarr").complete
    return Store.open(root / "store.zarr")


def test_one_second_clips_have_three_frames_and_one_picture(store: Store) -> None:
    assert store.settings.clip_seconds == 1
    assert len(store.clips) == 60  # three pieces of each of twenty recordings
    rows = range(len(store.clips))
    frames = store.audio("scalogram", rows)
    assert frames.shape == (60, 3, 2, 290)
    # A clip of one second is its own segment.
    assert np.array_equal(store.segments("scalogram", rows)[:, 0], frames)
    assert jpeg.decode(store.jpeg(59, 0)).shape == (48, 64, 3)


def test_its_clips_are_in_numeric_order_without_labels(store: Store) -> None:
    numbers = [int(clip.id) for clip in store.clips]
    assert numbers == sorted(numbers)
    assert {(clip.scene, clip.fold) for clip in store.clips} == {("", "")}


def test_it_cannot_be_trained_on_and_says_why(store: Store) -> None:
    with pytest.raises(AvscError) as caught:
        training_fold(store, Recipe().train)
    assert "training fold" in str(caught.value)
