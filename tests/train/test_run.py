"""Whole runs: what they learn, read and leave behind."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from avsc import recipe as recipes
from avsc.data.batch import Batch
from avsc.data.split import standardisation, training_fold
from avsc.errors import AvscError
from avsc.models import visual, visual_weights, weights
from avsc.models.view_maker import ViewMaker
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
from avsc.train import checkpoint
from avsc.train.epoch import Optimization, step_seed
from avsc.train.load import Run
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.validate import HeldOutSegments, ValidationScores
from tests.train.kept import CHANCE, DETERMINISTIC, MakeRecipe, same, weights_of


def test_a_bank_is_shared_by_seeds_and_wherever_it_lies_the_run_is_the_same(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*DETERMINISTIC, "train.views=3", "augment.seed=9")
    for name, more in (("host", ()), ("disk", ("train.cache=none",))):
        train(small_store, tmp_path / name, quick(*settings, *more), device="cpu")
    assert same(weights_of(tmp_path / "host"), weights_of(tmp_path / "disk"))
    made: list[int] = []
    encode = ViewMaker.encode

    def noting(self: ViewMaker, source: Any, where: Any, view: Any, *more: Any) -> Any:
        made.extend(view.tolist())
        return encode(self, source, where, view, *more)

    monkeypatch.setattr(ViewMaker, "encode", noting)
    recipe = quick(*settings, "train.acoustic=trainable", "audio.feature=fbank")
    train(small_store, tmp_path / "other", recipe, device="cpu")
    assert not made  # another feature takes the same bank


def test_what_is_encoded_already_is_read_once_before_training(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = quick(*DETERMINISTIC, "train.views=2", "augment.seed=11", "train.cache=host")
    train(small_store, tmp_path / "first", recipe, device="cpu")
    read: Counter[tuple[str, str]] = Counter()
    get = zarr.Array.__getitem__

    def noting(self: "zarr.Array[Any]", selection: Any) -> Any:
        read[str(self.store_path), str(selection)] += 1
        return get(self, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", noting)
    train(small_store, tmp_path / "second", recipe, device="cpu")
    monkeypatch.undo()
    banks = [path for path, _ in read if ".embeddings/" in path]
    assert len(set(banks)) == 2  # two views for training, the plain one for validation
    assert {read[key] for key in read if key[0] in banks} == {1}
    assert same(weights_of(tmp_path / "first"), weights_of(tmp_path / "second"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile wants a compiler")
def test_compiled_steps_train_alike_and_leave_the_same_checkpoint(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    losses = {}
    for compiled in ("false", "true"):
        run = tmp_path / compiled
        settings = ("train.views=2", "train.epochs=3", f"train.compile={compiled}")
        train(small_store, run, quick(*settings), device="cpu")
        losses[compiled] = read_log(run)[-1]["val_loss"]
    assert losses["true"] == pytest.approx(losses["false"], rel=0.1)  # other dropout
    assert losses["true"] < CHANCE
    one, other = (weights_of(tmp_path / name) for name in ("false", "true"))
    assert one.keys() == other.keys()


@pytest.mark.parametrize(
    "settings",
    [
        ["train.strategy=video"],
        ["train.strategy=joint"],
        ["train.strategy=joint", "audio.feature=fbank", "audio.concat=last"],
        ["train.strategy=joint", "train.images_per_second=1"],
        ["train.strategy=pipeline"],
        ["train.strategy=pipeline", "train.acoustic=trainable"],  # cell II
        ["train.strategy=joint", "train.acoustic=pretrained"],  # cell III
    ],
    ids=["video", "joint", "joint-fbank-last", "joint-shared", "pipeline", "II", "III"],
)
def test_every_strategy_learns_and_leaves_the_promised_files(
    settings: list[str], small_store: Path, quick: MakeRecipe, audio_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = train(small_store, run, quick(*settings, f"train.audio_run={audio_run}"), device="cpu")
    rows = read_log(run)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert ended.best_loss == min(row["val_loss"] for row in rows)
    assert rows[-1]["train_loss"] < CHANCE
    assert set(rows[0]) >= {"lr", "gradient_norm", "images_per_second", "waiting", "val_accuracy"}
    assert recipes.load(run / "config.toml").train.strategy == settings[0].split("=")[1]
    assert any((run / "tensorboard").iterdir())
    assert not any("backbone" in name for name in weights_of(run, "best"))


def test_audio_alone_needs_no_images_and_learns(audio_run: Path) -> None:
    assert read_log(audio_run)[-1]["val_loss"] < CHANCE
    assert Run.open(audio_run, "cpu").visual_encoder is None


@pytest.mark.parametrize("strategy", ["pipeline", "joint"])
def test_a_pretrained_acoustic_encoder_stays_as_its_run_left_it(
    strategy: str, small_store: Path, quick: MakeRecipe, audio_run: Path, tmp_path: Path
) -> None:
    asked = quick(
        f"train.strategy={strategy}",
        "train.acoustic=pretrained",
        "train.epochs=1",
        f"train.audio_run={audio_run}",
    )
    train(small_store, tmp_path / "run", asked, device="cpu")
    there, here = weights_of(audio_run, "best"), weights_of(tmp_path / "run")
    names = [name for name in there if name.startswith("acoustic_encoder.")]
    assert len(names) > 20
    assert all(torch.equal(there[name], here[name]) for name in names)


def test_the_visual_encoder_is_byte_identical_after_training(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[visual.VisualEncoder] = []
    build = visual_weights.build

    def noting(asked: VisualRecipe) -> visual.VisualEncoder:
        built.append(build(asked))
        return built[-1]

    monkeypatch.setattr(visual_weights, "build", noting)
    train(small_store, tmp_path / "run", quick("train.epochs=1"), device="cpu")
    (encoder,) = built
    facts = checkpoint.read_manifest(tmp_path / "run" / "checkpoints" / "best")
    assert weights.sha256_state(encoder.backbone.state_dict()) == encoder.sha256
    assert facts["visual"]["sha256"] == encoder.sha256
    assert facts["visual"]["model"] == "test_resnet"


def test_the_test_fold_is_never_read(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[int] = set()

    def noting(name: str, rows_of: Callable[..., list[int]]) -> None:
        method = getattr(Store, name)

        def noted(self: Store, *arguments: Any) -> object:
            read.update(rows_of(*arguments))
            return method(self, *arguments)

        monkeypatch.setattr(Store, name, noted)

    noting("audio", lambda _feature, rows: [int(row) for row in rows])
    noting("segments", lambda _feature, rows: [int(row) for row in rows])
    noting("jpeg", lambda row, _second: [row])
    train(small_store, tmp_path / "run", quick("train.epochs=1"), device="cpu")
    clips = Store.open(small_store).clips
    assert {clips[row].fold for row in read} == {"train"}
    assert len(read) == sum(clip.fold == "train" for clip in clips) - 1  # one is quarantined


def test_standardisation_is_of_the_training_clips_alone(
    small_store: Path, quick: MakeRecipe, audio_run: Path
) -> None:
    store = Store.open(small_store)
    fold = training_fold(store, quick().train)
    assert not set(fold.train.rows) & set(fold.validation.rows)
    frames = store.audio("scalogram", fold.train.rows).astype(np.float64)
    found = weights_of(audio_run)
    np.testing.assert_allclose(found["acoustic_encoder.mean"], frames.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found["acoustic_encoder.std"], frames.std(axis=(0, 1)), rtol=1e-6)


def test_a_band_that_never_changes_does_not_divide_by_zero() -> None:
    mean, std = standardisation(np.full((3, 4, 2, 5), -7.0, np.float32))
    assert (mean == -7).all()
    assert (std == 1).all()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quick("train.strategy=audio", "train.batch_size=8", "train.epochs=3")
    step, epochs = Optimization.step, []

    def poisoned(self: Optimization, batch: Batch) -> torch.Tensor:
        epochs.extend([self] * (batch.number == 0))
        found = step(self, batch)
        return found * float("nan") if (len(epochs), batch.number) == (2, 11) else found

    monkeypatch.setattr(Optimization, "step", poisoned)
    with pytest.raises(AvscError, match="nan at epoch 2, step 12") as caught:
        train(small_store, tmp_path / "run", asked, device="cpu")
    assert "lr_max" in caught.value.remedy
    kept = checkpoint.load(tmp_path / "run" / "checkpoints" / "last")
    assert kept.manifest["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in kept.weights.values())


def test_training_stops_early_and_keeps_the_best(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([2.0, 1.0, 1.5, 1.0, 1.5])
    monkeypatch.setattr(HeldOutSegments, "validate", lambda *_: ValidationScores(next(losses), 0.5))
    asked = quick("train.strategy=audio", "train.epochs=9", "train.patience=2")
    ended = train(small_store, tmp_path / "run", asked, device="cpu")
    assert (ended.epochs, ended.best_epoch, ended.best_loss) == (4, 2, 1.0)
    assert ended.reason == "no better validation loss in 2 epochs"
    best = checkpoint.read_manifest(tmp_path / "run" / "checkpoints" / "best")
    assert (best["epoch"], best["best_loss"]) == (2, 1.0)
    again = train(small_store, tmp_path / "run", resume=True, device="cpu")
    assert again == ended


def test_pipeline_without_an_audio_run_says_how_to_make_one(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    with pytest.raises(AvscError, match="no acoustic encoder") as caught:
        train(small_store, tmp_path / "run", quick("train.strategy=pipeline"), device="cpu")
    assert "--audio-run" in caught.value.remedy


def test_an_acoustic_encoder_of_another_feature_or_split_is_noticed(
    small_store: Path,
    quick: MakeRecipe,
    audio_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["train.strategy=pipeline", f"train.audio_run={audio_run}", "train.epochs=1"]
    with pytest.raises(AvscError, match="fbank"):
        train(small_store, tmp_path / "fbank", quick(*asked, "audio.feature=fbank"), device="cpu")
    train(small_store, tmp_path / "split", quick(*asked, "train.seed=5"), device="cpu")
    assert "another store or split" in capsys.readouterr().err


def test_an_incomplete_store_is_refused(
    make_store: Callable[..., Path], quick: MakeRecipe, store_settings: object, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store", 8, settings=store_settings, complete=False)
    with pytest.raises(AvscError, match="incomplete"):
        train(store, tmp_path / "run", quick(), device="cpu")


def test_an_unknown_device_is_refused_in_words(small_store: Path, tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="'gpu7' cannot be used"):
        train(small_store, tmp_path / "run", device="gpu7")


def test_the_manifest_says_what_the_checkpoint_is_of(audio_run: Path, small_store: Path) -> None:
    text = (audio_run / "checkpoints" / "last" / checkpoint.MANIFEST).read_text()
    manifest = json.loads(text)
    store = Store.open(small_store)
    assert manifest["store_sha256"] == store.sha256
    assert manifest["schema_version"] == 1
    assert manifest["recipe"]["train"]["strategy"] == "audio"
    assert set(manifest["versions"]) == {"avsc", "torch", "timm", "numpy", "zarr"}


def test_seeds_of_steps_differ_in_every_part() -> None:
    seeds = {
        step_seed(seed, epoch, batch, rank)
        for seed in (0, 1, 2**62)
        for epoch in range(10)
        for batch in range(50)
        for rank in range(4)
    }
    assert len(seeds) == 3 * 10 * 50 * 4
    assert all(0 <= seed < 2**63 for seed in seeds)
