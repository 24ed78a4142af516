import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

from avsc import paper
from avsc.errors import AvscError
from avsc.evaluate import evaluation
from avsc.part import Part
from avsc.reproduce import plan
from avsc.reproduce import reproduce as reproducing
from avsc.reproduce.plan import TARGETS, Options, Request
from avsc.reproduce.reproduce import reproduce
from avsc.reproduce.status import run_folder, status
from avsc.store.reader import Store
from tests.reproduce.conftest import SMOKE

if TYPE_CHECKING:
    from tests.conftest import MakeStore
    from tests.reproduce.conftest import Trainer


def _table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _no_training(*arguments: object, **options: object) -> None:
    raise AssertionError(f"trained again: {arguments} {options}")


@pytest.mark.parametrize("name", paper.TABLES)
def test_every_row_stands_beside_the_papers_numbers_and_is_marked_as_a_smoke_run(
    smoke: Path, name: str
) -> None:
    found = _table(smoke, name)
    for line, row in zip(found, paper.rows(name), strict=True):
        assert line["system"] == row.system
        assert (float(line["paper_log_loss"]), float(line["paper_accuracy"])) == (
            row.log_loss,
            row.accuracy,
        )
        assert line["smoke"] == "true"
        if row.recipe is None:
            assert line["status"] == "the paper's alone"
            assert not any(line[key] for key in ("log_loss", "accuracy", "accuracy_low"))
            continue
        assert line["status"] == "measured"
        ours, low, high = (float(line[f"log_loss{end}"]) for end in ("", "_low", "_high"))
        assert low <= ours <= high
        assert float(line["log_loss_difference"]) == pytest.approx(ours - row.log_loss, abs=2e-6)
        assert 0 <= float(line["accuracy"]) <= 100
    page = (smoke / f"{name}.md").read_text(encoding="utf-8")
    assert "SMOKE RUN" in page.splitlines()[0]
    assert "NOT the official folds" in page


def test_tables_share_their_runs_and_agree_on_them(smoke: Path) -> None:
    assert len([path for path in (smoke / "runs").iterdir() if path.is_dir()]) == 14
    (joint,) = [r for r in _table(smoke, "table3") if r["recipe"] == "joint-scalogram-effnetv2s"]
    assert joint["log_loss"] == _table(smoke, "table4")[-1]["log_loss"]
    assert joint["log_loss"] == _table(smoke, "table5")[-1]["log_loss"]


def test_figure_2_is_drawn(smoke: Path) -> None:
    picture = imread(smoke / "fig2.png")
    assert min(picture.shape[:2]) > 1000
    assert np.ptp(picture[..., :3]) == 1
    drawing = (smoke / "fig2.svg").read_text(encoding="utf-8")
    assert drawing.count("axes_") >= 4
    assert "date" not in drawing.lower()


