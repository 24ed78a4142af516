from pathlib import Path

import pytest

from avsc.data.split import training_fold
from avsc.part import Part
from avsc.reproduce import dry_run, estimate, plan, rates
from avsc.reproduce.estimate import EncoderKey, Rates, RunWork, ScorerKey
from avsc.reproduce.plan import Options
from avsc.reproduce.reproduce import Asked
from avsc.store.read import Store
from avsc.store.schema import Status

SMOKE = Options(("visual.image_size=32", "train.threads=1"), smoke=True)
ENCODER = EncoderKey("resnet50", 224)


def _works(store: Path, *names: str, options: Options = SMOKE) -> dict[str, RunWork]:
    opened = Store.open(store)
    runs = plan.plan_runs(names, options)
    return {run.name: estimate.work_of(opened, run.recipe, 0, False) for run in runs}


def test_work_is_counted_as_training_does_it(small_store: Path) -> None:
    store = Store.open(small_store)
    works = _works(small_store, "audio-fbank", "joint-fbank-resnet50", "pipeline-fbank-resnet50")
    (run,) = plan.plan_runs(["audio-fbank"], SMOKE)
    fold = training_fold(store, run.recipe.train)
    clips, held = len(fold.train.rows), len(fold.validation.rows)
    test = sum(clip.fold == "test" for clip in store.clips)
    for work in works.values():
        assert work.triples == clips * store.settings.clip_frames
        assert work.checked == held * 2 * 3
    assert works["audio-fbank"].images == works["pipeline-fbank-resnet50"].images == 0
    assert works["joint-fbank-resnet50"].images == clips * 2  # one a second
    assert len(works["audio-fbank"].embedded) == 0
    assert len(works["joint-fbank-resnet50"].embedded) == held + test
    assert len(works["pipeline-fbank-resnet50"].embedded) == clips + held + test
    whole = _works(small_store, "joint-fbank-resnet50", options=Options())
    assert whole["joint-fbank-resnet50"].images == works["audio-fbank"].triples  # one a frame
    assert (store.status() == Status.QUARANTINED).sum() == 1


def test_embeddings_are_counted_once_for_all_runs_of_an_encoder(small_store: Path) -> None:
    names = ("joint-fbank-resnet50", "pipeline-fbank-resnet50", "pipeline-scalogram-resnet50")
    works = _works(small_store, *names)
    (count,) = estimate.embeddings_of(works.values(), 2).values()
    assert count == 2 * len(works["pipeline-fbank-resnet50"].embedded)


def _work(images: int, epochs: int = 2) -> RunWork:
    return RunWork(epochs, 900, 100, images, frozenset(), ScorerKey("fbank", False, ENCODER))


@pytest.mark.parametrize(("apart", "expected"), [(True, 2 * 20.0), (False, 2 * 35.0)])
def test_time_is_the_slower_of_decoding_and_device_where_they_are_apart_else_their_sum(
    apart: bool, expected: float
) -> None:
    measured = Rates({ENCODER: 60}, {ENCODER: 90}, {_work(0).scorer: 200}, apart)
    # An epoch: 15 s of decoding, 10 s of encoding and 5 s of steps (or 25 s of encoding).
    slow = Rates({ENCODER: 60}, {ENCODER: 60}, {_work(0).scorer: 200}, apart)
    assert estimate.seconds_of(_work(900), slow) == pytest.approx(expected)
    assert estimate.seconds_of(_work(0), measured) == pytest.approx(2 * 5)
    assert estimate.seconds_of(_work(900, epochs=0), measured) == 0


def test_a_dry_run_lists_runs_and_time_and_makes_nothing(
    small_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rates, "TRIAL_S", 0.01)
    out = tmp_path / "out"
    dry_run.show(Asked(("table4",), options=SMOKE), small_store, out, device="cpu")
    said = capsys.readouterr()
    for name in plan.recipes_of("table4"):
        assert name in said.out
    assert said.out.count("to do, 2 epochs") == 5
    assert "audio-scalogram comes before" in said.out
    assert "upper bound" in said.out
    assert "weights of test_efficientnet.r160_in1k: random" in said.out
    assert "5 runs, 0 of them complete" in said.err
    assert not out.exists()


def test_a_dry_run_of_what_is_complete_says_so_and_measures_nothing(
    smoke: Path,
    small_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rates, "measure", None)
    dry_run.show(Asked(("table2",), options=SMOKE), small_store, smoke, device="cpu")
    assert capsys.readouterr().out.count("complete") == 4
    dry_run.show(
        Asked(("table2",), options=SMOKE), small_store, smoke, part=Part(1, 2), device="cpu"
    )
    assert capsys.readouterr().out.count("complete") == 2
