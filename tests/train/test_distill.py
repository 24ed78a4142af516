"""Students of runs, of folders of seeds and of predictions files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import softmax
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.compare import compare
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.predictions import read_predictions, write_predictions
from avsc.export.export import export
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train import teacher as teaching
from avsc.train.distributed import Ranks
from avsc.train.load import Run
from avsc.train.run import train
from avsc.train.seeds import train_seeds
from tests.conftest import MakeRecipe, MakeRun, MakeStore

STUDENT = ("train.strategy=audio", "train.epochs=1")
TRAIN_FILE = "evaluation/train-segment/predictions.csv"


@pytest.fixture(scope="module")
def joint(small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint teacher and its predictions of the training fold."""
    run = tmp_path_factory.mktemp("teacher") / "joint"
    train(small_store, run, quick("train.images=embedding"), device="cpu")
    evaluate(run, fold="train", device="cpu", with_report=False)
    return run


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "last" / "weights.safetensors")


def _same(one: Path, other: Path) -> bool:
    mine, theirs = _weights(one), _weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def _targets(store: Path, recipe: Recipe, elsewhere: Path) -> np.ndarray:
    opened = Store.open(store)
    fold = training_fold(opened, recipe.train)
    teachers = teaching.teachers_of(recipe, opened)
    return teaching.soft_targets(opened, fold, recipe, teachers, Ranks(), elsewhere=elsewhere)


