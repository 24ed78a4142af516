"""Samples of embeddings, their file, their map."""

from pathlib import Path

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.evaluate import embeddings
from avsc.evaluate.embeddings import Embeddings


def test_a_small_fold_is_taken_whole_and_a_large_one_by_a_fixed_sample() -> None:
    assert embeddings.choose(7).tolist() == list(range(7))
    one = embeddings.choose(36_450)
    assert len(one) == embeddings.MOST
    assert (np.diff(one) > 0).all()
    assert one[-1] < 36_450
    np.testing.assert_array_equal(one, embeddings.choose(36_450))


def test_the_file_reads_back_and_holds_no_pickle(tmp_path: Path) -> None:
    joint = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    written = Embeddings(("a_0", "a_1", "b_0", "c_9"), np.array([0, 0, 1, 2]), joint, 2)
    embeddings.write_embeddings(tmp_path, written)
    read = embeddings.read_embeddings(tmp_path)
    assert read.names == written.names
    np.testing.assert_array_equal(read.joint, joint)
    np.testing.assert_array_equal(read.parts()["Acoustic embeddings"], joint[:, :2])


@pytest.mark.parametrize("content", [None, b"not a zip", b"PK\x03\x04 broken"])
def test_a_file_that_is_absent_or_damaged_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / embeddings.EMBEDDINGS).write_bytes(content)
    with pytest.raises(AvscError) as caught:
        embeddings.read_embeddings(tmp_path)
    assert str(tmp_path / embeddings.EMBEDDINGS) in caught.value.got


@pytest.mark.parametrize(
    ("width", "titles"), [(0, ["Visual embeddings"]), (6, ["Acoustic embeddings"])]
)
def test_a_system_of_one_input_has_one_map(width: int, titles: list[str]) -> None:
    found = Embeddings(("a_0",), np.array([0]), np.zeros((1, 6), np.float32), width)
    assert list(found.parts()) == titles


def test_groups_that_are_apart_stay_apart_in_the_map() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    values = (random.normal(size=(60, 40)) + 12 * labels[:, None]).astype(np.float32)
    plane = embeddings.project(values)
    assert plane.shape == (60, 2)
    middles = np.array([plane[labels == k].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(plane[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.95
    np.testing.assert_array_equal(plane, embeddings.project(values))
