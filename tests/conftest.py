"""Fixtures shared by all tests."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
import simplejpeg

from avsc.recipe_keys import to_toml
from avsc.scenes import SCENES
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete
from avsc.store.layout import StoredClip
from avsc.store.schema import (
    FEATURES,
    SEGMENT_FRAMES,
    FBankSettings,
    Feature,
    ImageSettings,
    ScalogramSettings,
    StoreSettings,
    partition_count,
    partition_range,
)
from avsc.store.writer import ClipData, write_partition

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from avsc.recipe import Recipe

# Tests run side by side; more threads in each would only take turns.
os.environ.setdefault("OMP_NUM_THREADS", "1")

MakeRun = Callable[..., Path]
MakeStore = Callable[..., Path]
MakeRecipe = Callable[..., "Recipe"]
MakeClips = Callable[..., list[StoredClip]]
MakeClipData = Callable[..., ClipData]

TINY_ENCODER = (
    "visual.model=test_resnet.r160_in1k",
    "visual.weights=random",
    "visual.image_size=64",
)


# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("avsc", deadline=None)
hypothesis.settings.load_profile("avsc")


@pytest.fixture(scope="session")
def make_store() -> MakeStore:
    """Makes a small store through the real writer; returns its path.

    Scenes take turns; every third location of a scene is in the test fold. ``quarantined`` and
    ``unlabelled`` are rows, the latter of clips without scene and fold; ``learnable`` makes sound
    and picture depend on the scene; ``settings`` replaces everything that describes arrays; clips
    of other ``scenes`` than TAU's have numbers for ids.
    """
    return _make_store


@pytest.fixture(scope="session")
def make_clips() -> MakeClips:
    """``make_clips(n_clips, clips_per_location=1)``: the clips of a store that is made."""
    return _clips


@pytest.fixture(scope="session")
def make_clip_data() -> MakeClipData:
    """``make_clip_data(settings, (height, width), (seed, row), scene=None)``: one clip's data."""
    return _clip_data


@pytest.fixture(scope="session")
def quick() -> MakeRecipe:
    """A recipe of two short epochs with a tiny random encoder, and settings on top."""
    from avsc import recipe

    def make(*settings: str) -> "Recipe":
        tiny = ["visual.model=test_resnet", "visual.weights=random", "visual.image_size=32"]
        short = ["train.epochs=2", "train.batch_size=32", "train.val_fraction=0.3"]
        return recipe.load(None, [*tiny, *short, "train.threads=1", *settings])

    return make


@pytest.fixture(scope="session")
def store_settings() -> StoreSettings:
    """Two-second clips of few bands and small pictures: 9 frames a clip."""
    return StoreSettings(
        clip_seconds=2,
        partition_clips=8,
        scalogram=ScalogramSettings(bands=32),
        fbank=FBankSettings(bands=24),
        image=ImageSettings(short_side=36),
    )


