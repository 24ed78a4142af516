"""Fixtures shared by all tests."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import simplejpeg

from avsc.scenes import SCENES
from avsc.store.clips import StoredClip
from avsc.store.create import open_for_writing
from avsc.store.finish import mark_complete
from avsc.store.schema import (
    FEATURES,
    SEGMENT_FRAMES,
    Feature,
    ImageSettings,
    StoreSettings,
    partition_count,
    partition_range,
)
from avsc.store.write import ClipData, write_partition

MakeClips = Callable[..., list[StoredClip]]
MakeClipData = Callable[..., ClipData]


class MakeStore(Protocol):
    """The type of the fixture ``make_store``."""

    def __call__(
        self,
        path: Path,
        n_clips: int = 12,
        *,
        clip_seconds: int = 10,
        features: tuple[Feature, ...] = FEATURES,
        partition_clips: int = 4,
        clips_per_location: int = 1,
        size: tuple[int, int] = (48, 64),
        quarantined: Iterable[int] = (),
        seed: int = 0,
        learnable: bool = False,
        settings: StoreSettings | None = None,
        complete: bool = True,
    ) -> Path: ...


@pytest.fixture(scope="session")
def make_store() -> MakeStore:
    """Makes a small store through the real writer; returns its path.

    Scenes take turns; every third location of a scene is in the test fold. ``quarantined`` are
    rows; ``learnable`` makes sound and picture depend on the scene; ``settings`` replaces
    everything that describes arrays.
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
    seed: int = 0,
    learnable: bool = False,
    settings: StoreSettings | None = None,
    complete: bool = True,
) -> Path:
    settings = settings or StoreSettings(
        features=features,
        clip_seconds=clip_seconds,
        partition_clips=partition_clips,
        image=ImageSettings(short_side=min(size)),
    )
    clips = _clips(n_clips, clips_per_location)
    bad = set(quarantined)
    open_for_writing(path, clips, settings)
    for partition in range(partition_count(n_clips, settings)):
        with write_partition(path, n_clips, settings, partition) as writer:
            for row in partition_range(partition, n_clips, settings):
                if row in bad:
                    writer.quarantine(row, "made bad by the test")
                    continue
                scene = SCENES.index(clips[row].scene) if learnable else None
                writer.add(row, _clip_data(settings, size, (seed, row), scene))
    if complete:
        mark_complete(path)
    return path


def _clips(n_clips: int, clips_per_location: int = 1) -> list[StoredClip]:
    """Clips of all scenes in turn, sorted by id."""
    clips = []
    for number in range(n_clips):
        scene = SCENES[number % len(SCENES)]
        location = number // len(SCENES) // clips_per_location
        city = ("lyon", "paris", "prague", "vienna")[location % 4]
        place = str(1000 + 10 * location + number % len(SCENES))
        name = f"{scene}-{city}-{place}-{40000 + number}"
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
) -> ClipData:
    """Random features and pictures; those of a ``scene`` can be told apart."""
    rng = np.random.default_rng(seed)
    seconds = settings.clip_seconds
    audio, segments = {}, {}
    for feature in settings.features:
        bands = settings.bank(feature).bands
        bump = np.zeros(bands, np.float32)
        if scene is not None:
            bump[scene * bands // len(SCENES) : (scene + 1) * bands // len(SCENES)] = 1.0
        clip = rng.standard_normal((settings.clip_frames, 2, bands), np.float32) - 5
        cut = rng.standard_normal((seconds, SEGMENT_FRAMES, 2, bands), np.float32) - 5
        audio[feature], segments[feature] = clip + bump, cut + bump
    colour = rng.integers(0, 256, 3) if scene is None else _colour(scene)
    jpegs = []
    for _ in range(seconds):
        noise = rng.normal(0, 30, (*size, 3))
        picture = np.clip(colour + noise, 0, 255).astype(np.uint8)
        jpegs.append(simplejpeg.encode_jpeg(picture, quality=settings.image.jpeg_quality))
    pts_s = np.arange(seconds) + 0.5 - rng.uniform(0, 1 / 30, seconds)
    return ClipData(audio, segments, jpegs, pts_s.tolist())


def _colour(scene: int) -> np.ndarray:
    angle = 2 * np.pi * (scene / len(SCENES) + np.arange(3) / 3)
    return 128 + 80 * np.cos(angle)


@pytest.fixture(scope="session")
def real_audio() -> list[Path]:
    """Eight original clips of TAU (not in the repository), sorted; skips where they are absent."""
    folder = Path(__file__).parents[1].parent / "shared" / "real" / "audio"
    if not folder.is_dir():
        pytest.skip(f"no real clips in {folder}")
    return sorted(folder.glob("*.wav"))