def test_an_audio_student_learns_the_same_from_a_joint_run_and_from_its_predictions(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    for name, teacher in (("alone", ""), ("run", str(joint)), ("file", str(joint / TRAIN_FILE))):
        more = [f"distill.teacher={teacher}"] if teacher else []
        train(small_store, tmp_path / name, quick(*STUDENT, *more), device="cpu")
    assert _same(tmp_path / "run", tmp_path / "file")
    assert not _same(tmp_path / "run", tmp_path / "alone")


def test_soft_targets_are_the_scores_of_each_second_at_the_temperature(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    recipe = quick(*STUDENT, f"distill.teacher={joint}", "distill.temperature=3.0")
    found = _targets(small_store, recipe, tmp_path)
    store = Store.open(small_store)
    rows = training_fold(store, recipe.train).train.rows.tolist()
    keys = [(store.clips[row].id, second) for row in rows for second in range(2)]
    shares = read_predictions(joint / TRAIN_FILE).in_order(keys, store.scenes)
    wanted = shares ** (1 / 3)
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.reshape(-1, 10), wanted, atol=1e-6)


def test_of_several_teachers_each_counts_the_same_and_a_folder_of_seeds_is_one(
    small_store: Path, quick: MakeRecipe, joint: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds"
    for seed in (0, 1, 2):
        make_run(seeds / f"seed-{seed}", small_store, "audio", seed)
    one_each = [
        _targets(small_store, quick(f'distill.teacher=["{path}"]'), tmp_path)
        for path in (joint, *sorted(seeds.iterdir()))
    ]
    together = _targets(small_store, quick(f'distill.teacher=["{joint}", "{seeds}"]'), tmp_path)
    wanted = (one_each[0] + np.mean(one_each[1:], axis=0)) / 2
    np.testing.assert_allclose(together, wanted, atol=1e-6)
    assert np.abs(one_each[1] - one_each[2]).max() > 1e-3


def test_a_joint_student_of_an_ensemble_is_a_run_like_others(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    audio, student = tmp_path / "audio", tmp_path / "student"
    train_seeds(small_store, audio, quick(*STUDENT), 2, device="cpu")
    settings = [
        f'distill.teacher=["{joint}", "{audio}"]',
        "distill.weight=0.9",
        "train.views=2",
        "train.drop_audio=0.2",
        "train.drop_image=0.2",
        "train.shift_s=1",
        "train.class_weights=balanced",
        "train.epochs=1",
    ]
    train(small_store, student, quick(*settings), device="cpu")
    for run in (joint, student):
        evaluate(run, device="cpu", with_report=False)
    assert [one.name for one in compare([joint, student]).systems] == ["joint", "student"]
    told = CliRunner().invoke(app, ["info", str(student)])
    assert told.exit_code == 0
    assert all(word in told.output for word in (str(joint), str(audio), "0.9"))


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
        _targets(store, recipe, tmp_path)
    begun = len(answered)
    assert 0 < begun < 30
    answered_before, answered[:] = set(answered), []
    limit = 1000
    first = _targets(store, recipe, tmp_path)
    assert not answered_before & set(answered)
    fold = training_fold(Store.open(store), recipe.train)
    learnt = {*fold.train.rows.tolist(), *fold.validation.rows.tolist()}
    assert answered_before | set(answered) == learnt  # nothing of the test fold
    monkeypatch.setattr(score, "sample_logits", lambda *_: pytest.fail("it answered again"))
    other = quick(*STUDENT, f"distill.teacher={run}", "train.seed=5", "distill.temperature=9.0")
    assert _targets(store, other, tmp_path).shape == first.shape
    shutil.move(run, tmp_path / "moved")  # its folder's name is no part of what it says
    moved = quick(*STUDENT, f"distill.teacher={tmp_path / 'moved'}")
    assert np.array_equal(_targets(store, moved, tmp_path), first)


def test_a_damaged_answer_is_computed_again(
    make_store: MakeStore, store_settings: Any, quick: MakeRecipe, make_run: MakeRun, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store", 40, settings=store_settings, size=(36, 64))
    run = make_run(tmp_path / "teacher", store, "audio")
    recipe = quick(*STUDENT, f"distill.teacher={run}")
    wanted = _targets(store, recipe, tmp_path)
    (chunk, *_) = sorted((tmp_path / "store.embeddings").glob("*.zarr/c/0/0/0/0"))
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    assert np.array_equal(_targets(store, recipe, tmp_path), wanted)


def _file(
    joint: Path, path: Path, change: Callable[[list[str], np.ndarray, list[str]], Any]
) -> Path:
    read = read_predictions(joint / TRAIN_FILE)
    names, shares, scenes = change(list(read.names), read.probabilities, list(read.scenes))
    write_predictions(path, names, shares, scenes)
    return path


def test_a_file_may_have_other_columns_and_rows_first_and_clips_that_are_not_trained_on(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    turned = _file(
        joint,
        tmp_path / "turned.csv",
        lambda names, shares, scenes: (names[::-1], shares[::-1, ::-1], scenes[::-1]),
    )
    found = [
        _targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
        for path in (joint / TRAIN_FILE, turned)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-7)


def test_a_file_that_lacks_training_clips_says_how_many_and_what_to_do(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    store = Store.open(small_store)
    rows = training_fold(store, quick().train).train.rows.tolist()
    gone = [store.clips[row].id for row in rows[:3]]

    def without(names: list[str], shares: np.ndarray, scenes: list[str]) -> Any:
        # One of the clips lacks its last second only.
        kept = [k for k, n in enumerate(names) if n != f"{gone[0]}_1" and n[:-2] not in gone[1:]]
        return [names[k] for k in kept], shares[kept], scenes

    path = _file(joint, tmp_path / "some.csv", without)
    with pytest.raises(AvscError) as caught:
        _targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
    assert str(path) in caught.value.got
    assert f"3 of the {len(rows)} " in caught.value.got
    assert "--fold train" in caught.value.remedy


def test_what_is_no_teacher_of_this_store_is_refused_by_name(
    small_store: Path,
    make_store: MakeStore,
    store_settings: Any,
    quick: MakeRecipe,
    make_run: MakeRun,
    joint: Path,
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
            _targets(small_store, quick(f"distill.teacher={path}"), tmp_path)
        assert str(path) in caught.value.got
        assert word in caught.value.got
    every = json.dumps([str(joint), *map(str, strangers.values())])
    with pytest.raises(AvscError) as caught:
        _targets(small_store, quick(f"distill.teacher={every}"), tmp_path)
    assert all(str(path) in caught.value.got for path in strangers.values())
    with pytest.raises(AvscError) as caught:
        _targets(small_store, quick(f"distill.teacher={tmp_path / 'photo.jpg'}"), tmp_path)
    assert "photo.jpg" in caught.value.got


def test_a_run_goes_on_with_the_teacher_it_was_begun_with_and_with_no_other(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    teacher, student = tmp_path / "teacher.csv", tmp_path / "student"
    shutil.copy(joint / TRAIN_FILE, teacher)
    asked = quick("train.strategy=audio", "train.epochs=2", f"distill.teacher={teacher}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avsc.train.trainer.RunLog.write", _stop)
        with pytest.raises(KeyboardInterrupt):
            train(small_store, student, asked, device="cpu")
    # The interrupted epoch has left its best checkpoint, and no last one: it begins again.
    ended = train(small_store, student, asked, device="cpu")
    assert ended.epochs == 2
    teacher.unlink()
    assert train(small_store, student, resume=True, device="cpu").epochs == 2  # it is finished
    manifest = json.loads((student / "checkpoints/last/manifest.json").read_text())
    (recorded,) = manifest["teachers"]
    assert recorded["path"] == str(teacher)
    assert manifest["recipe"]["distill"]["weight"] == 0.5


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_teacher_that_changed_meanwhile_is_refused_at_the_resume(
    small_store: Path,
    quick: MakeRecipe,
    joint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher, student = tmp_path / "teacher.csv", tmp_path / "student"
    shutil.copy(joint / TRAIN_FILE, teacher)
    asked = quick("train.strategy=audio", "train.epochs=2", f"distill.teacher={teacher}")
    monkeypatch.setattr("avsc.train.trainer.Ranks.wait", _stop_after_saving(student))
    with pytest.raises(KeyboardInterrupt):
        train(small_store, student, asked, device="cpu")
    monkeypatch.undo()
    _file(joint, teacher, lambda names, shares, scenes: (names, shares[:, ::-1], scenes))
    with pytest.raises(AvscError) as caught:
        train(small_store, student, resume=True, device="cpu")
    assert str(teacher) in caught.value.got


def _stop_after_saving(run: Path) -> Callable[[Ranks], None]:
    def wait(_: Ranks) -> None:
        if (run / "checkpoints" / "last").is_dir():
            raise KeyboardInterrupt

    return wait


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


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("distill.teacher=3", "distill.teacher"),
        ("distill.teacher=[1, 2]", "distill.teacher"),
        ('distill.teacher=""', "distill.teacher"),
        ("distill.weight=0", "distill.weight"),
        ("distill.weight=1.5", "distill.weight"),
        ("distill.temperature=0", "distill.temperature"),
    ],
)
def test_settings_that_are_none_are_refused(value: str, named: str, quick: MakeRecipe) -> None:
    with pytest.raises(AvscError) as caught:
        quick(value)
    assert named in caught.value.got


def test_probabilities_of_one_frame_soften_as_its_logits_do() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (5, 10))
    answers = np.log(softmax(logits, axis=1)).astype(np.float32)
    np.testing.assert_allclose(
        teaching.softened(answers, 2.5), softmax(logits / 2.5, axis=1), atol=1e-6
    )


def test_teachers_are_an_option_that_may_be_repeated(
    small_store: Path, joint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr("avsc.train.run.train", lambda *a, **_: asked.append(a[2]))
    words = ["train", str(small_store), "--out", str(tmp_path / "run"), "--strategy", "audio"]
    two = ["--teacher", str(joint), "--teacher", "1e3"]
    assert CliRunner().invoke(app, [*words, *two, "--set", "distill.weight=0.2"]).exit_code == 0
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [one.distill.teacher for one in asked] == [(str(joint), "1e3"), ()]
    assert asked[0].distill.weight == 0.2


def test_the_card_of_a_student_says_its_teacher(
    small_store: Path, quick: MakeRecipe, joint: Path, tmp_path: Path
) -> None:
    run = tmp_path / "student"
    train(small_store, run, quick(*STUDENT, f"distill.teacher={joint}"), device="cpu")
    text = (export(run, "safetensors", out=tmp_path / "out") / "README.md").read_text()
    (digest,) = [one.sha256 for one in Run.open(run, "cpu").manifest.teachers]
    (line,) = [line for line in text.splitlines() if digest in line]
    assert "`joint`" in line
