"""Swapped sounds: drawn from a seed, read from lists."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.evaluate.segments import Segments, segments_of
from avsc.evaluate.swap_lists import listed_swaps, read_lines
from avsc.evaluate.swaps import draw_swaps, scene_of
from avsc.store.layout import StoredClip
from avsc.store.reader import Store

SCENES = ("a", "b", "c")


def _segments(scenes: list[int], seconds: list[int]) -> Segments:
    clips = [
        StoredClip(f"clip{k}", SCENES[scene], "x", str(k), "test", "", "", 0.0, length)
        for k, (scene, length) in enumerate(zip(scenes, seconds, strict=True))
    ]
    status = np.ones(len(clips), np.uint8)
    return segments_of(clips, status, 10, "test", SCENES)


@given(
    scenes=st.lists(st.integers(0, 2), min_size=2, max_size=30).filter(lambda x: len(set(x)) > 1),
    share=st.floats(0.01, 1),
    seed=st.integers(0, 2**40),
)
def test_a_swapped_clip_has_the_sound_of_another_scene(
    scenes: list[int], share: float, seed: int
) -> None:
    segments = _segments(scenes, [1 + k % 3 for k in range(len(scenes))])
    found = draw_swaps(segments, seed, share)
    moved = found.sound_of != np.arange(len(scenes))
    assert moved.sum() == max(round(share * len(scenes)), 1)
    assert np.array_equal(found.swapped, moved)
    again = draw_swaps(segments, seed, share)
    assert np.array_equal(found.sound_of, again.sound_of)
    # Each segment hears a second of the right clip, and its own second where nothing is swapped.
    heard = found.sounds()
    assert np.array_equal(segments.clip[heard], found.sound_of[segments.clip])
    own = ~moved[segments.clip]
    assert np.array_equal(heard[own], np.flatnonzero(own))


def test_seeds_differ_and_smaller_shares_are_among_larger_ones() -> None:
    segments = _segments([0, 1, 2] * 20, [2] * 60)
    half, most = draw_swaps(segments, 3, 0.5), draw_swaps(segments, 3, 0.8)
    assert not (half.swapped & ~most.swapped).any()
    assert (half.sound_of != draw_swaps(segments, 4, 0.5).sound_of).any()


def test_a_fold_of_one_scene_cannot_be_swapped() -> None:
    with pytest.raises(AvscError):
        draw_swaps(_segments([1, 1, 1], [2, 2, 2]), 0, 0.5)


@pytest.fixture
def store(small_store: Path) -> Store:
    return Store.open(small_store)


def _test_fold(store: Store) -> Segments:
    return segments_of(store.clips, store.status(), 2, "test", store.scenes)


def _ids(store: Store, segments: Segments) -> list[str]:
    return [store.clips[row].id for row in segments.rows]


def test_a_list_of_pairs_says_whose_sound_each_clip_has(store: Store, tmp_path: Path) -> None:
    segments = _test_fold(store)
    ids, scenes = _ids(store, segments), scene_of(segments)
    other = next(k for k in range(len(ids)) if scenes[k] != scenes[0])
    for separator, suffix in (("\t", ""), (", ", ".wav"), (";", ".mp4")):
        path = tmp_path / "pairs.txt"
        rows = [
            f"video{separator}sound",
            f"video/{ids[0]}.mp4{separator}audio/{ids[other]}{suffix}",
        ]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
        found, classes = listed_swaps(read_lines(path, store), [], segments, store, 0)
        assert classes is None
        assert found.sound_of.tolist() == [other, *range(1, len(ids))]
        assert np.flatnonzero(found.swapped).tolist() == [0]


def test_lists_such_as_vadds_are_read(store: Store, tmp_path: Path) -> None:
    segments = _test_fold(store)
    ids, scenes = _ids(store, segments), scene_of(segments)
    half = len(ids) // 2
    for name, some in (("manipulated", ids[:half]), ("swaps", ids[half:])):
        rows = [f"['{one}.mp4', '{one.split('-')[0]}']" for one in some]
        (tmp_path / f"{name}.txt").write_text("\n".join(rows))
    lines, sounds = (
        read_lines(tmp_path / f"{name}.txt", store) for name in ("manipulated", "swaps")
    )
    found, classes = listed_swaps(lines, sounds, segments, store, 0)
    assert classes is None
    assert np.flatnonzero(found.swapped).tolist() == list(range(half))
    assert found.sound_of[:half].min() >= half
    assert (scenes[found.sound_of[:half]] != scenes[:half]).all()
    other, _ = listed_swaps(lines, sounds, segments, store, 1)
    assert (other.sound_of != found.sound_of).any()


def test_classes_of_several_scenes_are_told_apart_as_the_list_does(
    store: Store, tmp_path: Path
) -> None:
    vehicles = {"bus", "metro", "tram"}
    segments = _test_fold(store)
    ids = _ids(store, segments)
    rows = [f"{one}\t{'vehicle' if one.split('-')[0] in vehicles else 'none'}" for one in ids]
    path = tmp_path / "list.tsv"
    path.write_text("\n".join(rows))
    found, classes = listed_swaps(read_lines(path, store), [], segments, store, 0)
    assert classes is not None
    assert {store.scenes[k] for k in np.flatnonzero(classes == classes.max())} == vehicles
    assert found.swapped.all()
    assert (classes[scene_of(segments)][found.sound_of] != classes[scene_of(segments)]).all()


Edit = Callable[[list[str], list[str]], str]


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda test, train: "", "no lines"),
        (lambda test, train: f"{test[0]}\nno-such-clip\n", "no-such-clip"),
        (lambda test, train: f"{test[0]}\n{test[1]}\n{test[0]}", "line 3"),
        (lambda test, train: f"{test[0]}\n{train[1]}", "line 2"),
        (lambda test, train: f"{test[0]},{train[1]}", "line 1"),
        (lambda test, train: f"{test[0]},tram", "tram"),
        (lambda test, train: "\0\xff", ""),
    ],
)
def test_a_list_that_cannot_be_used_is_named_with_its_lines(
    store: Store, tmp_path: Path, edit: Edit, named: str
) -> None:
    segments = _test_fold(store)
    test = [one for one in _ids(store, segments) if not one.startswith("tram")]
    train = [clip.id for clip in store.clips if clip.fold == "train"]
    path = tmp_path / "list.txt"
    path.write_bytes(edit(test, train).encode("latin-1"))
    with pytest.raises(AvscError) as caught:
        listed_swaps(read_lines(path, store), [], segments, store, 0)
    assert named in caught.value.got


def test_quarantined_clips_of_a_list_are_left_out(store: Store, tmp_path: Path) -> None:
    segments = _test_fold(store)
    (bad,) = store.reasons()
    path = tmp_path / "list.txt"
    path.write_text("\n".join([_ids(store, segments)[0], bad]))
    found, _ = listed_swaps(read_lines(path, store), [], segments, store, 0)
    assert found.swapped.sum() == 1
