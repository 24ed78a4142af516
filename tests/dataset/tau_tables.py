"""Small data sets in TAU's layout."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from avsc.dataset.read import Dataset, read_dataset
from avsc.errors import AvscError
from avsc.scenes import SCENES

META_FOLDER = "TAU-urban-audio-visual-scenes-2021-development.meta"
TRAIN = [f"{scene}-lyon-{1000 + n}-4000{n}" for n, scene in enumerate(SCENES)]
TEST = [f"{scene}-oslo-{2000 + n}-5000{n}" for n, scene in enumerate(SCENES)]


def fold_table(ids: Sequence[str], labels: bool = True) -> str:
    lines = ["filename_audio\tfilename_video" + ("\tscene_label" if labels else "")]
    for clip_id in ids:
        label = "\t" + clip_id.split("-")[0] if labels else ""
        lines.append(f"audio/{clip_id}.wav\tvideo/{clip_id}.mp4{label}")
    return "\n".join(lines) + "\n"


def write_media(root: Path, ids: Sequence[str]) -> None:
    for folder, suffix in (("audio", ".wav"), ("video", ".mp4")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for clip_id in ids:
            (root / folder / (clip_id + suffix)).touch()


def write_tables(root: Path, train: Sequence[str], test: Sequence[str]) -> None:
    setup = root / "evaluation_setup"
    setup.mkdir(parents=True, exist_ok=True)
    (root / "meta.csv").write_text(fold_table([*train, *test]))
    (setup / "fold1_train.csv").write_text(fold_table(train))
    (setup / "fold1_evaluate.csv").write_text(fold_table(test))
    (setup / "fold1_test.csv").write_text(fold_table(test, labels=False))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refusal(root: Path) -> AvscError:
    with pytest.raises(AvscError) as caught:
        read_dataset(root)
    return caught.value


def clip_ids(dataset: Dataset) -> list[str]:
    return [clip.id for clip in dataset.clips]


AIRPORT = TRAIN[0]
BUS = TRAIN[1]
