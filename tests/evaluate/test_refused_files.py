"""Predictions that cannot be scored: one message with file, line and what to do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.labels import read_labels
from avsc.scenes import SCENES
from tests.evaluate.foreign import a_row_a_clip, a_row_a_segment, write

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def _cell(table: pd.DataFrame, row: int, column: str, value: float | str | None) -> pd.DataFrame:
    changed = table.astype({column: object})
    changed.loc[row, column] = value
    return changed


SPOILT: dict[str, tuple[Spoil, str]] = {
    # what is wrong -> the change, and what the message must show
    "a repeated row": (lambda t: pd.concat([t, t[3:4]]), "line 122:"),
    "a missing number": (lambda t: _cell(t, 4, "bus", None), "line 6:"),
    "not a number": (lambda t: _cell(t, 4, "bus", "nan"), "line 6:"),
    "a word": (lambda t: _cell(t, 4, "bus", "much"), "'much'"),
    "a decimal comma": (lambda t: _cell(t, 4, "bus", "0,25"), "'0,25'"),
    "infinity": (lambda t: _cell(t, 4, "bus", "inf"), "line 6:"),
    "a negative number": (lambda t: _cell(t, 4, "bus", -0.2), "line 6:"),
    "a row that sums to 1.2": (lambda t: _cell(t, 4, "bus", t["bus"][4] + 0.2), "line 6:"),
    "no id": (lambda t: _cell(t, 4, "aid", ""), "line 6:"),
    "a last row of means": (lambda t: _cell(t, 119, "aid", "mean"), "line 121"),
    "no column of a scene": (lambda t: t.drop(columns="park"), "park"),
    "scenes by number": (
        lambda t: t.rename(columns={s: str(k) for k, s in enumerate(SCENES)}),
        "numbers for names",
    ),
    "no column of ids": (lambda t: t.drop(columns=["aid", "scene_pred", "scene_label"]), "line 1"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_what_is_wrong_is_refused_with_its_line(fault: str, tmp_path: Path) -> None:
    spoil, shown = SPOILT[fault]
    path = write(spoil(a_row_a_clip()), tmp_path / "f.csv")
    with pytest.raises(AvscError) as caught:
        compare([path])
    assert str(path) in caught.value.got
    assert shown in caught.value.got
    assert caught.value.remedy


def test_logits_and_votes_are_recognised(tmp_path: Path) -> None:
    table = a_row_a_clip()
    logits = table.assign(**{s: np.log(table[s] + 1e-3) + 2 for s in SCENES})
    with pytest.raises(AvscError) as caught:
        compare([write(logits, tmp_path / "f.csv")])
    assert "softmax" in caught.value.remedy
    logarithms = table.assign(**{s: np.log(table[s].clip(1e-9)) for s in SCENES})
    with pytest.raises(AvscError) as caught:
        compare([write(logarithms, tmp_path / "f.csv")])
    assert "exp" in caught.value.remedy


def test_all_faulty_rows_are_counted_and_few_are_shown(tmp_path: Path) -> None:
    table = a_row_a_clip().astype({"tram": object})
    table.loc[10:49, "tram"] = "?"
    with pytest.raises(AvscError) as caught:
        compare([write(table, tmp_path / "f.csv")])
    assert "40 rows" in caught.value.got
    assert "line 12:" in caught.value.got
    assert len(caught.value.got.splitlines()) < 8


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04\x00\x00", b"aid bus tram\n", b"a,b\n"]
)
def test_what_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        compare([path])
    assert str(path) in caught.value.got


def test_a_row_too_short_or_an_open_quote_is_named(tmp_path: Path) -> None:
    path = write(a_row_a_clip(), tmp_path / "f.csv", ",")
    lines = path.read_text().splitlines()
    for spoilt in (lines[7].rpartition(",")[0], '"' + lines[7]):
        path.write_text("\n".join([*lines[:7], spoilt, *lines[8:]]))
        with pytest.raises(AvscError) as caught:
            compare([path])
        assert "line" in caught.value.got


def test_more_rows_of_a_clip_than_seconds_are_refused(tmp_path: Path) -> None:
    table = a_row_a_segment().drop(columns="second")
    path = write(pd.concat([table, table[:1]]), tmp_path / "f.csv")
    with pytest.raises(AvscError) as caught:
        compare([path])
    assert "line 1202:" in caught.value.got


def test_systems_with_other_rows_are_not_compared(tmp_path: Path) -> None:
    clip = write(a_row_a_clip(), tmp_path / "clip.csv")
    segment = write(a_row_a_segment(), tmp_path / "segment.csv")
    with pytest.raises(AvscError) as caught:
        compare([clip, segment])
    assert "--per clip" in caught.value.remedy
    assert len(compare([clip, segment], per_clip=True).systems) == 2
    fewer = write(a_row_a_clip()[:-2], tmp_path / "fewer.csv")
    with pytest.raises(AvscError) as caught:
        compare([clip, fewer])
    assert "2 only in the first" in caught.value.got


def test_labels_without_scenes_or_of_other_clips_are_refused(tmp_path: Path) -> None:
    path = write(a_row_a_clip(), tmp_path / "f.csv")
    blind = write(a_row_a_clip()[["aid"]].assign(x=1), tmp_path / "fold1_test.csv")
    with pytest.raises(AvscError) as caught:
        read_labels(str(blind))
    assert str(blind) in caught.value.got
    few = write(a_row_a_clip()[["aid", "scene_label"]][5:], tmp_path / "few.csv")
    with pytest.raises(AvscError) as caught:
        compare([path], read_labels(str(few)))
    assert "5 clips" in caught.value.got
    with pytest.raises(AvscError):
        read_labels(str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AvscError):
        read_labels(str(tmp_path / "empty"))
