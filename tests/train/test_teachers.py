"""Answers of teachers: runs, folders of seeds and predictions files."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.predictions import read_predictions
from avsc.store.reader import Store
from avsc.train import teacher as teaching
from tests.conftest import MakeRecipe, MakeRun, MakeStore
from tests.train.teachers import STUDENT, TRAIN_FILE, changed_file, targets


def test_soft_targets_are_the_scores_of_each_second_at_the_temperature(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    recipe = quick(*STUDENT, f"distill.teacher={teacher_run}", "distill.temperature=3.0")
    found = targets(small_store, recipe, tmp_path)
    store = Store.open(small_store)
    rows = training_fold(store, recipe.train).train.rows.tolist()
    keys = [(store.clips[row].id, second) for row in rows for second in range(2)]
    shares = read_predictions(teacher_run / TRAIN_FILE).in_order(keys, store.scenes)
    wanted = shares ** (1 / 3)
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.reshape(-1, 10), wanted, atol=1e-6)


def test_of_several_teachers_each_counts_the_same_and_a_folder_of_seeds_is_one(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds"
    for seed in (0, 1, 2):
        make_run(seeds / f"seed-{seed}", small_store, "audio", seed)
    one_each = [
        targets(small_store, quick(f'distill.teacher=["{path}"]'), tmp_path)
        for path in (teacher_run, *sorted(seeds.iterdir()))
    ]
    together = targets(
        small_store, quick(f'distill.teacher=["{teacher_run}", "{seeds}"]'), tmp_path
    )
    wanted = (one_each[0] + np.mean(one_each[1:], axis=0)) / 2
    np.testing.assert_allclose(together, wanted, atol=1e-6)
    assert np.abs(one_each[1] - one_each[2]).max() > 1e-3


def test_a_teacher_answers_once_for_all_students_and_goes_on_where_it_was_killed(
    make_store: MakeStore,
    store_settings: Any,
    quick: MakeRecipe,
    make_run: MakeRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store(tmp_path / "store", 40, settings=store_settings, size=(36, 64))
    run = make_run(tmp_path / "teacher", store, "audio")
    recipe = quick(*STUDENT, f"distill.teacher={run}")
    answered: list[int] = []
    limit = 8
    sample_logits = score.sample_logits

    def noting(run: Any, opened: Store, segments: Any) -> Any:
        if len(answered) > limit:
            raise KeyboardInterrupt
        answered.extend(segments.rows.tolist())
        return sample_logits(run, opened, segments)

    monkeypatch.setattr(score, "sample_logits", noting)
    with pytest.raises(KeyboardInterrupt):
        targets(store, recipe, tmp_path)
    begun = len(answered)
    assert 0 < begun < 30
    answered_before, answered[:] = set(answered), []
    limit = 1000
    first = targets(store, recipe, tmp_path)
    assert not answered_before & set(answered)
    fold = training_fold(Store.open(store), recipe.train)
    learnt = {*fold.train.rows.tolist(), *fold.validation.rows.tolist()}
    assert answered_before | set(answered) == learnt  # nothing of the test fold
    monkeypatch.setattr(score, "sample_logits", lambda *_: pytest.fail("it answered again"))
    other = quick(*STUDENT, f"distill.teacher={run}", "train.seed=5", "distill.temperature=9.0")
    assert targets(store, other, tmp_path).shape == first.shape
    shutil.move(run, tmp_path / "moved")  # its folder's name is no part of what it says
    moved = quick(*STUDENT, f"distill.teacher={tmp_path / 'moved'}")
    assert np.array_equal(targets(store, moved, tmp_path), first)


def test_a_damaged_answer_is_computed_again(
    make_store: MakeStore, store_settings: Any, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store", 40, settings=store_settings, size=(36, 64))
    run = make_run(tmp_path / "teacher", store, "audio")
    recipe = quick(*STUDENT, f"distill.teacher={run}")
    wanted = targets(store, recipe, tmp_path)
    (chunk, *_) = sorted((tmp_path / "store.embeddings").glob("*.zarr/c/0/0/0/0"))
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    assert np.array_equal(targets(store, recipe, tmp_path), wanted)


def test_a_file_may_have_other_columns_and_rows_first_and_clips_that_are_not_trained_on(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    turned = changed_file(
        teacher_run,
        tmp_path / "turned.csv",
        lambda names, shares, scenes: (names[::-1], shares[::-1, ::-1], scenes[::-1]),
    )
    found = [
        targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
        for path in (teacher_run / TRAIN_FILE, turned)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-7)


def test_a_file_that_lacks_training_clips_says_how_many_and_what_to_do(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    store = Store.open(small_store)
    rows = training_fold(store, quick().train).train.rows.tolist()
    gone = [store.clips[row].id for row in rows[:3]]

    def without(names: list[str], shares: np.ndarray, scenes: list[str]) -> Any:
        # One of the clips lacks its last second only.
        kept = [k for k, n in enumerate(names) if n != f"{gone[0]}_1" and n[:-2] not in gone[1:]]
        return [names[k] for k in kept], shares[kept], scenes

    path = changed_file(teacher_run, tmp_path / "some.csv", without)
    with pytest.raises(AvscError) as caught:
        targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
    assert str(path) in caught.value.got
    assert f"3 of the {len(rows)} " in caught.value.got
    assert "--fold train" in caught.value.remedy


def test_what_is_no_teacher_of_this_store_is_refused_by_name(
    small_store: Path,
    make_store: MakeStore,
    store_settings: Any,
    quick: MakeRecipe,
    make_run: MakeRun,
    teacher_run: Path,
    tmp_path: Path,
) -> None:
    scenes = ("beach", "cave")
    other = make_store(tmp_path / "o", 20, settings=store_settings, size=(36, 64), scenes=scenes)
    again = make_store(tmp_path / "a", 40, settings=store_settings, size=(36, 64), seed=5)
    strangers = {
        "beach": make_run(tmp_path / "beach", other, "audio"),
        "another store": make_run(tmp_path / "again", again, "audio"),
        "no teacher": tmp_path / "nowhere",
        "config.toml": tmp_path / "a",
    }
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for word, path in strangers.items():
        with pytest.raises(AvscError) as caught:
            targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
        assert str(path) in caught.value.got
        assert word in caught.value.got
    every = json.dumps([str(teacher_run), *map(str, strangers.values())])
    with pytest.raises(AvscError) as caught:
        targets(small_store, quick(f"distill.teacher={every}"), tmp_path)
    assert all(str(path) in caught.value.got for path in strangers.values())
    with pytest.raises(AvscError) as caught:
        targets(small_store, quick(f"distill.teacher={tmp_path / 'photo.jpg'}"), tmp_path)
    assert "photo.jpg" in caught.value.got


def test_a_teacher_that_knows_the_test_clips_is_told(
    small_store: Path, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    # In a store of the folds train and test, `train` is a fold that may be left out.
    run = make_run(tmp_path / "teacher", small_store, "audio", settings=("train.fold=train",))
    recipe = quick(*STUDENT, f"distill.teacher={run}")
    teachers = teaching.teachers_of(recipe, Store.open(small_store))
    (line,) = teaching.leaks(recipe, teachers)
    assert str(run) in line
    same = quick(*STUDENT, f"distill.teacher={run}", "train.fold=train")
    assert not teaching.leaks(same, teachers)


def test_probabilities_of_one_frame_soften_as_its_logits_do() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (5, 10))
    answers = np.log(softmax(logits, axis=1)).astype(np.float32)
    np.testing.assert_allclose(
        teaching.softened(answers, 2.5), softmax(logits / 2.5, axis=1), atol=1e-6
    )
