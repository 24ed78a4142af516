"""All tables run once, shrunk, on a store of two-second clips; tests look at copies."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from avsc.recipe import Recipe
from avsc.reproduce import runner
from avsc.reproduce.plan import TARGETS, Options, Request
from avsc.reproduce.reproduce import reproduce
from avsc.reproduce.status import run_folder
from avsc.store.schema import FBankSettings, ImageSettings, ScalogramSettings, StoreSettings
from avsc.train import run as training
from avsc.train.run_dir import RunBusyError, locked

# One epoch: writing checkpoints of the wide acoustic encoder takes most of a run's time.
SMOKE_SETTINGS = ("visual.image_size=32", "train.threads=1", "train.epochs=1")
SMOKE = Options(SMOKE_SETTINGS, smoke=True)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tests run side by side; more threads would only take turns.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of pytest-xdist share; ``lock`` in it guards what they make."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "reproduce"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def small_store(make_store: Callable[..., Path], shared: Path) -> Path:
    """60 clips that can be told apart, one of them quarantined; 20 are in the test fold."""
    settings = StoreSettings(
        clip_seconds=2,
        partition_clips=8,
        scalogram=ScalogramSettings(bands=32),
        fbank=FBankSettings(bands=24),
        image=ImageSettings(short_side=36),
    )
    store = shared / "store"
    with FileLock(shared / "lock"):
        if not store.exists():
            make_store(store, 60, settings=settings, size=(36, 64), learnable=True, quarantined=[0])
    return store


@pytest.fixture(scope="session")
def smoke(small_store: Path, shared: Path) -> Path:
    """The folder in which all targets were reproduced."""
    out = shared / "out"
    with FileLock(shared / "lock"):
        if not (out / "fig2.svg").exists():
            reproduce(Request(TARGETS, options=SMOKE), small_store, out, device="cpu")
    return out


class Trainer:
    """Replaces training: a run becomes a copy of the one in ``smoke``.

    Attributes:
        trained: Names of the runs, in the order in which they were trained.
        failing: Errors to raise, by the name of the run.
        busy: Number of times that a run is found to be trained by another process, by its name.
    """

    def __init__(self, smoke: Path) -> None:
        self._smoke = smoke
        self.trained: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.busy: dict[str, int] = {}

    def __call__(self, store: str, run: Path, recipe: Recipe, **options: object) -> None:
        del store, recipe
        assert options["resume"]
        if self.busy.get(run.name):
            self.busy[run.name] -= 1
            raise RunBusyError(f"{run} is busy")
        self.trained.append(run.name)
        if run.name in self.failing:
            raise self.failing[run.name]
        with locked(run):
            for name in ("config.toml", "log.jsonl"):
                shutil.copy(run_folder(self._smoke, run.name) / name, run / name)
            for name in ("checkpoints", "evaluation"):
                shutil.copytree(run_folder(self._smoke, run.name) / name, run / name)


@pytest.fixture
def trainer(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Training takes no time in this test."""
    instead = Trainer(smoke)
    monkeypatch.setattr(training, "train", instead)
    monkeypatch.setattr(runner, "POLL_S", 0.01)
    return instead
