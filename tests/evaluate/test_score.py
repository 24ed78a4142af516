"""Scoring by segments: what is heard, what is seen, and how often."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.segments import Segments, segments_of
from avsc.media import jpeg
from avsc.models.visual import VisualEncoder
from avsc.signal.features import FeatureExtractor
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import ScalogramSettings, StoreSettings
from avsc.store.writer import ClipData, write_partition
from avsc.train.load import Run
from tests.train.by_hand import joint_embedding, sample_probabilities

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_store: Make) -> Path:
    path = tmp_path_factory.mktemp("score") / "store.zarr"
    return make_store(path, 40, features=("scalogram",))


def _fold(store: Store) -> Segments:
    seconds = store.settings.clip_seconds
    return segments_of(store.clips, store.status(), seconds, "test", store.scenes)


def _by_hand(run: Run, store: Store, row: int, second: int) -> NDArray[np.float64]:
    """The mean of the frames' probabilities of one segment, one frame at a time."""
    picture = jpeg.decode(store.jpeg(row, second))
    embedding = None if run.visual_encoder is None else run.encode([picture])
    if not run.uses_audio:
        return np.asarray(sample_probabilities(run, None, embedding)[0])
    frames = store.segments("scalogram", [row])[0, second]
    rows = [sample_probabilities(run, frame[None], embedding)[0] for frame in frames]
    return np.asarray(np.mean(rows, axis=0))


@pytest.mark.parametrize("strategy", ["joint", "audio", "video"])
def test_a_segment_has_the_mean_of_its_frames_probabilities(
    tmp_path: Path, store: Path, make_run: Make, strategy: str
) -> None:
    run = Run.open(make_run(tmp_path / "run", store, strategy))
    opened = Store.open(store)
    fold = _fold(opened)
    found = score.score(run, opened, fold, "segment")
    assert found.shape == (len(fold.names), 10)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for number in (0, 17, len(found) - 1):
        clip, second = divmod(number, 10)
        expected = _by_hand(run, opened, int(fold.rows[clip]), second)
        np.testing.assert_allclose(found[number], expected, atol=2e-5)


def test_context_bins_the_clips_frames_by_their_centres(
    tmp_path: Path, store: Path, make_run: Make
) -> None:
    run = Run.open(make_run(tmp_path / "run", store, "audio"))
    opened = Store.open(store)
    fold = _fold(opened)
    found = score.score(run, opened, fold, "context")
    frames = opened.audio("scalogram", [int(fold.rows[1])])[0]
    mine = timebase.second_of_frames(len(frames)) == 3
    expected = sample_probabilities(run, frames[mine], None).mean(axis=0)
    np.testing.assert_allclose(found[13], expected, atol=2e-5)


def test_the_visual_encoder_sees_each_image_once(
    tmp_path: Path, store: Path, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run(tmp_path / "run", store, seed=5)
    opened = Store.open(store)
    fold = _fold(opened)
    seen: list[bytes] = []
    forward = VisualEncoder.forward

    def counting(self: VisualEncoder, images: torch.Tensor) -> torch.Tensor:
        seen.extend(image.numpy().tobytes() for image in images.contiguous() if image.any())
        return forward(self, images)

    run = Run.open(path)
    monkeypatch.setattr(VisualEncoder, "forward", counting)
    home = "avsc.models.view_bank.home"
    monkeypatch.setattr(home, lambda store, elsewhere: tmp_path / "cache")
    score.score(run, opened, fold, "segment")
    assert len(seen) == len(fold.names)
    score.score(run, opened, fold, "context")
    assert len(seen) == len(fold.names)  # the second time all embeddings are there


def _sound_store(path: Path, stereos: list[NDArray[np.float32]]) -> Path:
    """A store of clips with real features of given sounds and one grey picture."""
    import simplejpeg

    settings = StoreSettings(
        features=("scalogram",), scalogram=ScalogramSettings(), partition_clips=4
    )
    extractor = FeatureExtractor(settings)
    clips = [
        StoredClip(f"bus-lyon-{k}-{k}", "bus", "lyon", str(k), "test", "a.wav", "a.mp4")
        for k in range(len(stereos))
    ]
    grey = simplejpeg.encode_jpeg(np.full((32, 32, 3), 128, np.uint8))
    open_for_writing(path, clips, settings)
    with write_partition(path, len(clips), settings, 0) as writer:
        for row, stereo in enumerate(stereos):
            heard = extractor.clip(stereo)
            writer.add(
                row,
                ClipData(
                    {name: part.clip for name, part in heard.items()},
                    {name: part.segments for name, part in heard.items()},
                    [grey] * 10,
                    [k + 0.5 for k in range(10)],
                ),
            )
    mark_complete(path)
    return path


def test_nothing_outside_the_second_is_heard(tmp_path: Path, make_run: Make) -> None:
    random = np.random.default_rng(0)
    one = random.standard_normal((2, 160_000)).astype(np.float32) * 0.1
    other = random.standard_normal((2, 160_000)).astype(np.float32) * 0.1
    other[:, 48_000:64_000] = one[:, 48_000:64_000]  # the fourth second is the same
    place = _sound_store(tmp_path / "store.zarr", [one, other])
    run = Run.open(make_run(tmp_path / "run", place, "audio"))
    opened = Store.open(place)
    fold = _fold(opened)
    alone = score.score(run, opened, fold, "segment").reshape(2, 10, 10)
    np.testing.assert_allclose(alone[0, 3], alone[1, 3], atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max(axis=1)[[2, 4]].min() > 1e-5
    within = score.score(run, opened, fold, "context").reshape(2, 10, 10)
    assert np.abs(within[0, 3] - within[1, 3]).max() > 1e-5


def test_embeddings_of_chosen_segments_are_the_means_of_their_frames(
    tmp_path: Path, store: Path, make_run: Make
) -> None:
    run = Run.open(make_run(tmp_path / "run", store))
    opened = Store.open(store)
    fold = _fold(opened)
    chosen = np.array([2, 3, 41, 99])
    found = score.embed(run, opened, fold, "segment", chosen)
    assert run.visual_encoder is not None
    assert found.shape == (4, score.acoustic_features(run) + run.visual_encoder.features)
    row = int(fold.rows[4])
    embedding = run.encode([jpeg.decode(opened.jpeg(row, 1))])
    frames = opened.segments("scalogram", [row])[0, 1]
    joint = joint_embedding(run, frames, np.repeat(embedding, len(frames), axis=0))
    np.testing.assert_allclose(found[2], joint.mean(axis=0), atol=1e-4)


def test_a_store_without_the_runs_feature_is_refused(
    tmp_path: Path, store: Path, make_run: Make, make_store: Make
) -> None:
    run = Run.open(make_run(tmp_path / "run", store, "audio"))
    other = make_store(tmp_path / "other.zarr", 4, features=("fbank",))
    with pytest.raises(AvscError, match="has no scalogram"):
        score.require_fitting(run, Store.open(other))


def test_a_store_with_another_bank_is_refused_and_the_difference_named(
    tmp_path: Path, store: Path, make_run: Make, make_store: Make
) -> None:
    run = Run.open(make_run(tmp_path / "run", store, "audio"))
    settings = StoreSettings(
        features=("scalogram",), scalogram=ScalogramSettings(log_floor=1e-3), partition_clips=4
    )
    other = make_store(tmp_path / "other.zarr", 4, settings=settings)
    with pytest.raises(AvscError, match=r"log_floor .* there, 0.001 here"):
        score.require_fitting(run, Store.open(other))