def test_what_is_complete_is_used_again_also_where_the_folder_has_moved(
    smoke: Path, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(smoke, moved)
    for name in ("table4.md", "table4.csv"):
        (moved / name).unlink()
    monkeypatch.setattr("avsc.train.run.train", _no_training)
    monkeypatch.setattr(evaluation, "evaluate", _no_training)
    reproduce(Request(("table4",), options=SMOKE), small_store, moved, device="cpu")
    assert (moved / "table4.csv").read_bytes() == (smoke / "table4.csv").read_bytes()


def test_scores_that_are_not_of_the_runs_weights_are_made_again(
    smoke: Path, small_store: Path, trainer: "Trainer", tmp_path: Path
) -> None:
    name = "audio-fbank"
    shutil.copytree(run_folder(smoke, name), run_folder(tmp_path, name))
    shutil.rmtree(run_folder(tmp_path, name) / "evaluation")
    planned = plan.plan_runs([name], SMOKE)[0]
    assert status(planned, tmp_path, Store.open(small_store)).state == "to evaluate"
    request = Request(("table2",), ("audio", "fbank"), SMOKE)
    reproduce(request, small_store, tmp_path, device="cpu")
    assert not trainer.trained
    (line,) = _table(tmp_path, "table2-audio-fbank")
    assert line["log_loss"] == _table(smoke, "table2")[0]["log_loss"]


def test_a_run_that_fails_is_named_at_the_end_and_the_others_are_done(
    small_store: Path, trainer: "Trainer", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.failing = {
        "video-resnet50": RuntimeError("CUDA out of memory"),
        "audio-fbank": AvscError("the training loss is nan"),
    }
    with pytest.raises(AvscError) as caught:
        reproduce(Request(("table2",), options=SMOKE), small_store, tmp_path, device="cpu")
    failed = caught.value.got.splitlines()
    assert "2 of 4" in failed[0]
    assert "video-resnet50" in failed[2]
    assert "CUDA out of memory" in failed[2]
    assert "audio-fbank" in failed[1]
    assert "loss is nan" in failed[1]
    states = {line["recipe"]: line["status"] for line in _table(tmp_path, "table2")}
    assert states == {
        "audio-fbank": "failed",
        "audio-scalogram": "measured",
        "video-resnet50": "failed",
        "video-effnetv2s": "measured",
    }
    trace = (tmp_path / "runs" / "video-resnet50.error.txt").read_text()
    assert "Traceback" in trace
    for text in ((tmp_path / "table2.md").read_text(), capsys.readouterr().out):
        assert "the training loss is nan" in text
    trainer.failing = {}
    reproduce(Request(("table2",), options=SMOKE), small_store, tmp_path, device="cpu")
    assert trainer.trained.count("audio-scalogram") == 1
    assert {line["status"] for line in _table(tmp_path, "table2")} == {"measured"}
    assert not list((tmp_path / "runs").glob("*.txt"))


def test_runs_whose_audio_run_failed_fail_too_and_say_why(
    small_store: Path, trainer: "Trainer", tmp_path: Path
) -> None:
    trainer.failing = {"audio-scalogram": AvscError("no room on the disk")}
    with pytest.raises(AvscError) as caught:
        reproduce(Request(("table4",), options=SMOKE), small_store, tmp_path, device="cpu")
    first, *failed = caught.value.got.splitlines()
    assert "3 of 5" in first
    assert [("audio-scalogram" in line, "no room" in line) for line in failed] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert trainer.trained.count("audio-scalogram") == 1


def test_an_interrupt_ends_the_work_at_once_and_the_same_command_goes_on(
    small_store: Path, trainer: "Trainer", tmp_path: Path
) -> None:
    trainer.failing = {"video-resnet50": KeyboardInterrupt()}
    request = Request(("table2",), options=SMOKE)
    with pytest.raises(KeyboardInterrupt):
        reproduce(request, small_store, tmp_path, device="cpu")
    assert trainer.trained == ["audio-fbank", "audio-scalogram", "video-resnet50"]
    trainer.failing = {}
    reproduce(request, small_store, tmp_path, device="cpu")
    assert trainer.trained[3:] == ["video-resnet50", "video-effnetv2s"]


def test_a_run_that_another_process_trains_is_waited_for(
    small_store: Path, trainer: "Trainer", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer.busy = {"audio-scalogram": 3}
    reproduce(Request(("table4",), ("pipeline",), SMOKE), small_store, tmp_path, device="cpu")
    assert trainer.trained == ["audio-scalogram", "pipeline-scalogram-effnetv2s"]
    assert capsys.readouterr().err.count("waiting for another process") == 1


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1)])
def test_the_jobs_of_an_array_train_each_run_once_in_whatever_order_they_start(
    small_store: Path, trainer: "Trainer", tmp_path: Path, order: tuple[int, ...]
) -> None:
    request = Request(("table3", "table4"), options=SMOKE)
    for index in order:
        reproduce(request, small_store, tmp_path, part=Part(index, 4), device="cpu")
        assert not list(tmp_path.glob("*.md"))
    runs = [one.name for one in request.runs()]
    assert sorted(trainer.trained) == sorted(runs)
    reproduce(request, small_store, tmp_path, device="cpu")
    assert len(trainer.trained) == len(runs)
    assert {line["status"] for line in _table(tmp_path, "table3")} == {"measured"}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [(("train.seed=1",), "train.seed: 0,"), (("train.epochs=9",), "train.epochs: 1,")],
)
def test_runs_of_other_recipes_are_refused_before_anything_is_done(
    smoke: Path, small_store: Path, trainer: "Trainer", settings: tuple[str, ...], fault: str
) -> None:
    before = (smoke / "table2.md").read_bytes()
    options = Options((*SMOKE.settings, *settings), smoke=True)
    with pytest.raises(AvscError) as caught:
        reproduce(Request(("table2",), options=options), small_store, smoke, device="cpu")
    assert str(run_folder(smoke, "audio-fbank")) in caught.value.got
    assert fault in caught.value.got
    assert not trainer.trained
    assert (smoke / "table2.md").read_bytes() == before


def test_runs_of_another_store_are_refused(
    smoke: Path, small_store: Path, make_store: "MakeStore", tmp_path: Path, trainer: "Trainer"
) -> None:
    other = make_store(tmp_path / "other", 30, clip_seconds=1, size=(36, 64), seed=1)
    with pytest.raises(AvscError) as caught:
        reproduce(Request(("table2",), options=SMOKE), other, smoke, device="cpu")
    assert str(small_store) in caught.value.got
    assert str(other) in caught.value.got
    assert not trainer.trained


def test_other_weights_are_refused_and_the_same_ones_elsewhere_are_not(
    smoke: Path, small_store: Path, tmp_path: Path
) -> None:
    from avsc.models import visual_weights

    (planned,) = plan.plan_runs(["video-resnet50"], SMOKE)
    encoder = visual_weights.build(planned.recipe.visual)
    state = {k: v.clone() for k, v in encoder.backbone.state_dict().items()}
    visual_weights.save_folder(tmp_path / "same", encoder.name, state, encoder.config)
    next(iter(state.values())).add_(1)
    visual_weights.save_folder(tmp_path / "other", encoder.name, state, encoder.config)
    store = Store.open(small_store)
    for name in ("same", "other"):
        settings = (*SMOKE.settings, f"visual.weights={tmp_path / name}")
        (planned,) = plan.plan_runs(["video-resnet50"], Options(settings, smoke=True))
        if name == "same":
            assert status(planned, smoke, store).state == "complete"
        else:
            with pytest.raises(AvscError) as caught:
                status(planned, smoke, store)
            assert str(tmp_path / "other") in caught.value.got


def test_several_processes_of_torchrun_are_refused(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(AvscError) as caught:
        reproduce(Request(("table2",), options=SMOKE), small_store, tmp_path)
    assert "2 processes" in caught.value.got
    assert list(tmp_path.iterdir()) == []


def test_only_the_official_clips_all_of_them_are_the_official_folds(
    small_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(small_store)
    assert not reproducing.official_folds(store)
    from avsc.dataset import manifests

    facts = [
        manifests.FoldFacts(
            fold, 0, 0, manifests.ids_sha256(c.id for c in store.clips if c.fold == fold), {}
        )
        for fold in ("train", "test")
    ]
    monkeypatch.setattr(manifests, "fold_facts", lambda: tuple(facts))
    assert reproducing.official_folds(store)
    assert set(TARGETS) >= {"fig2"}
