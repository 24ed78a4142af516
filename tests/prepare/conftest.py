"""Small real data sets: WAV and H.264 files of ten seconds, with a few tiny pictures."""

import multiprocessing.forkserver
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avsc.prepare import clip as clips_read
from avsc.prepare.run import prepare
from avsc.scenes import SCENES
from avsc.store.layout import StoredClip
from avsc.store.schema import ImageSettings, StoreSettings
from avsc.store.writer import ClipData

MakeDataset = Callable[..., Path]


def write_wav(path: Path, seed: int, seconds: float = 10.0) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * 16_000), 2))
    soundfile.write(path, noise.astype(np.float32), 16_000, subtype="PCM_16")


def write_mp4(path: Path, seed: int, seconds: int = 10, fps: int = 4) -> None:
    draw = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "g": "8"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(seconds * fps):
            coarse = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = coarse.repeat(8, axis=0).repeat(8, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")


def clip_ids(count: int) -> list[str]:
    return [f"{SCENES[i % 10]}-lyon-{1000 + i % 10}-{i}" for i in range(count)]


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> MakeDataset:
    """Makes a data set of so many different good clips, anew on each call."""
    media = tmp_path_factory.mktemp("media")

    def make(clips: int) -> Path:
        root = tmp_path_factory.mktemp("dataset")
        for folder in ("audio", "video"):
            (root / folder).mkdir()
        rows = []
        for number, clip in enumerate(clip_ids(clips)):
            wav, mp4 = media / f"{number}.wav", media / f"{number}.mp4"
            if not mp4.exists():
                write_wav(wav, number)
                write_mp4(mp4, number)
            (root / f"audio/{clip}.wav").write_bytes(wav.read_bytes())
            (root / f"video/{clip}.mp4").write_bytes(mp4.read_bytes())
            rows.append((f"audio/{clip}.wav", f"video/{clip}.mp4", clip.split("-")[0]))
        header = ("filename_audio", "filename_video", "scene_label")
        write_table(root / "meta.csv", header, rows)
        write_table(root / "evaluation_setup/fold1_train.csv", header, rows[::2])
        write_table(root / "evaluation_setup/fold1_evaluate.csv", header, rows[1::2])
        write_table(
            root / "evaluation_setup/fold1_test.csv", header[:2], [row[:2] for row in rows[1::2]]
        )
        return root

    return make


@pytest.fixture(scope="session")
def ids() -> list[str]:
    """The ids of a made data set's first ten clips, in the order of the store."""
    return sorted(clip_ids(10))


@pytest.fixture(scope="session")
def dataset(make_dataset: MakeDataset) -> Path:
    """Ten good clips; tests do not change it."""
    return make_dataset(10)


FilesOf = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="session")
def files_of() -> FilesOf:
    """Reads every file of a store, to compare byte by byte."""

    def read(store: Path) -> dict[str, bytes]:
        found = (file for file in sorted(store.rglob("*")) if file.is_file())
        return {str(file.relative_to(store)): file.read_bytes() for file in found}

    return read


@pytest.fixture
def settings() -> StoreSettings:
    """Small pictures, and partitions of three clips."""
    return StoreSettings(partition_clips=3, image=ImageSettings(short_side=32))


@pytest.fixture(scope="session")
def prepared(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set's store with the small settings, made in one go in this process."""
    store = tmp_path_factory.mktemp("prepared") / "store"
    prepare(dataset, store, StoreSettings(partition_clips=3, image=ImageSettings(short_side=32)))
    return store


Sabotage = Callable[[dict[str, str]], None]
HANG = "time.sleep(3600)"  # for ``sabotage``


@pytest.fixture
def sabotage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sabotage]:
    """Makes chosen clips run Python of the test's in worker processes, before they are read."""
    # Workers are forked from a process that would have been started without it, or go on with it.
    stop_fork_server: Callable[[], None] = multiprocessing.forkserver._forkserver._stop  # type: ignore[attr-defined]
    stop_fork_server()

    def install(code_by_clip: dict[str, str]) -> None:
        folder = tmp_path / "sabotage"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(
            "import os, signal, sys, time, pathlib\n"
            "import avsc.prepare.clip as clips\n"
            f"CODE = {code_by_clip!r}\n"
            "honest = clips.read_clip\n"
            "def read_clip(dataset, clip, settings):\n"
            "    exec(CODE.get(clip.id, ''))\n"
            "    return honest(dataset, clip, settings)\n"
            "clips.read_clip = read_clip\n"
        )
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    yield install
    stop_fork_server()


@pytest.fixture
def hangs_once(sabotage: Sabotage, ids: list[str], tmp_path: Path) -> Path:
    """Makes the first process that reads the fifth clip hang; the file is there from then on."""
    reached = tmp_path / "reached"
    sabotage(
        {ids[4]: f"p = pathlib.Path({str(reached)!r})\nif not p.exists():\n p.touch()\n {HANG}"}
    )
    return reached


@pytest.fixture
def in_either(sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch) -> Sabotage:
    """As ``sabotage``, and in this process too."""

    def install(code_by_clip: dict[str, str]) -> None:
        sabotage(code_by_clip)
        honest = clips_read.read_clip

        def read_clip(dataset: Path, stored: StoredClip, settings: StoreSettings) -> ClipData:
            exec(code_by_clip.get(stored.id, ""), {"pathlib": pathlib})
            return honest(dataset, stored, settings)

        monkeypatch.setattr(clips_read, "read_clip", read_clip)

    return install
