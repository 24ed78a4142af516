"""Students that learn from clips without a scene, which a teacher alone explains."""

import json
from pathlib import Path

import numpy as np
import pytest

from avsc import recipe as recipes
from avsc.data.split import training_fold, with_unlabelled
from avsc.errors import AvscError
from avsc.evaluate.evaluation import evaluate
from avsc.recipe import Recipe
from avsc.scenes import UNLABELLED
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from avsc.train.epoch import balanced_weights
from avsc.train.run import train
from tests.conftest import MakeRecipe, MakeRun, MakeStore

# Rows of clips of locations that no other clip is from: 7 good ones, one quarantined.
UNLABELLED_ROWS = (0, 3, 7, 11, 15, 20, 27, 33)


@pytest.fixture(scope="module")
def mixed_store(
    make_store: MakeStore, store_settings: StoreSettings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """40 clips, 8 of them unlabelled, one of these quarantined."""
    path = tmp_path_factory.mktemp("mixed") / "store"
    return make_store(
        path,
        40,
        settings=store_settings,
        size=(36, 64),
        learnable=True,
        quarantined=[0],
        unlabelled=UNLABELLED_ROWS,
    )


@pytest.fixture(scope="module")
def joint(mixed_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("teacher") / "joint"
    train(mixed_store, run, quick("train.images=embedding"), device="cpu")
    return run


def _samples(run: Path) -> int:
    """Samples of the run's last epoch."""
    row = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert 0 <= row["train_accuracy"] <= 1
    return int(row["samples"])


def _of(teacher: Path, *settings: str) -> list[str]:
    return [f"distill.teacher={teacher}", "distill.unlabelled=true", "train.epochs=1", *settings]


def test_the_training_clips_are_those_with_a_scene_and_all_without_one(
    mixed_store: Path, quick: MakeRecipe
) -> None:
    store = Store.open(mixed_store)
    alone = training_fold(store, quick().train)
    both = with_unlabelled(store, alone, None)
    labels = dict(zip(both.train.rows.tolist(), both.train.labels.tolist(), strict=True))
    nameless = {row for row, label in labels.items() if label == UNLABELLED}
    assert nameless == set(UNLABELLED_ROWS[1:])
    known = {row: label for row, label in labels.items() if row not in nameless}
    assert known == dict(zip(alone.train.rows.tolist(), alone.train.labels.tolist(), strict=True))
    assert (np.diff(both.train.rows) > 0).all()
    np.testing.assert_array_equal(both.validation.rows, alone.validation.rows)


@pytest.mark.parametrize("settings", [("train.strategy=audio",), ("train.views=2",)])
def test_a_student_of_unlabelled_clips_trains_on_them_and_is_a_run_like_others(
    mixed_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    without = tmp_path / "without"
    recipe = quick(*settings, f"distill.teacher={joint}", "train.epochs=1")
    train(mixed_store, without, recipe, device="cpu")
    student = tmp_path / "student"
    balanced = "train.class_weights=balanced"
    train(mixed_store, student, quick(*_of(joint, balanced, *settings)), device="cpu")
    frames = Store.open(mixed_store).frames(np.array(UNLABELLED_ROWS[1:])).sum()
    assert _samples(student) == _samples(without) + frames
    assert evaluate(student, device="cpu", with_report=False).summary is not None


def test_unlabelled_clips_of_a_location_of_the_test_fold_are_left_out(
    make_store: MakeStore, store_settings: StoreSettings, quick: MakeRecipe, tmp_path: Path
) -> None:
    """Two clips a location: one of them is unlabelled, in a test location and in another."""
    kwargs = {"settings": store_settings, "size": (36, 64), "clips_per_location": 2}
    labelled = Store.open(make_store(tmp_path / "labelled", 60, **kwargs))
    tested = next(row for row, clip in enumerate(labelled.clips) if clip.fold == "test")
    trained = next(row for row, clip in enumerate(labelled.clips) if clip.fold == "train")
    for rows, wanted in (([tested, trained], [trained]), ([tested], None)):
        path = tmp_path / f"of {len(rows)}"
        store = Store.open(make_store(path, 60, unlabelled=rows, **kwargs))
        fold = training_fold(store, quick().train)
        if wanted is None:
            with pytest.raises(AvscError) as caught:
                with_unlabelled(store, fold, None)
            assert "1 are of locations of the test fold" in caught.value.got
            continue
        found = with_unlabelled(store, fold, None)
        assert found.train.rows[found.train.labels == UNLABELLED].tolist() == wanted
        assert len(found.notes) == len(fold.notes) + 2


def test_a_store_without_unlabelled_clips_is_refused_before_any_work(
    small_store: Path, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    teacher = make_run(tmp_path / "teacher", small_store)
    with pytest.raises(AvscError) as caught:
        train(small_store, tmp_path / "student", quick(*_of(teacher)), device="cpu")
    assert "no unlabelled clip" in caught.value.got
    assert not (tmp_path / "student" / "checkpoints").exists()


def test_unlabelled_clips_need_a_teacher() -> None:
    with pytest.raises(AvscError) as caught:
        recipes.load(None, ["distill.unlabelled=true"])
    assert "distill.teacher" in str(caught.value)
    assert not Recipe().distill.unlabelled


def test_a_predictions_file_without_them_is_told_that_the_run_itself_teaches(
    mixed_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    evaluate(joint, fold="train", device="cpu", with_report=False)
    file = joint / "evaluation/train-segment/predictions.csv"
    with pytest.raises(AvscError) as caught:
        train(mixed_store, tmp_path / "student", quick(*_of(file)), device="cpu")
    assert "run itself" in caught.value.remedy
    assert "--fold train" not in caught.value.remedy  # it has labelled clips alone


def test_unlabelled_samples_do_not_count_for_the_weights_of_classes() -> None:
    labels = np.array([0, 0, 0, 2])
    with_more = np.concatenate([labels, [UNLABELLED] * 5])
    np.testing.assert_array_equal(balanced_weights(with_more), balanced_weights(labels))
