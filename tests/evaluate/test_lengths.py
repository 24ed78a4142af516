"""Clips of other lengths, and folds for cross-validation, through training and scoring."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from avsc.cli import app as cli
from avsc.data.split import standardisation, training_fold
from avsc.errors import AvscError
from avsc.evaluate.cross_validation import evaluate_folds
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.results import read_metrics
from avsc.evaluate.score import embed, score
from avsc.evaluate.segments import Segments, segments_of
from avsc.report.clip_figure import plot_clip
from avsc.report.info import show
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.reader import Store
from avsc.store.schema import SplitSettings, StoreSettings
from avsc.store.writer import write_partition
from avsc.train.load import Run
from avsc.train.run import train
from tests.conftest import MakeClipData, MakeRecipe, MakeRun

SCENES = ("kitchen", "office", "Diele")
LENGTHS = (3, 1, 2, 3, 2, 1)  # seconds of the clips in turn
CLIPS = 36


def _clips(longest: int | None = None) -> list[StoredClip]:
    """Clips of three folds; ``longest``: only those of that length, in a store of that length."""
    clips = []
    for number in range(CLIPS):
        name = f"{number:02}"
        place, fold = str(number // 3), str(1 + number // 3 % 3)
        seconds = LENGTHS[number % len(LENGTHS)]
        if longest in (None, seconds):
            own = None if longest else seconds
            scene = SCENES[number % 3]
            clips.append(StoredClip(name, scene, "", place, fold, "a", "a", seconds=own))
    return clips


def _write(
    path: Path, clips: list[StoredClip], settings: StoreSettings, data: MakeClipData
) -> Path:
    """Writes a store whose clips have the same data in whatever store they are."""
    open_for_writing(path, clips, settings, SCENES)
    with write_partition(path, len(clips), settings, 0) as writer:
        for row, clip in enumerate(clips):
            number = int(clip.id)
            seconds = LENGTHS[number % len(LENGTHS)]
            short = settings.model_copy(update={"clip_seconds": seconds})
            writer.add(row, data(short, (36, 48), (0, number), number % 3), seconds)
    mark_complete(path)
    return path


@pytest.fixture(scope="module")
def settings(store_settings: StoreSettings) -> StoreSettings:
    changed = {"clip_seconds": 3, "partition_clips": 64, "split": SplitSettings(folds=3)}
    return store_settings.model_copy(update=changed)


@pytest.fixture(scope="module")
def place(
    settings: StoreSettings, make_clip_data: MakeClipData, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return _write(tmp_path_factory.mktemp("lengths") / "s", _clips(), settings, make_clip_data)


@pytest.fixture(scope="module")
def run(make_run: MakeRun, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "r", place, settings=("train.fold='1'",))


def _all(store: Store) -> Segments:
    longest = store.settings.clip_seconds
    return segments_of(store.clips, store.status(), longest, "all", store.scenes)


def test_segments_are_those_seconds_that_clips_have(place: Path) -> None:
    store = Store.open(place)
    segments = _all(store)
    expected = [f"{clip.id}_{k}" for clip in store.clips for k in range(clip.seconds or 0)]
    assert list(segments.names) == expected
    assert segments.clip.tolist() == [int(name.split("_")[0]) for name in expected]
    assert segments.first.tolist() == [expected.index(f"{clip.id}_0") for clip in store.clips]


@pytest.mark.parametrize("protocol", ["segment", "context"])
@pytest.mark.parametrize("seconds", [1, 2, 3])
def test_a_clip_scores_the_same_beside_longer_ones_as_among_its_like(
    place: Path,
    run: Path,
    settings: StoreSettings,
    make_clip_data: MakeClipData,
    tmp_path: Path,
    seconds: int,
    protocol: str,
) -> None:
    alone = settings.model_copy(update={"clip_seconds": seconds, "split": None})
    _write(tmp_path / "s", _clips(seconds), alone, make_clip_data)
    mixed, like, loaded = Store.open(place), Store.open(tmp_path / "s"), Run.open(run, "cpu")
    here, there = _all(mixed), _all(like)
    found = score(loaded, mixed, here, protocol)  # type: ignore[arg-type]
    expected = score(loaded, like, there, protocol)  # type: ignore[arg-type]
    mine = [here.names.index(name) for name in there.names]
    np.testing.assert_allclose(found[mine], expected, atol=1e-6)
    chosen = np.array(mine[:5])
    joint = embed(loaded, mixed, here, protocol, chosen)  # type: ignore[arg-type]
    alike = embed(loaded, like, there, protocol, np.arange(5))  # type: ignore[arg-type]
    np.testing.assert_allclose(joint, alike, atol=1e-5)


def test_standardisation_knows_only_frames_that_are_there(place: Path) -> None:
    store = Store.open(place)
    rows = np.arange(CLIPS)
    audio, frames = store.audio("scalogram", rows), store.frames(rows)
    mean, std = standardisation(audio, frames)
    own = np.concatenate([clip[:n] for clip, n in zip(audio, frames, strict=True)])
    np.testing.assert_allclose(mean, own.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(std, own.std(axis=0, dtype=np.float64), rtol=1e-4)


@pytest.mark.parametrize("strategy", ["joint", "audio", "video"])
@pytest.mark.parametrize("cache", ["none", "auto"])
def test_a_run_trains_on_clips_of_all_lengths_of_the_other_folds(
    place: Path, tmp_path: Path, quick: MakeRecipe, strategy: str, cache: str
) -> None:
    recipe = quick(f"train.strategy={strategy}", "train.fold=2", f"train.cache={cache}")
    store = Store.open(place)
    fold = training_fold(store, recipe.train)
    rows = np.concatenate([fold.train.rows, fold.validation.rows])
    assert sorted(store.clips[row].fold for row in rows) == ["1"] * 12 + ["3"] * 12
    assert np.isfinite(train(place, tmp_path / "r", recipe, device="cpu").best_loss)
    result = evaluate(tmp_path / "r", with_report=False)
    assert {store.clips[row].fold for row in result.segments.rows} == {"2"}
    assert result.folder == tmp_path / "r" / "evaluation"


def test_a_store_of_folds_is_not_trained_on_without_one(place: Path, quick: MakeRecipe) -> None:
    with pytest.raises(AvscError) as caught:
        training_fold(Store.open(place), quick().train)
    assert "--fold 1" in caught.value.remedy
    with pytest.raises(AvscError) as caught:
        training_fold(Store.open(place), quick("train.fold=4").train)
    assert "1, 2, 3" in caught.value.expected


def test_a_scene_that_the_training_fold_lacks_is_said(
    settings: StoreSettings, make_clip_data: MakeClipData, tmp_path: Path, quick: MakeRecipe
) -> None:
    clips = [c._replace(fold="1") if c.scene == "Diele" else c for c in _clips()]
    store = Store.open(_write(tmp_path / "s", clips, settings, make_clip_data))
    notes = training_fold(store, quick("train.fold=1").train).notes
    assert any("Diele" in note for note in notes)
    assert not any("Diele" in n for n in training_fold(store, quick("train.fold=2").train).notes)


def test_all_folds_are_scored_as_one(place: Path, make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / f"r{k}", place, seed=k, settings=(f"train.fold='{k}'",))
        for k in (1, 2, 3)
    ]
    result = evaluate_folds(runs, tmp_path / "all")
    store = Store.open(place)
    assert result.folder == tmp_path / "all" / "evaluation"
    assert len(result.segments.names) == store.seconds().sum()
    metrics = read_metrics(tmp_path / "all" / "evaluation")
    parts = [read_metrics(run / "evaluation") for run in runs]
    assert metrics["n_segments"] == sum(part["n_segments"] for part in parts)
    hits = sum(part["accuracy_micro"] * part["n_segments"] for part in parts)
    assert metrics["accuracy_micro"] == pytest.approx(hits / metrics["n_segments"])
    for wrong in (runs[:2], [*runs, runs[0]]):
        with pytest.raises(AvscError):
            evaluate_folds(wrong, tmp_path / "wrong")
    assert CliRunner().invoke(cli.app, ["evaluate", *map(str, runs)]).exit_code == 2


def test_what_is_shown_of_a_clip_ends_with_it(
    place: Path, tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot_clip(place, "01", tmp_path / "short.svg")
    plot_clip(place, "00", tmp_path / "long.svg")
    assert (tmp_path / "short.svg").read_text().count("second ") == 1
    assert (tmp_path / "long.svg").stat().st_size > (tmp_path / "short.svg").stat().st_size
    show(place)
    shown = capsys.readouterr().out
    assert "36 of 1 to 3 s" in shown
    evaluate(run)
    assert (run / "evaluation" / "report.html").stat().st_size > 10_000