@pytest.fixture(scope="session")
def small_store(
    make_store: MakeStore, store_settings: StoreSettings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """40 clips that can be told apart, one of the training fold quarantined."""
    path = tmp_path_factory.mktemp("small") / "store"
    return make_store(
        path, 40, settings=store_settings, size=(36, 64), learnable=True, quarantined=[0]
    )


def _make_store(
    path: Path,
    n_clips: int = 12,
    *,
    clip_seconds: int = 10,
    features: tuple[Feature, ...] = FEATURES,
    partition_clips: int = 4,
    clips_per_location: int = 1,
    size: tuple[int, int] = (48, 64),
    quarantined: Iterable[int] = (),
    unlabelled: Iterable[int] = (),
    seed: int = 0,
    learnable: bool = False,
    settings: StoreSettings | None = None,
    complete: bool = True,
    scenes: Sequence[str] = SCENES,
) -> Path:
    settings = settings or StoreSettings(
        features=features,
        clip_seconds=clip_seconds,
        partition_clips=partition_clips,
        image=ImageSettings(short_side=min(size)),
    )
    clips = _clips(n_clips, clips_per_location, scenes)
    bad, known = set(quarantined), list(clips)
    for row in unlabelled:
        known[row] = clips[row]._replace(scene="", fold="")
    open_for_writing(path, known, settings, scenes)
    for partition in range(partition_count(n_clips, settings)):
        with write_partition(path, n_clips, settings, partition) as writer:
            for row in partition_range(partition, n_clips, settings):
                if row in bad:
                    writer.quarantine(row, "made bad by the test")
                    continue
                scene = scenes.index(clips[row].scene) if learnable else None
                data = _clip_data(settings, size, (seed, row), scene, len(scenes))
                writer.add(row, data)
    if complete:
        mark_complete(path)
    return path


def _clips(
    n_clips: int, clips_per_location: int = 1, scenes: Sequence[str] = SCENES
) -> list[StoredClip]:
    """Clips of all scenes in turn, sorted by id."""
    clips = []
    for number in range(n_clips):
        scene = scenes[number % len(scenes)]
        location = number // len(scenes) // clips_per_location
        city = ("lyon", "paris", "prague", "vienna")[location % 4]
        place = str(1000 + 10 * location + number % len(scenes))
        name = f"{scene}-{city}-{place}-{40000 + number}" if scenes == SCENES else f"{number:06}"
        fold = "test" if location % 3 == 1 else "train"
        clips.append(
            StoredClip(name, scene, city, place, fold, f"audio/{name}.wav", f"video/{name}.mp4")
        )
    return sorted(clips)


def _clip_data(
    settings: StoreSettings,
    size: tuple[int, int],
    seed: tuple[int, ...],
    scene: int | None = None,
    scenes: int = len(SCENES),
) -> ClipData:
    """Random features and pictures; those of a ``scene`` of so many can be told apart."""
    rng = np.random.default_rng(seed)
    seconds = settings.clip_seconds
    audio, segments = {}, {}
    for feature in settings.features:
        bands = settings.bank(feature).bands
        bump = np.zeros(bands, np.float32)
        if scene is not None:
            bump[scene * bands // scenes : (scene + 1) * bands // scenes] = 1.0
        clip = rng.standard_normal((settings.clip_frames, 2, bands), np.float32) - 5
        cut = rng.standard_normal((seconds, SEGMENT_FRAMES, 2, bands), np.float32) - 5
        audio[feature], segments[feature] = clip + bump, cut + bump
    colour = rng.integers(0, 256, 3) if scene is None else _colour(scene / scenes)
    jpegs = []
    for _ in range(seconds):
        noise = rng.normal(0, 30, (*size, 3))
        picture = np.clip(colour + noise, 0, 255).astype(np.uint8)
        jpegs.append(simplejpeg.encode_jpeg(picture, quality=settings.image.jpeg_quality))
    pts_s = np.arange(seconds) + 0.5 - rng.uniform(0, 1 / 30, seconds)
    return ClipData(audio, segments, jpegs, pts_s.tolist())


def _colour(turn: float) -> np.ndarray:
    angle = 2 * np.pi * (turn + np.arange(3) / 3)
    return 128 + 80 * np.cos(angle)


@pytest.fixture(scope="session")
def real_audio() -> list[Path]:
    """Eight original clips of TAU (not in the repository), sorted; skips where they are absent."""
    folder = Path(__file__).parents[1].parent / "shared" / "real" / "audio"
    if not folder.is_dir():
        pytest.skip(f"no real clips in {folder}")
    return sorted(folder.glob("*.wav"))


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """``make_run(path, store, strategy="joint", seed=0, settings=())``: the run's folder.

    It was never trained: a recipe, checkpoints with random weights, a log.
    """
    return _make_run


def _make_run(
    path: Path,
    store: Path,
    strategy: str = "joint",
    seed: int = 0,
    settings: tuple[str, ...] = (),
) -> Path:
    # Here, since tests of stage 1 need none of it.
    import torch

    from avsc import recipe as recipes
    from avsc.models import visual_weights
    from avsc.store.reader import Store
    from avsc.train import checkpoint, manifest
    from avsc.train.load import new_model

    opened = Store.open(store)
    recipe = recipes.load(None, [*TINY_ENCODER, f"train.strategy={strategy}", *settings])
    encoder = None if strategy == "audio" else visual_weights.build(recipe.visual)
    recorded = manifest.new_manifest(opened, recipe, encoder, world=1).model_copy(
        update={"epoch": 3, "best_epoch": 2, "best_loss": 1.5, "finished": True}
    )
    torch.manual_seed(seed)
    model = new_model(recorded, encoder)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            # Fresh statistics would let everything through alike.
            module.running_mean = torch.randn(module.num_features) * 0.1
    path.mkdir(parents=True)
    (path / "config.toml").write_text(to_toml(recipe))
    rows = [
        {
            "epoch": epoch,
            "train_loss": 2.5 / epoch,
            "train_accuracy": 0.2 * epoch,
            "val_loss": abs(epoch - 2) + 1.5,
            "val_accuracy": 0.3 * epoch,
            "seconds": 61.0,
        }
        for epoch in (1, 2, 3)
    ]
    (path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("best", "last"):
        content = json.loads(recorded.model_dump_json())
        checkpoint.save(path / "checkpoints", name, model.state_dict(), {}, content)
    return path


def _browser(profile: Path) -> "Chrome":
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """A headless Chromium that keeps what it logs and asks for; skips where there is none."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver")
    driver = _browser(tmp_path_factory.mktemp("chromium"))
    try:
        yield driver
    finally:
        driver.quit()
