"""The main job on real recordings: eight clips' sound from TAU, pictures of real videos."""

import csv
import json
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest

REAL = Path(__file__).parents[2] / "shared" / "real"
VIDEOS = ("arm_wrestling.mp4", "mma_test.mp4", "nasa_two_streams.mp4", "pancake.mkv")

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the real media are not here")


def _cut(source: Path, target: Path, seconds: float = 10.2) -> None:
    """The first seconds of a video's pictures in an MP4, their packets copied."""
    with av.open(str(source)) as original, av.open(str(target), "w") as copy:
        stream = max(original.streams.video, key=lambda one: one.width * one.height)
        out = copy.add_stream_from_template(stream)
        for packet in original.demux(stream):
            if packet.dts is None or packet.dts * packet.time_base >= seconds:
                continue
            packet.stream = out
            copy.mux(packet)


def _table(path: Path, rows: list[tuple[str, str]], labelled: bool = True) -> None:
    header = ["filename_audio", "filename_video"] + ["scene_label"] * labelled
    lines = [header] + [
        [f"audio/{clip}.wav", f"video/{clip}.mp4"] + [scene] * labelled for clip, scene in rows
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join("\t".join(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each real WAV as three clips of three places, beside one real video after another."""
    root = tmp_path_factory.mktemp("real") / "dataset"
    (root / "audio").mkdir(parents=True)
    (root / "video").mkdir()
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for number, wav in enumerate(sorted((REAL / "audio").glob("*.wav"))):
        scene, city, location, segment = wav.stem.split("-")
        for copy in range(3):
            clip = f"{scene}-{city}-{location}{copy}-{segment}"
            shutil.copy(wav, root / "audio" / f"{clip}.wav")
            video = REAL / "video" / VIDEOS[(number + copy) % len(VIDEOS)]
            _cut(video, root / "video" / f"{clip}.mp4")
            rows["test" if copy == 0 else "train"].append((clip, scene))
    _table(root / "meta.csv", rows["train"] + rows["test"])
    _table(root / "evaluation_setup" / "fold1_train.csv", rows["train"])
    _table(root / "evaluation_setup" / "fold1_evaluate.csv", rows["test"])
    _table(root / "evaluation_setup" / "fold1_test.csv", rows["test"], labelled=False)
    return root


def _avsc(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "avsc", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_real_clips_go_through_prepare_train_and_evaluate(dataset: Path) -> None:
    lengths = set()
    for path in (dataset / "audio").iterdir():
        with wave.open(str(path)) as file:
            lengths.add(file.getnframes())
    assert {479_999, 480_000, 480_001} <= lengths

    store, run = dataset.parent / "store.zarr", dataset.parent / "run"
    said = _avsc("prepare", dataset, store, "--partition-clips", 8, "--workers", 2)
    assert "24 of 24 clips are good" in said
    small = ["visual.model=test_resnet.r160_in1k", "visual.weights=random", "visual.image_size=64"]
    small += ["train.epochs=3", "train.batch_size=64", "train.images_per_second=1"]
    settings = [word for setting in small for word in ("--set", setting)]
    _avsc("train", store, "--out", run, "--strategy", "joint", *settings, "--device", "cpu")
    table = _avsc("evaluate", run, "--device", "cpu")
    assert "log-loss" in table
    assert "street_pedestrian" in table
    _check_scores(run / "evaluation")


def _check_scores(evaluation: Path) -> None:
    """predictions.csv, scored by scikit-learn, gives what metrics.json says."""
    from sklearn.metrics import log_loss

    metrics = json.loads((evaluation / "metrics.json").read_text())
    with (evaluation / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    scenes = list(rows[0])[2:]
    assert len(rows) == metrics["n_segments"] == 80
    truth = [row["filename"].split("-")[0] for row in rows]
    given = np.array([[float(row[scene]) for scene in scenes] for row in rows])
    right = np.array([row["scene_label"] for row in rows]) == truth
    micro = log_loss(truth, given, labels=scenes)
    assert metrics["log_loss_micro"] == pytest.approx(micro, abs=1e-6)
    assert metrics["accuracy_micro"] == pytest.approx(right.mean(), abs=1e-6)
    present = sorted(set(truth))
    of_class = {scene: [i for i, name in enumerate(truth) if name == scene] for scene in present}
    losses = [
        log_loss([truth[i] for i in rows_], given[rows_], labels=scenes)
        for rows_ in of_class.values()
    ]
    assert metrics["log_loss"] == pytest.approx(np.mean(losses), abs=1e-6)
    rights = [right[rows_].mean() for rows_ in of_class.values()]
    assert metrics["accuracy"] == pytest.approx(np.mean(rights), abs=1e-6)
