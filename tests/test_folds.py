from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.folds import Split, cross_folds, split_clips, train_and_test
from avsc.recipe_sections import TrainRecipe
from avsc.scenes import SCENES
from avsc.store.layout import StoredClip
from avsc.store.reader import Store

# Clips of the official training fold by scene, at about 30 locations a scene (DESIGN section 9).
OFFICIAL = (697, 806, 705, 893, 1006, 982, 841, 968, 985, 763)


def official() -> tuple[list[str], list[tuple[str, ...]]]:
    rng = np.random.default_rng(0)
    scenes: list[str] = []
    groups: list[tuple[str, ...]] = []
    for scene, count in zip(SCENES, OFFICIAL, strict=True):
        for location in np.sort(rng.integers(0, 30, count)).tolist():
            scenes.append(scene)
            groups.append(("lyon", f"{scene}{location}"))
    return scenes, groups


def shares(scenes: list[str], split: Split) -> dict[str, float]:
    held = Counter(s for s, h in zip(scenes, split.validation, strict=True) if h)
    return {scene: held[scene] / count for scene, count in Counter(scenes).items()}


def test_no_location_lies_on_both_sides() -> None:
    scenes, groups = official()
    held = split_clips(scenes, groups, 0.1, 0).validation
    one = {g for g, h in zip(groups, held, strict=True) if h}
    other = {g for g, h in zip(groups, held, strict=True) if not h}
    assert one
    assert not one & other


@pytest.mark.parametrize("seed", range(5))
def test_about_the_asked_share_of_every_scene_is_held_out(seed: int) -> None:
    scenes, groups = official()
    split = split_clips(scenes, groups, 0.1, seed)
    assert split.validation.mean() == pytest.approx(0.1, abs=0.01)
    assert all(0.07 < share < 0.13 for share in shares(scenes, split).values())
    assert split.notes == ()


def test_by_clip_the_share_is_exact_to_a_clip() -> None:
    scenes, _ = official()
    split = split_clips(scenes, [(str(i),) for i in range(len(scenes))], 0.1, 0)
    held = Counter(s for s, h in zip(scenes, split.validation, strict=True) if h)
    assert all(abs(held[s] - 0.1 * n) <= 0.5 for s, n in zip(SCENES, OFFICIAL, strict=True))


def test_another_seed_holds_out_others_and_the_same_seed_the_same() -> None:
    scenes, groups = official()
    first, again, other = (split_clips(scenes, groups, 0.1, seed).validation for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first & other).sum() < 0.5 * first.sum()


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(0, [19, 26]), (1, [9, 14]), (2**63 - 1, [3, 10])],
)
def test_the_split_of_a_seed_is_the_same_in_every_version(seed: int, expected: list[int]) -> None:
    groups = [(f"{number:03}",) for number in range(30)]
    held = split_clips(["bus"] * 30, groups, 0.07, seed).validation
    assert np.flatnonzero(held).tolist() == expected


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_fold_is_split_whole_groups_at_a_time_leaving_training_every_scene(
    data: st.DataObject,
) -> None:
    pairs = data.draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=1, max_size=60)
    )
    fraction = data.draw(st.floats(0.01, 0.9))
    scenes = [scene for scene, _ in pairs]
    groups = [(f"{scene if number < 5 else ''}{number}",) for scene, number in pairs]
    try:
        split = split_clips(scenes, groups, fraction, data.draw(st.integers(0, 1000)))
    except AvscError:
        by_scene = {s: {g for t, g in zip(scenes, groups, strict=True) if t == s} for s in scenes}
        assert any(len(found) == 1 for found in by_scene.values())
        return
    held = dict(zip(groups, split.validation.tolist(), strict=True))
    assert split.validation.tolist() == [held[group] for group in groups]
    assert {s for s, h in zip(scenes, split.validation, strict=True) if not h} == set(scenes)


def test_the_order_of_the_clips_has_no_influence() -> None:
    scenes, groups = official()
    shuffled = np.random.default_rng(1).permutation(len(scenes))
    moved = split_clips([scenes[i] for i in shuffled], [groups[i] for i in shuffled], 0.1, 3)
    np.testing.assert_array_equal(
        moved.validation, split_clips(scenes, groups, 0.1, 3).validation[shuffled]
    )


