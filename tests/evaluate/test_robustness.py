"""Systems with missing, late and swapped sounds and pictures, beside independent computations."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate import disturbances, score
from avsc.evaluate.calibrate import calibrate
from avsc.evaluate.disturbances import Disturbance
from avsc.evaluate.encoded import Encoded
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.robustness import Measured, Robustness, robustness
from avsc.evaluate.scored_fold import fold_segments
from avsc.evaluate.segments import Segments
from avsc.evaluate.swaps import draw_swaps, scene_of
from avsc.report import robustness as report
from avsc.store.reader import Store
from avsc.train.load import Run

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def runs(
    robust: Path,
    small_store: Path,
    make_run: MakeRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """A run of each kind."""
    folder = tmp_path_factory.mktemp("systems")
    kinds = ("joint", "audio", "video")
    made = {name: make_run(folder / name, small_store, name, seed=3) for name in kinds}
    return {"robust": robust, **made}


@pytest.fixture(scope="module")
def found(runs: dict[str, Path]) -> Robustness:
    return robustness(list(runs.values()), offsets_s=(-1, 1), device="cpu")


def of(found: Robustness, system: str, kind: str, amount: float = 0.0) -> Measured:
    """The scores of one system under one disturbance."""
    names = [one.path.name for one in found.systems]
    number = found.disturbances.index(Disturbance(kind, amount))  # type: ignore[arg-type]
    return found.systems[names.index(system)].scores[number]


def test_a_robust_run_has_the_scores_of_evaluate(found: Robustness, robust: Path) -> None:
    for (kind, amount), how in (
        (("recorded", 0.0), {}),
        (("audio", 1.0), {"without": "audio"}),
        (("image", 1.0), {"without": "image"}),
        (("offset", 1), {"offset_s": 1}),
        (("offset", -1), {"offset_s": -1}),
    ):
        result = evaluate(robust, device="cpu", with_report=False, **how)
        assert result.summary is not None
        ours = of(found, "run", kind, amount)
        assert ours.log_loss == pytest.approx(result.summary.scores.log_loss, abs=1e-9)
        assert ours.accuracy == pytest.approx(result.summary.scores.accuracy)
        assert ours.log_loss_interval == result.summary.intervals.log_loss
    assert found.systems[0].robust


def test_a_system_of_one_modality_needs_that_and_nothing_else(found: Robustness) -> None:
    for system, own, other in (("audio", "audio", "image"), ("video", "image", "audio")):
        recorded = of(found, system, "recorded")
        lost = of(found, system, own, 1.0)
        assert lost.log_loss == pytest.approx(math.log(10))
        assert lost.accuracy == pytest.approx(0.1)
        for share in disturbances.SHARES:
            assert of(found, system, other, share) == recorded
        assert of(found, system, "offset", 1).log_loss == recorded.log_loss or own == "image"
    assert of(found, "video", "swapped") == of(found, "video", "recorded")


def test_a_run_without_stand_ins_is_given_the_mean_of_its_validation_clips(
    found: Robustness, runs: dict[str, Path]
) -> None:
    run = Run.open(runs["joint"], "cpu")
    store = Store.open(run.manifest.store)
    held_out, test = (fold_segments(run, store, fold) for fold in ("validation", "test"))
    width = score.acoustic_features(run)
    every = np.arange(len(held_out.names))
    mean = score.embed(run, store, held_out, "segment", every).mean(axis=0)
    frames = store.segments("scalogram", test.rows).reshape(-1, 3, 2, 32)  # [n, 3, 2, B]
    with torch.inference_mode():
        assert run.model.acoustic_encoder is not None
        sound = run.model.acoustic_encoder(torch.from_numpy(frames).flatten(0, 1))
        picture = torch.from_numpy(mean[width:]).expand(len(sound), -1)
        logits = run.model.classifier(torch.cat([sound, picture], dim=1)).double()
    shares = torch.softmax(logits, 1).view(-1, 3, 10).mean(dim=1).numpy()
    ours = of(found, "joint", "image", 1.0)
    assert ours.log_loss == pytest.approx(metrics.log_loss(shares, test.labels), abs=1e-5)
    assert "mean" in found.systems[1].gaps
    assert not found.systems[1].robust


def test_with_swapped_sounds_the_scene_of_the_sound_counts_too(
    found: Robustness, runs: dict[str, Path]
) -> None:
    run = Run.open(runs["audio"], "cpu")
    store = Store.open(run.manifest.store)
    test = fold_segments(run, store, "test")
    own = score.score(run, store, test, "segment")
    swaps = draw_swaps(test, 0, 1.0)
    assert swaps.swapped.all()
    heard = own.reshape(-1, 2, 10)[swaps.sound_of].reshape(-1, 10)  # 2 s a clip
    labels = np.repeat(scene_of(test)[swaps.sound_of], 2)
    ours = of(found, "audio", "heard")
    assert ours.log_loss == pytest.approx(metrics.log_loss(heard, labels))
    against = of(found, "audio", "swapped")
    assert against.log_loss == pytest.approx(metrics.log_loss(heard, test.labels))


def test_missing_seconds_depend_on_seed_and_number_alone() -> None:
    few, many = (disturbances.missing(4000, share, 7) for share in (0.25, 0.75))
    assert few.mean() == pytest.approx(0.25, abs=0.03)
    assert not (few & ~many).any()
    assert np.array_equal(disturbances.missing(100, 0.25, 7), few[:100])
    assert (disturbances.missing(4000, 0.25, 8) != few).any()
    assert disturbances.missing(50, 1.0, 7).all()


def test_a_robust_run_is_encoded_once(robust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = score.encode

    def counted(run: Run, store: Store, segments: Segments) -> Encoded:
        calls.append(run)
        return encode(run, store, segments)

    monkeypatch.setattr(score, "encode", counted)
    robustness([robust], device="cpu")
    assert len(calls) == 1


def test_a_folder_of_seeds_is_the_mean_of_its_runs(
    small_store: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    members = [make_run(tmp_path / f"s/seed-{k}", small_store, "video", seed=k) for k in (0, 1)]
    alone = [robustness([member], device="cpu").systems[0] for member in members]
    (mean,) = robustness([tmp_path / "s"], device="cpu").systems
    assert mean.seeds == 2
    for together, *apart in zip(mean.scores, *(one.scores for one in alone), strict=True):
        assert together.log_loss == pytest.approx(np.mean([one.log_loss for one in apart]))
        assert together.accuracy_std == pytest.approx(np.std([o.accuracy for o in apart], ddof=1))


def test_a_calibrated_run_has_the_scores_of_evaluate_under_every_disturbance(
    small_store: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    settings = ("train.val_fraction=0.3", "train.drop_audio=0.3", "train.drop_image=0.3")
    run = make_run(tmp_path / "run", small_store, "joint", settings=settings)
    plain = robustness([run], offsets_s=(1,), device="cpu")
    fitted = calibrate(run, device="cpu")
    found = robustness([run], offsets_s=(1,), device="cpu", calibrated=True)
    assert found.systems[0].temperatures == (fitted.temperature,)
    for (kind, amount), how in (
        (("recorded", 0.0), {}),
        (("audio", 1.0), {"without": "audio"}),
        (("image", 1.0), {"without": "image"}),
        (("offset", 1), {"offset_s": 1}),
    ):
        result = evaluate(run, device="cpu", with_report=False, calibrated=True, **how)
        assert result.summary is not None
        ours = of(found, "run", kind, amount)
        assert ours.log_loss == pytest.approx(result.summary.scores.log_loss, abs=1e-6)
        assert ours.log_loss != pytest.approx(of(plain, "run", kind, amount).log_loss, abs=1e-6)
    table = report.table(found, "json")
    at = [column.key for column in table.columns].index("temperatures")
    assert {tuple(row[at]) for row in table.rows} == {(fitted.temperature,)}


def test_runs_that_are_not_calibrated_are_named_together(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    for seed, name in enumerate(("joint", "audio")):
        (tmp_path / "s" / f"seed-{seed}").symlink_to(runs[name])
    with pytest.raises(AvscError) as caught:
        robustness([tmp_path / "s"], device="cpu", calibrated=True)
    assert str(tmp_path / "s" / "seed-1") in caught.value.got
    assert caught.value.remedy == f"avsc calibrate {tmp_path / 's'}"
    with pytest.raises(AvscError) as caught:
        robustness(list(runs.values()), device="cpu", calibrated=True)
    for run in runs.values():
        assert str(run) in caught.value.got
        assert f"avsc calibrate {run}" in caught.value.remedy
    calibrate(runs["video"], device="cpu")
    with pytest.raises(AvscError) as caught:
        robustness([runs["video"]], fold="train", device="cpu", calibrated=True)
    assert "scored clips" in caught.value.got
    with pytest.raises(AvscError) as caught:
        robustness([tmp_path / "nothing"], device="cpu", calibrated=True)
    assert "calibrat" not in str(caught.value)


def test_systems_of_other_segments_are_refused(
    robust: Path, make_store: Callable[..., Path], make_run: MakeRun, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "other.zarr", 60, clip_seconds=2, seed=4)
    other = make_run(tmp_path / "other", store, "video")
    with pytest.raises(AvscError) as caught:
        robustness([robust, other], device="cpu")
    assert str(other) in caught.value.got
    with pytest.raises(AvscError):
        robustness([robust, robust], device="cpu")
