import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avsc import recipe as recipes
from avsc.data.batch import Batch
from avsc.data.split import standardisation, training_fold
from avsc.errors import AvscError
from avsc.models import visual, visual_weights, weights
from avsc.models.view_maker import ViewMaker
from avsc.recipe import Recipe
from avsc.recipe_keys import to_toml
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
from avsc.train import checkpoint, run_dir
from avsc.train.epoch import Optimization, step_seed
from avsc.train.load import Run
from avsc.train.log import read_log
from avsc.train.run import train
from avsc.train.stopping import StopRequest
from avsc.train.validate import HeldOutSegments, ValidationScores

MakeRecipe = Callable[..., Recipe]

CHANCE = float(np.log(10))
DETERMINISTIC = ("train.deterministic=true", "train.batch_size=8", "train.epochs=2")


@pytest.fixture(scope="session")
def audio_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    run = tmp_path_factory.mktemp("runs") / "audio"
    train(small_store, run, quick("train.strategy=audio", "train.epochs=3"), device="cpu")
    return run


def test_a_bank_is_shared_by_seeds_and_wherever_it_lies_the_run_is_the_same(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*DETERMINISTIC, "train.views=3", "augment.seed=9")
    for name, more in (("host", ()), ("disk", ("train.cache=none",))):
        train(small_store, tmp_path / name, quick(*settings, *more), device="cpu")
    assert _same(_weights(tmp_path / "host"), _weights(tmp_path / "disk"))
    made: list[int] = []
    encode = ViewMaker.encode

    def noting(self: ViewMaker, source: Any, where: Any, view: Any, *more: Any) -> Any:
        made.extend(view.tolist())
        return encode(self, source, where, view, *more)

    monkeypatch.setattr(ViewMaker, "encode", noting)
    recipe = quick(*settings, "train.acoustic=trainable", "audio.feature=fbank")
    train(small_store, tmp_path / "other", recipe, device="cpu")
    assert not made  # another feature takes the same bank


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
    one, other = (_weights(tmp_path / name) for name in ("false", "true"))
    assert one.keys() == other.keys()


@pytest.fixture(scope="session")
def whole_run(
    small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A deterministic run that nothing interrupted."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(small_store, run, quick(*DETERMINISTIC), device="cpu")
    return run


def _weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / name / checkpoint.WEIGHTS)


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _without_times(run: Path) -> list[dict[str, float]]:
    timed = ("seconds", "images_per_second", "samples_per_second", "waiting")
    return [{k: v for k, v in row.items() if k not in timed} for row in read_log(run)]


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
    assert not any("backbone" in name for name in _weights(run, "best"))


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
    there, here = _weights(audio_run, "best"), _weights(tmp_path / "run")
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
    found = _weights(audio_run)
    np.testing.assert_allclose(found["acoustic_encoder.mean"], frames.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found["acoustic_encoder.std"], frames.std(axis=(0, 1)), rtol=1e-6)


def test_a_band_that_never_changes_does_not_divide_by_zero() -> None:
    mean, std = standardisation(np.full((3, 4, 2, 5), -7.0, np.float32))
    assert (mean == -7).all()
    assert (std == 1).all()


class _StoppedError(Exception):
    pass


def _stop_after_saving(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int) -> None:
    """Stops the run when it has saved this place in the middle of an epoch."""
    save = checkpoint.save

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        manifest = arguments[-1]
        if (manifest["epoch"], manifest["batch"]) == (epoch, batch):
            raise _StoppedError

    monkeypatch.setattr(checkpoint, "save", save_and_stop)


