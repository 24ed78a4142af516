"""Students of runs, of folders of seeds and of predictions files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.evaluation import evaluate
from avsc.export.export import export
from avsc.recipe import Recipe
from avsc.train.distributed import Ranks
from avsc.train.load import Run
from avsc.train.run import train
from avsc.train.seeds import train_seeds
from tests.conftest import MakeRecipe
from tests.train.kept import same, weights_of
from tests.train.teachers import STUDENT, TRAIN_FILE, changed_file


def test_an_audio_student_learns_the_same_from_a_joint_run_and_from_its_predictions(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    for name, teacher in (
        ("alone", ""),
        ("run", str(teacher_run)),
        ("file", str(teacher_run / TRAIN_FILE)),
    ):
        more = [f"distill.teacher={teacher}"] if teacher else []
        train(small_store, tmp_path / name, quick(*STUDENT, *more), device="cpu")
    weights = {name: weights_of(tmp_path / name) for name in ("alone", "run", "file")}
    assert same(weights["run"], weights["file"])
    assert not same(weights["run"], weights["alone"])


def test_a_joint_student_of_an_ensemble_is_a_run_like_others(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    audio, student = tmp_path / "audio", tmp_path / "student"
    train_seeds(small_store, audio, quick(*STUDENT), 2, device="cpu")
    settings = [
        f'distill.teacher=["{teacher_run}", "{audio}"]',
        "distill.weight=0.9",
        "train.views=2",
        "train.drop_audio=0.2",
        "train.drop_image=0.2",
        "train.shift_s=1",
        "train.class_weights=balanced",
        "train.epochs=1",
    ]
    train(small_store, student, quick(*settings), device="cpu")
    for run in (teacher_run, student):
        evaluate(run, device="cpu", with_report=False)
    assert [one.name for one in compare([teacher_run, student]).systems] == ["joint", "student"]
    told = CliRunner().invoke(app, ["info", str(student)])
    assert told.exit_code == 0
    assert all(word in told.output for word in (str(teacher_run), str(audio), "0.9"))


def test_a_run_goes_on_with_the_teacher_it_was_begun_with_and_with_no_other(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    teacher, student = tmp_path / "teacher.csv", tmp_path / "student"
    shutil.copy(teacher_run / TRAIN_FILE, teacher)
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
    teacher_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher, student = tmp_path / "teacher.csv", tmp_path / "student"
    shutil.copy(teacher_run / TRAIN_FILE, teacher)
    asked = quick("train.strategy=audio", "train.epochs=2", f"distill.teacher={teacher}")
    monkeypatch.setattr("avsc.train.trainer.Ranks.wait", _stop_after_saving(student))
    with pytest.raises(KeyboardInterrupt):
        train(small_store, student, asked, device="cpu")
    monkeypatch.undo()
    changed_file(
        teacher_run, teacher, lambda names, shares, scenes: (names, shares[:, ::-1], scenes)
    )
    with pytest.raises(AvscError) as caught:
        train(small_store, student, resume=True, device="cpu")
    assert str(teacher) in caught.value.got


def _stop_after_saving(run: Path) -> Callable[[Ranks], None]:
    def wait(_: Ranks) -> None:
        if (run / "checkpoints" / "last").is_dir():
            raise KeyboardInterrupt

    return wait


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


def test_teachers_are_an_option_that_may_be_repeated(
    small_store: Path, teacher_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr("avsc.train.run.train", lambda *a, **_: asked.append(a[2]))
    words = ["train", str(small_store), "--out", str(tmp_path / "run"), "--strategy", "audio"]
    two = ["--teacher", str(teacher_run), "--teacher", "1e3"]
    assert CliRunner().invoke(app, [*words, *two, "--set", "distill.weight=0.2"]).exit_code == 0
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [one.distill.teacher for one in asked] == [(str(teacher_run), "1e3"), ()]
    assert asked[0].distill.weight == 0.2


def test_the_card_of_a_student_says_its_teacher(
    small_store: Path, quick: MakeRecipe, teacher_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "student"
    train(small_store, run, quick(*STUDENT, f"distill.teacher={teacher_run}"), device="cpu")
    text = (export(run, "safetensors", out=tmp_path / "out") / "README.md").read_text()
    (digest,) = [one.sha256 for one in Run.open(run, "cpu").manifest.teachers]
    (line,) = [line for line in text.splitlines() if digest in line]
    assert "`joint`" in line
