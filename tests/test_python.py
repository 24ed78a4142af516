"""The Python interface: names that can be found, light to import, strings as paths."""

import inspect
import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import avsc
from tests.conftest import MakeRecipe
from tests.test_cli import HEAVY

NAMES = ["Recipe", "Run", "Store", "evaluate", "predict", "prepare", "scalogram", "train"]


def _python(code: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd
    )
    return done.stdout


@pytest.fixture(scope="module")
def trained(small_store: Path, quick: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("python") / "run"
    recipe = quick("train.strategy=audio", "train.epochs=1", "audio.feature=fbank")
    avsc.train(str(small_store), str(run), recipe, device="cpu")
    return run


def test_the_names_are_listed_and_documented() -> None:
    assert sorted(avsc.__all__) == NAMES
    assert set(NAMES) <= set(dir(avsc))
    for name in NAMES:
        found = getattr(avsc, name)
        assert callable(found)
        assert inspect.getdoc(found)
        assert name in (avsc.__doc__ or "")
        assert inspect.signature(found).parameters


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        avsc.Stroe  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = _python("import sys, avsc; dir(avsc); print(*sys.modules)").split()
    assert not {*HEAVY, "numpy", "pydantic", "pandas"} & set(loaded)


@pytest.mark.parametrize(
    "first", ["avsc.train.load", "avsc.evaluate.compare", "avsc.predict.predictor"]
)
def test_functions_can_be_called_whatever_was_imported_before(first: str) -> None:
    code = f"""
import {first}
from avsc import evaluate, predict, prepare, train
import avsc.train.run
import avsc.prepare.lock as lock
print(*[f.function.__name__ for f in (evaluate, predict, prepare, train)], lock.__name__)
"""
    assert _python(code).split() == ["evaluate", "predict", "prepare", "train", "avsc.prepare.lock"]


def test_a_function_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(avsc.predict)) is avsc.predict


def test_strings_are_paths(trained: Path, small_store: Path, tmp_path: Path) -> None:
    sound = tmp_path / "street.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, (48_000, 2)), 16_000)
    result = avsc.evaluate(
        str(trained), store=str(small_store), out=str(tmp_path / "e"), device="cpu"
    )
    assert (tmp_path / "e" / "evaluation" / "report.html").is_file()
    (one,) = avsc.predict(str(trained), str(sound), out=str(tmp_path / "p"), device="cpu")
    assert (tmp_path / "p" / "street.csv").is_file()
    run = avsc.Run.open(str(trained), device="cpu")
    again = run.predict(str(sound))
    np.testing.assert_array_equal(one.probabilities, again.probabilities)
    shown = [repr(value) for value in (run, result, one, avsc.Store.open(str(small_store)))]
    assert all(len(text) < 200 for text in shown)
    for text, words in zip(
        shown,
        (["audio", "fbank", str(trained)], ["log-loss"], ["3 seconds"], ["40 clips"]),
        strict=True,
    ):
        assert all(word in text for word in words)


def test_a_prediction_is_a_table(trained: Path, tmp_path: Path) -> None:
    sound = tmp_path / "street.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, (48_000, 2)), 16_000)
    run = avsc.Run.open(trained, device="cpu")
    found = run.predict(sound)
    frame = found.to_frame()
    assert list(frame.columns) == ["scene", "probability", *run.scenes]
    assert frame.index.tolist() == [0, 1, 2]
    assert frame.index.name == "second"
    shares = frame[list(run.scenes)]
    np.testing.assert_array_equal(shares.to_numpy(), found.probabilities)
    assert frame["scene"].tolist() == shares.idxmax(axis=1).tolist()
    np.testing.assert_array_equal(frame["probability"], shares.max(axis=1))


def test_prepare_takes_strings(tmp_path: Path) -> None:
    from avsc.synth.make import make_dataset
    from avsc.synth.plan import SynthSettings

    make_dataset(tmp_path / "dataset", SynthSettings(2, 2, width=64, height=48))
    summary = avsc.prepare(str(tmp_path / "dataset"), str(tmp_path / "store"))
    assert summary.complete
    assert len(avsc.Store.open(str(tmp_path / "store")).clips) == 20


def test_batches_of_the_training_stream_may_be_kept(small_store: Path, quick: MakeRecipe) -> None:
    from avsc.data.split import training_fold
    from avsc.data.training_loader import training_loader

    store, recipe = avsc.Store.open(small_store), quick()
    clips = training_fold(store, recipe.train).train
    loader = training_loader(store, clips, recipe, audio=None, image_size=32, say=lambda _: None)
    kept = list(itertools.islice(loader.epoch(0), 5))
    for batch, same in zip(kept, loader.epoch(0), strict=False):
        assert batch.images is not None
        assert same.images is not None
        assert torch.equal(batch.images, same.images)
    loader.close()
