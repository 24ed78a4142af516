from pathlib import Path

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.evaluate.embeddings import Embeddings
from avsc.reproduce import figure2
from avsc.reproduce.figure2 import Panel
from avsc.scenes import SCENES, ClipName
from avsc.store.layout import StoredClip


def test_every_scene_has_a_colour_and_a_mark_of_its_own() -> None:
    assert len(set(figure2.COLOURS)) == len(set(figure2.MARKS)) == len(SCENES)


def test_neighbours_of_one_scene_agree_wholly_where_scenes_lie_apart() -> None:
    labels = np.repeat(np.arange(4), 20)
    places = np.arange(80)
    values = np.eye(4, 6, dtype=np.float32)[labels]
    values += np.random.default_rng(0).normal(0, 0.01, values.shape).astype(np.float32)
    assert figure2.neighbour_agreement(values, labels, places) == 1


def test_neighbours_agree_by_chance_where_embeddings_say_nothing() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(1000) % 10
    values = rng.normal(size=(1000, 8)).astype(np.float32)
    assert figure2.neighbour_agreement(values, labels, np.arange(1000)) == pytest.approx(
        0.1, abs=0.02
    )


def test_segments_of_the_same_location_are_no_neighbours() -> None:
    # Each location is a tight cluster of its own; the next one is always of another scene.
    labels = np.repeat(np.arange(10), 12)
    values = np.repeat(np.arange(10.0), 12)[:, None].astype(np.float32)
    assert figure2.neighbour_agreement(values, labels, labels) == 0
    assert np.isnan(figure2.neighbour_agreement(values, labels, np.zeros(120, np.int64)))


def test_a_location_is_the_same_for_all_its_clips_and_seconds() -> None:
    names = ["park-lyon-1-40_0", "park-lyon-1-41_9", "park-lyon-2-40_0", "bus-paris-1-40_0"]
    ids = [name.rpartition("_")[0] for name in names]
    parts = [ClipName.parse(i) for i in ids]
    clips = [
        StoredClip(i, p.scene, p.city, p.location, "test", "", "")
        for i, p in zip(ids, parts, strict=True)
    ]
    first, same, other, city = figure2.locations(names, clips).tolist()
    assert first == same
    assert len({first, other, city}) == 3


def test_a_fold_of_too_few_segments_is_refused() -> None:
    few = Embeddings(("park-lyon-1-40_0",), np.zeros(1, np.int64), np.zeros((1, 4), np.float32), 2)
    with pytest.raises(AvscError) as caught:
        figure2.panels(few, "joint", [], SCENES)
    assert caught.value.got.startswith("1 segments")


def test_the_same_maps_give_the_same_drawing(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).normal(size=(50, 2))
    panel = Panel("Audio-visual embeddings, joint", plane, np.arange(50) % 10, SCENES, 0.5)
    for name in ("one", "two"):
        figure2.write([tmp_path / f"{name}.svg"], [[panel], [panel]], "a title", "a foot")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
