"""Predictions of other people's systems: every form gives the same scores, or is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from avsc.errors import AvscError
from avsc.evaluate.compare import Comparison, compare
from avsc.evaluate.labels import Labels, read_labels
from avsc.scenes import SCENES
from tests.evaluate.foreign import a_row_a_clip, a_row_a_segment, shares_of, truth_of, write

Change = Callable[[pd.DataFrame, Path], Path]


def _titled(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={scene: scene.replace("_", " ").title() for scene in SCENES})


def _paths(table: pd.DataFrame, folder: str, ending: str, column: str) -> pd.DataFrame:
    named = table.assign(aid=folder + table["aid"] + ending)
    return named.rename(columns={"aid": column})


def _text(path: Path, change: Callable[[str], str]) -> Path:
    path.write_bytes(change(path.read_text(encoding="utf-8")).encode())
    return path


CLIP_FORMS: dict[str, Change] = {
    "tabs": write,
    "commas": lambda t, p: write(t, p, ","),
    "semicolons": lambda t, p: write(t, p, ";"),
    "filename with folder and ending": lambda t, p: write(
        _paths(t, "audio/", ".wav", "filename"), p
    ),
    "filename_video": lambda t, p: write(_paths(t, "video/", ".mp4", "filename_video"), p, ","),
    "filename_audio of a feature": lambda t, p: write(
        _paths(t, "/a/b.c/", ".npy", "filename_audio"), p, ","
    ),
    "a column of ids without a usual name": lambda t, p: write(
        t.rename(columns={"aid": "what"}), p, ","
    ),
    "ids as pandas' index": lambda t, p: (t.set_index("aid").to_csv(p), p)[1],
    "numbers as pandas' index": lambda t, p: (t.to_csv(p), p)[1],
    "no header for the names of rows": lambda t, p: _text(
        (t.drop(columns=["scene_pred", "scene_label"]).set_index("aid").to_csv(p), p)[1],
        lambda text: text.removeprefix("aid,"),
    ),
    "columns and rows in other orders": lambda t, p: write(t[t.columns[::-1]][::-1], p, ","),
    "scenes with spaces and capitals": lambda t, p: write(_titled(t), p, ","),
    "prefixed scenes": lambda t, p: write(
        t.rename(columns={s: f"prob_{s}" for s in SCENES}), p, ","
    ),
    "scenes in camel case": lambda t, p: write(
        t.rename(columns={s: s.title().replace("_", "") for s in SCENES}), p, ","
    ),
    "per cent": lambda t, p: write(t.assign(**{s: 100 * t[s] for s in SCENES}), p, ","),
    "a BOM and Windows line ends": lambda t, p: _text(
        write(t, p, ","), lambda text: "\ufeff" + text.replace("\n", "\r\n")
    ),
    "spaces after commas": lambda t, p: _text(
        write(t, p, ","), lambda text: text.replace(",", ", ")
    ),
    "quoted cells": lambda t, p: (t.to_csv(p, index=False, quoting=1), p)[1],
    "further columns": lambda t, p: write(
        t.assign(loss=1.5, correct=True, city="lyon", max=t[list(SCENES)].max(axis=1)), p, ","
    ),
    "without answer and truth": lambda t, p: write(
        t.drop(columns=["scene_pred", "scene_label"]), p
    ),
}
SEGMENT_FORMS: dict[str, Change] = {
    "a column `second`": lambda t, p: write(t, p, ","),
    "a column `segment` from 1": lambda t, p: write(
        t.assign(second=t["second"] + 1).rename(columns={"second": "segment"}), p, ","
    ),
    "a column `start` in seconds": lambda t, p: write(
        t.assign(second=t["second"].astype(float)).rename(columns={"second": "start"}), p
    ),
    "a column `time` in milliseconds": lambda t, p: write(
        t.assign(second=1000 * t["second"]).rename(columns={"second": "time"}), p
    ),
    "a column `segment` from-to": lambda t, p: write(
        t.assign(second=[f"{s}-{s + 1}" for s in t["second"]]).rename(
            columns={"second": "segment"}
        ),
        p,
    ),
    "middles of seconds": lambda t, p: write(
        t.assign(second=0.5 + t["second"]).rename(columns={"second": "time"}), p
    ),
    "the second behind the id": lambda t, p: write(
        t.assign(filename=t["filename"] + "_" + t["second"].astype(str)).drop(columns="second"), p
    ),
    "the second between id and ending": lambda t, p: write(
        t.assign(filename="audio/" + t["filename"] + "-0" + t["second"].astype(str) + ".wav").drop(
            columns="second"
        ),
        p,
    ),
    "the second behind the ending": lambda t, p: write(
        t.assign(filename=t["filename"] + ".wav_" + t["second"].astype(str)).drop(columns="second"),
        p,
        ",",
    ),
    "the same name ten times": lambda t, p: write(t.drop(columns="second"), p, ","),
}


def _assert_scores(found: Comparison, table: pd.DataFrame) -> None:
    """The scores are those of scikit-learn on the normalised values."""
    shares, truth = shares_of(table), truth_of(table)
    (system,) = found.systems
    micro = log_loss(truth, shares, labels=list(range(10)))
    assert system.scores.log_loss_micro == pytest.approx(micro, abs=1e-6)
    by_scene = [
        log_loss(truth[truth == k], shares[truth == k], labels=range(10)) for k in range(10)
    ]
    assert system.scores.log_loss == pytest.approx(np.mean(by_scene), abs=1e-6)
    right = accuracy_score(truth, shares.argmax(axis=1))
    assert system.scores.accuracy_micro == pytest.approx(right, abs=1e-6)
    assert found.rows.n_clips == 120


@pytest.mark.parametrize("form", CLIP_FORMS)
def test_a_row_a_clip_in_any_form_scores_as_scikit_learn_scores_it(
    form: str, tmp_path: Path
) -> None:
    table = a_row_a_clip()
    found = compare([CLIP_FORMS[form](table, tmp_path / "other.csv")])
    assert found.unit == "clip"
    _assert_scores(found, table)
    assert any("normalised" in note for note in found.systems[0].notes)


@pytest.mark.parametrize("form", SEGMENT_FORMS)
def test_a_row_a_segment_in_any_form_scores_as_scikit_learn_scores_it(
    form: str, tmp_path: Path
) -> None:
    table = a_row_a_segment()
    found = compare([SEGMENT_FORMS[form](table, tmp_path / "other.csv")])
    assert (found.unit, found.whole) == ("segment", True)
    _assert_scores(found, table)
    first = found.systems[0].probabilities[0][7]
    np.testing.assert_allclose(first, shares_of(table)[7], atol=1e-6)


def test_segments_can_be_averaged_to_clips(tmp_path: Path) -> None:
    table = a_row_a_segment()
    path = write(table.sample(frac=1, random_state=3), tmp_path / "mixed.csv")
    found = compare([path], per_clip=True)
    shares = shares_of(table).reshape(-1, 10, 10).mean(axis=1)
    loss = log_loss(truth_of(table)[::10], shares, labels=list(range(10)))
    assert found.unit == "clip"
    assert found.systems[0].scores.log_loss_micro == pytest.approx(loss, abs=1e-6)


def test_truth_and_answer_are_told_apart_by_agreement_and_not_by_name(tmp_path: Path) -> None:
    table = a_row_a_clip(skill=1.0)
    turned = table.rename(columns={"scene_pred": "scene_label", "scene_label": "scene_pred"})
    for one, truth, answer in (
        (table, "scene_label", "scene_pred"),
        (turned, "scene_pred", "scene_label"),
    ):
        found = compare([write(one, tmp_path / "f.csv")])
        _assert_scores(found, table)
        notes = {note.split(":")[0]: note for note in found.systems[0].notes}
        assert "true" in notes[f"column {truth!r}"]
        assert "answer" in notes[f"column {answer!r}"]


def test_a_truth_that_contradicts_the_labels_is_counted(tmp_path: Path) -> None:
    table = a_row_a_clip(skill=1.0)
    table.loc[[3, 5], "scene_label"] = "tram"
    found = compare([write(table, tmp_path / "f.csv")])
    _assert_scores(found, table)
    (note,) = [n for n in found.systems[0].notes if n.startswith("column 'scene_label'")]
    assert "2 of 120" in note


LABEL_FORMS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "meta.csv": write,
    "commas": lambda t, p: write(t, p, ","),
    "scenes in words": lambda t, p: write(
        t.assign(scene_label=t["scene_label"].str.replace("_", " ").str.title()), p
    ),
    "ids alone": lambda t, p: write(
        t.assign(id=t["filename_audio"].str.slice(6, -4))[["id", "scene_label"]].rename(
            columns={"scene_label": "label"}
        ),
        p,
        ",",
    ),
}


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_labels_from_a_table_or_a_data_set_give_the_scores_of_the_ids(
    form: str, tmp_path: Path
) -> None:
    table = a_row_a_clip()
    file = write(table, tmp_path / "f.csv")
    meta = pd.DataFrame({"filename_audio": "audio/" + table["aid"] + ".wav"})
    meta["scene_label"] = table["scene_label"]
    (tmp_path / "set").mkdir()
    place = LABEL_FORMS[form](meta, tmp_path / "set" / "meta.csv")
    for name in (place, tmp_path / "set"):
        found = compare([file], read_labels(str(name)))
        _assert_scores(found, table)
        assert found.systems[0].intervals.log_loss.known


def test_labels_of_other_ids_have_scenes_of_any_number_and_no_locations(tmp_path: Path) -> None:
    ids = [f"IMG_{k:02}" for k in range(30)]
    scenes = ["my kitchen", "hall", "Office"]
    truth = [scenes[k % 3] for k in range(30)]
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 30)
    table = pd.DataFrame(shares, columns=scenes).assign(file=ids)
    file = write(table, tmp_path / "f.csv", ",")
    labels = write(pd.DataFrame({"file": ids, "scene": truth}), tmp_path / "l.csv", ",")
    with pytest.raises(AvscError, match="--labels"):
        compare([file])
    (system,) = compare([file], read_labels(str(labels))).systems
    loss = log_loss([sorted(scenes).index(t) for t in truth], shares[:, [2, 1, 0]])
    assert system.scores.log_loss_micro == pytest.approx(loss, abs=1e-6)
    assert not system.intervals.log_loss.known
    assert system.summary.n_locations == 0


def test_a_part_of_the_labels_and_missing_seconds_are_counted(tmp_path: Path) -> None:
    table = a_row_a_segment()
    labels = read_labels_of(table, tmp_path)
    found = compare([write(table[:-13], tmp_path / "f.csv")], labels)
    assert any("1 of 120 labelled clips" in note for note in found.notes)
    assert any("3 segments" in note for note in found.notes)
    assert not found.whole


def read_labels_of(table: pd.DataFrame, folder: Path) -> Labels:
    clips = table["filename"].drop_duplicates()
    meta = pd.DataFrame({"filename": clips, "scene": clips.str.split("-").str[0]})
    return read_labels(str(write(meta, folder / "labels.csv")))
