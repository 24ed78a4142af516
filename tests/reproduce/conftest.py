"""All tables run once, shrunk, on a store of two-second clips; tests look at copies."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avsc.recipe import Recipe
from avsc.reproduce import work
from avsc.reproduce.plan import TARGETS, Options
from avsc.reproduce.reproduce import Asked, reproduce
from avsc.reproduce.status import run_folder
from avsc.store.schema import FBankSettings, ImageSettings, ScalogramSettings, StoreSettings
from avsc.train import run as training
from avsc.train.run_dir import RunBusyError, locked

SMOKE = Options(("visual.image_size=32", "train.threads=1"), smoke=True)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tests run side by side; more threads would only take turns.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_store(make_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 clips that can be told apart, one of them quarantined; 20 are in the test fold."""
    settings = StoreSettings(
        clip_seconds=2,
        partition_clips=8,
        scalogram=ScalogramSettings(bands=32),
        fbank=FBankSettings(bands=24),
        image=ImageSettings(short_side=36),
    )
    path = tmp_path_factory.mktemp("small") / "store"
    return make_store(path, 60, settings=settings, size=(36, 64), learnable=True, quarantined=[0])


@pytest.fixture(scope="session")
def smoke(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all targets were reproduced."""
    out = tmp_path_factory.mktemp("reproduce") / "out"
    reproduce(Asked(TARGETS, options=SMOKE), small_store, out, device="cpu")
    return out


class Trainer:
    """Takes the place of training: a run becomes what it was in ``smoke``.

    Attributes:
        trained: The runs' names, in order.
        failing: Runs that end with an error, by name.
        busy: How often each of these runs is found to be another process's.
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
    monkeypatch.setattr(work, "POLL_S", 0.01)
    return instead
