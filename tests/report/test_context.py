"""What the report shows of single segments, and what it says of data and run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avsc import metrics
from avsc.dataset import manifests
from avsc.dataset.manifests import FoldFacts
from avsc.evaluate.segments import Segments, segments_of
from avsc.evaluate.summary import summarise
from avsc.report import context
from avsc.report.context import worst
from avsc.scenes import SCENES
from avsc.store.reader import Store

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_store: Make) -> Store:
    return Store.open(make_store(tmp_path_factory.mktemp("context") / "store.zarr", 60))


def _fold(store: Store) -> Segments:
    seconds = store.settings.clip_seconds
    return segments_of(store.clips, store.status(), seconds, "test", store.scenes)


def _shares(segments: Segments) -> metrics.Probabilities:
    weights = np.random.default_rng(0).random((len(segments.names), 10)) + 0.01
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def test_the_worst_segments_are_the_worst_of_ten_clips(store: Store) -> None:
    segments = _fold(store)
    shares = _shares(segments)
    found = worst(store, segments, shares, "scalogram")
    losses = metrics.segment_losses(shares, segments.labels)
    by_clip = np.sort(losses.reshape(-1, int(segments.seconds[0])).max(axis=1))[::-1]
    np.testing.assert_allclose([segment.loss for segment in found], by_clip[:10])
    assert len({segment.name.rpartition("_")[0] for segment in found}) == 10
    first = found[0]
    number = segments.names.index(first.name)
    row = int(segments.rows[number // 10])
    assert first.jpeg == bytes(store.jpeg(row, number % 10))
    assert first.second == number % 10
    assert first.sound.startswith(b"\x89PNG")
    label = segments.labels[number]
    assert (first.scene, first.probability) == (SCENES[label], shares[number, label])
    assert first.others[0] == (SCENES[shares[number].argmax()], shares[number].max())


def test_only_the_official_clips_are_called_official(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = _fold(store)
    shares = _shares(segments)
    about = {
        "protocol": None,
        "predictions": "x.csv",
        "store": {"path": "here", "sha256": "0" * 64},
        "versions": {},
        "hardware": {},
    }

    def is_official() -> bool:
        summary = summarise(shares, segments)
        gathered = context.gather("t", store, segments, shares, summary=summary, about=about)
        return gathered.official

    assert not is_official()
    ids = manifests.ids_sha256(store.clips[row].id for row in segments.rows)
    facts = (FoldFacts("test", len(segments.rows), 1, ids, {}),)
    monkeypatch.setattr(manifests, "fold_facts", lambda: facts)
    assert is_official()