@pytest.mark.parametrize("where", [(0, 8), (1, 16)])
def test_two_runs_are_bit_equal_and_so_is_one_resumed_within_an_epoch(
    where: tuple[int, int],
    whole_run: Path,
    small_store: Path,
    quick: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = quick(*DETERMINISTIC, "train.checkpoint_minutes=1e-9")
    _stop_after_saving(monkeypatch, *where)
    with pytest.raises(_StoppedError):
        train(small_store, tmp_path / "stopped", asked, device="cpu")
    monkeypatch.undo()
    torch.rand(3)  # another state of the generator than the stopped run had
    train(small_store, tmp_path / "stopped", asked, resume=True, device="cpu")
    for name in ("best", "last"):
        assert _same(_weights(whole_run, name), _weights(tmp_path / "stopped", name))
    assert _without_times(whole_run) == _without_times(tmp_path / "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_run_that_is_asked_to_stop_saves_its_place_and_the_same_command_goes_on(
    number: signal.Signals,
    whole_run: Path,
    small_store: Path,
    quick: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Optimization.step

    def asking(self: Optimization, batch: Batch) -> torch.Tensor:
        if batch.number == 2:
            os.kill(os.getpid(), number)
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", asking)
    run, asked = tmp_path / "run", quick(*DETERMINISTIC)
    with pytest.raises(KeyboardInterrupt):
        train(small_store, run, asked, device="cpu")
    manifest = checkpoint.read_manifest(run / "checkpoints" / "last")
    assert (manifest["epoch"], manifest["batch"]) == (0, 3)
    monkeypatch.undo()
    train(small_store, run, asked, device="cpu")
    assert _same(_weights(whole_run), _weights(run))
    assert _without_times(whole_run) == _without_times(run)


def test_a_second_interrupt_ends_at_once() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert not stop.agreed


def test_a_run_killed_with_9_and_resumed_is_bit_equal_and_logs_each_epoch_once(
    whole_run: Path, small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick(*DETERMINISTIC, "train.checkpoint_minutes=1e-9")
    run = tmp_path / "killed"
    process = _start(small_store, run, asked, tmp_path)
    _wait_for(run, process, lambda facts: facts["epoch"] == 1 and facts["batch"] > 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(small_store, run, asked, resume=True, device="cpu")
    assert _same(_weights(whole_run), _weights(run))
    assert [row["epoch"] for row in read_log(run)] == [1, 2]
    assert _without_times(whole_run) == _without_times(run)


def _start(store: Path, run: Path, asked: Recipe, folder: Path) -> "subprocess.Popen[bytes]":
    path = folder / "asked.toml"
    path.write_text(to_toml(asked))
    command = [sys.executable, "-m", "avsc", "train", str(store), "--out", str(run), "--resume"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--recipe", str(path), "--device", "cpu"], env=environment)


def _wait_for(
    run: Path,
    process: "subprocess.Popen[bytes]",
    condition: Callable[[dict[str, Any]], bool],
) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the run ended before it was killed"
        try:
            if condition(checkpoint.read_manifest(run / "checkpoints" / "last")):
                return
        except AvscError:
            time.sleep(0.001)  # not there yet, or just being moved
    pytest.fail("no checkpoint within an epoch")


def test_a_damaged_last_checkpoint_costs_an_epoch_and_not_the_run(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, asked = tmp_path / "run", quick("train.epochs=3")
    train(small_store, run, asked, device="cpu")
    last = run / "checkpoints" / "last" / checkpoint.WEIGHTS
    last.write_bytes(last.read_bytes()[:-1])
    ended = train(small_store, run, resume=True, device="cpu")
    spoken = capsys.readouterr().err
    assert "WARNING" in spoken
    assert "last.previous" in spoken
    assert "going on after epoch 2" in spoken
    assert ended.epochs == 3
    assert [row["epoch"] for row in read_log(run)] == [1, 2, 3]


def test_a_finished_run_says_so_and_stays_as_it_is(
    audio_run: Path, small_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _weights(audio_run)
    ended = train(small_store, audio_run, resume=True, device="cpu")
    assert "is finished: all 3 epochs are done" in capsys.readouterr().err
    assert ended.epochs == 3
    assert _same(before, _weights(audio_run))


def test_a_run_is_not_overwritten_and_not_resumed_with_another_recipe(
    audio_run: Path, small_store: Path, quick: MakeRecipe
) -> None:
    before = _weights(audio_run)
    other = quick("train.strategy=audio", "train.epochs=3", "train.lr_max=0.5")
    for resume in (False, True):
        with pytest.raises(AvscError) as caught:
            train(small_store, audio_run, other, resume=resume, device="cpu")
        assert str(audio_run) in caught.value.got
        assert "train.lr_max: 0.01, asked for 0.5" in caught.value.got
        assert "--out" in caught.value.remedy
    assert _same(before, _weights(audio_run))
    free = quick("train.strategy=audio", "train.epochs=3", "train.threads=2")
    assert train(small_store, audio_run, free, resume=True, device="cpu").epochs == 3


def test_a_run_is_not_resumed_on_another_store(
    audio_run: Path, make_store: Callable[..., Path], store_settings: object, tmp_path: Path
) -> None:
    other = make_store(tmp_path / "other", 40, settings=store_settings, seed=1)
    with pytest.raises(AvscError, match=r"store: trained on .*small") as caught:
        train(other, audio_run, resume=True, device="cpu")
    assert str(other) in caught.value.got


def test_resume_where_there_is_no_run_begins_one(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick("train.strategy=audio", "train.epochs=1")
    assert train(small_store, tmp_path / "new", asked, resume=True, device="cpu").epochs == 1


def test_a_folder_with_other_files_is_left_alone(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(AvscError, match="no run of ours"):
        train(small_store, tmp_path, quick(), device="cpu")


def test_two_trainings_do_not_share_a_folder(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    with run_dir.locked(tmp_path), pytest.raises(AvscError, match="by another process"):
        train(small_store, tmp_path, quick(), device="cpu")


def test_a_recipe_that_failed_before_its_first_epoch_can_be_corrected(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(AvscError, match="no model"):
        train(small_store, run, quick("visual.model=nothing_like_it"), device="cpu")
    assert train(small_store, run, quick("train.epochs=1"), device="cpu").epochs == 1


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


WORKER = textwrap.dedent(
    """
    import sys, torch
    from pathlib import Path
    from avsc import recipe
    from avsc.train import run
    from avsc.train.epoch import Optimization

    torch.set_num_threads(1)
    store, out, dump, asked = map(Path, sys.argv[1:])
    seen, step = [], Optimization.step

    def noting(self, batch):
        seen.append((batch.number, batch.total, batch.index.tolist()))
        found = step(self, batch)
        content = {"seen": seen, "weights": self.model.module.state_dict()}
        torch.save(content, dump / f"{self.ranks.rank}.pt")
        return found

    Optimization.step = noting
    run.train(store, out, recipe.load(asked), device="cpu")
    """
)


def test_two_ranks_see_disjoint_shards_and_end_with_equal_weights(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quick("train.batch_size=32")
    dumped = _torchrun(2, small_store, asked, tmp_path)
    alone: list[list[int]] = []
    step = Optimization.step

    def noting(self: Optimization, batch: Batch) -> torch.Tensor:
        alone.append(batch.index.tolist())
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", noting)
    train(small_store, tmp_path / "alone", asked, device="cpu")
    shares = [dump["seen"] for dump in dumped]
    for (number, total, first), (_, _, second), both in zip(*shares, alone, strict=True):
        assert not set(first) & set(second), number
        assert sorted(first + second) == sorted(both)
        assert total == len(both)
    trained = [name for name in dumped[0]["weights"] if "running" not in name]
    for name in trained:
        assert torch.equal(dumped[0]["weights"][name], dumped[1]["weights"][name]), name
    assert _same(dumped[0]["weights"], _weights(tmp_path / "run"))  # rank 0 writes
    rows = read_log(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["samples"] == read_log(tmp_path / "alone")[0]["samples"]
    assert rows[-1]["val_loss"] < CHANCE


def test_two_ranks_take_a_batch_that_leaves_one_of_them_a_single_sample(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick("train.strategy=audio", "train.batch_size=4", "train.epochs=1")
    dumped = _torchrun(2, small_store, asked, tmp_path)
    assert min(len(mine) for dump in dumped for _, _, mine in dump["seen"]) == 1
    assert len(read_log(tmp_path / "run")) == 1


def _torchrun(world: int, store: Path, asked: Recipe, folder: Path) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    (folder / "worker.py").write_text(WORKER)
    (folder / "asked.toml").write_text(to_toml(asked))
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    arguments = [store, folder / "run", folder, folder / "asked.toml"]
    subprocess.run(
        [sys.executable, *launch, str(folder / "worker.py"), *map(str, arguments)],
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


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