def test_a_scene_too_small_for_its_share_still_has_its_smallest_location_held_out() -> None:
    scenes = ["bus"] * 10
    groups = [("oslo", "1")] * 6 + [("oslo", "2")] * 4
    assert split_clips(scenes, groups, 0.1, 0).validation.tolist() == [False] * 6 + [True] * 4


def test_a_scene_with_one_location_stays_in_training_and_that_is_said() -> None:
    scenes = ["bus", "bus", "tram", "tram"]
    groups = [("oslo", "1"), ("oslo", "2"), ("oslo", "3"), ("oslo", "3")]
    split = split_clips(scenes, groups, 0.3, 0)
    assert split.validation.sum() == 1
    assert not split.validation[2:].any()
    assert len(split.notes) == 1
    assert "tram" in split.notes[0]


def test_a_fold_with_one_location_a_scene_is_refused_with_a_way_out() -> None:
    with pytest.raises(AvscError) as caught:
        split_clips(["bus", "bus"], [("oslo", "1"), ("oslo", "1")], 0.1, 0)
    assert caught.value.got.startswith("2 ")
    assert "train.val_split=clip" in caught.value.remedy


@given(st.integers(0, 2**40), st.integers(2, 6))
def test_folds_are_dealt_out_evenly_and_keep_groups_whole(seed: int, folds: int) -> None:
    groups = [(f"{scene}-{place}",) for scene in range(3) for place in range(8) for _ in range(2)]
    scenes = [group[0][0] for group in groups]
    dealt = cross_folds(scenes, groups, folds, seed)
    assert set(dealt.tolist()) == set(range(folds))
    for group in set(groups):
        assert len({int(fold) for fold, of in zip(dealt, groups, strict=True) if of == group}) == 1
    for scene in "012":
        counts = np.bincount(dealt[np.array(scenes) == scene], minlength=folds)
        assert counts.max() - counts.min() <= 2  # a group


@given(st.integers(0, 2**40), st.integers(2, 12))
def test_as_many_folds_as_groups_leave_out_one_each(seed: int, count: int) -> None:
    groups = [(str(number // 3),) for number in range(3 * count)]
    scenes = [str(number % 2) for number in range(3 * count)]
    dealt = cross_folds(scenes, groups, count, seed)
    assert len({(fold, group) for fold, group in zip(dealt.tolist(), groups, strict=True)}) == count


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(AvscError) as caught:
        cross_folds(["a", "b"], [("1",), ("2",)], 3, 0)
    assert "2" in caught.value.remedy


def _clips(*folds: str) -> list[StoredClip]:
    return [StoredClip(f"c{n}", "bus", "", str(n), f, "", "") for n, f in enumerate(folds)]


def test_a_run_sees_one_fold_as_test_and_the_others_as_train() -> None:
    seen = train_and_test(_clips("1", "2", "", "3", "2"), "2")
    assert [clip.fold for clip in seen] == ["train", "test", "", "train", "test"]
    official = _clips("train", "test", "")
    assert train_and_test(official, None) == tuple(official)
    assert train_and_test(official, "test") == tuple(official)


@pytest.mark.parametrize(
    ("folds", "held_out"), [("12", None), ("12", "3"), (("train", "test"), "train")]
)
def test_a_fold_that_cannot_be_left_out_is_refused(
    folds: tuple[str, ...], held_out: str | None
) -> None:
    with pytest.raises(AvscError) as caught:
        train_and_test(_clips(*folds), held_out)
    assert caught.value.remedy


@pytest.mark.parametrize("by_clip", [True, False])
def test_a_split_by_clip_is_only_advised_where_it_is_not_set(by_clip: bool) -> None:
    scenes = ["bus", "park"] if by_clip else ["bus", "bus", "park", "park"]
    groups = [(str(i),) for i in range(2)] if by_clip else [("lyon", s) for s in scenes]
    with pytest.raises(AvscError) as caught:
        split_clips(scenes, groups, 0.1, 0)
    assert ("val_split=clip" in caught.value.remedy) == (not by_clip)


def test_a_scene_absent_from_the_training_fold_is_said(small_store: Path, tmp_path: Path) -> None:
    without = Store.open(small_store)
    without.clips = tuple(
        clip._replace(fold="test") if clip.scene == "tram" else clip for clip in without.clips
    )
    fold = training_fold(without, TrainRecipe(val_fraction=0.3))
    assert any("tram" in note and "cannot learn" in note for note in fold.notes)
