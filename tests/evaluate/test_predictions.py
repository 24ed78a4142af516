"""predictions.csv: what is written reads back to the bit, what is wrong is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate.predictions import align, read_predictions, write_predictions
from avsc.evaluate.segments import Segments, segments_of
from avsc.scenes import SCENES
from avsc.store.layout import StoredClip
from avsc.store.schema import Status

HEADER = ("filename", "scene_label", *SCENES)


def _clip(scene: str, number: int, fold: str = "test") -> StoredClip:
    name = f"{scene}-lyon-{number}-{number}"
    return StoredClip(name, scene, "lyon", str(number), fold, f"audio/{name}.wav", "")


HEADER = ("filename", "scene_label", *SCENES)
CLIPS = [_clip("airport", 1), _clip("bus", 2), _clip("tram", 3, "train"), _clip("tram", 4)]
GOOD = np.full(4, Status.GOOD, np.uint8)


def _segments() -> Segments:
    return segments_of(CLIPS, GOOD, 2, "test", SCENES)


def _probabilities(n: int, seed: int = 0) -> metrics.Probabilities:
    weights: metrics.Probabilities = np.exp(
        4 * np.random.default_rng(seed).standard_normal((n, 10))
    )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    write_predictions(path, _segments().names, _probabilities(6), SCENES)
    return path


def _edit(path: Path, line: int, **cells: str) -> None:
    """Changes cells of a line (1 is the first row)."""
    lines = path.read_text().splitlines()
    fields = lines[line].split("\t")
    for column, text in cells.items():
        fields[HEADER.index(column)] = text
    lines[line] = "\t".join(fields)
    path.write_text("\n".join(lines) + "\n")


def test_what_is_written_reads_back_to_the_same_bits(written: Path) -> None:
    read = read_predictions(written)
    np.testing.assert_array_equal(read.probabilities, _probabilities(6))
    assert read.names == _segments().names
    assert read.disagreeing() == 0


def test_the_file_is_what_the_contract_says(written: Path) -> None:
    table = pd.read_csv(written, sep="\t")
    assert tuple(table.columns) == ("filename", "scene_label", *SCENES)
    assert table["filename"][1] == "airport-lyon-1-1_1"
    most = table[list(SCENES)].idxmax(axis=1)
    assert (table["scene_label"] == most).all()


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1))
def test_numbers_have_nine_significant_digits_and_keep_their_bits(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    row = np.zeros((1, 10))
    row[0, :2] = share, 1 - share
    write_predictions(path, ["x_0"], row, SCENES)
    cell = path.read_text().splitlines()[1].split("\t")[2]
    digits = cell.partition("e")[0].replace(".", "").lstrip("0")
    assert share == 0 or len(digits) >= 9
    assert read_predictions(path).probabilities[0, 0] == share


def test_columns_in_another_order_are_read_by_their_names(written: Path) -> None:
    table = pd.read_csv(written, sep="\t", dtype=str)
    table[["scene_label", *reversed(SCENES), "filename"]].to_csv(written, sep="\t", index=False)
    read = read_predictions(written)
    assert read.scenes == SCENES
    np.testing.assert_array_equal(read.probabilities, _probabilities(6))


def test_rows_in_another_order_and_with_windows_line_ends_are_aligned(written: Path) -> None:
    head, *rows = written.read_text().splitlines()
    written.write_bytes("\r\n".join([head, *reversed(rows)]).encode() + b"\r\n")
    found = align(written, read_predictions(written), _segments())
    np.testing.assert_array_equal(found, _probabilities(6))


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ({"bus": "nan"}, "'nan'"),
        ({"bus": "-0.1"}, "-0.1"),
        ({"bus": "inf"}, "'inf'"),
        ({"bus": "0,1"}, "'0,1'"),
        ({"bus": "0.99", "tram": "0.99"}, "airport-lyon-1-1_0"),
        ({"tram": "0.1\t0.1"}, "airport-lyon-1-1_0"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_line(
    written: Path, cells: dict[str, str], fault: str
) -> None:
    _edit(written, 1, **cells)
    with pytest.raises(AvscError) as caught:
        read_predictions(written)
    assert str(written) in caught.value.got
    assert "line 2:" in caught.value.got
    assert fault in caught.value.got


def test_commas_are_as_good_as_tabs(written: Path) -> None:
    written.write_text(written.read_text().replace("\t", ","))
    np.testing.assert_array_equal(read_predictions(written).probabilities, _probabilities(6))


def test_a_column_that_is_no_scene_is_named(written: Path) -> None:
    written.write_text(written.read_text().replace("\tpark\t", "\tparc\t", 1))
    with pytest.raises(AvscError) as caught:
        read_predictions(written, SCENES)
    assert "'parc'" in caught.value.got
    assert "park" in caught.value.got


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"\t".join([b"a"] * 3), "\t".join(HEADER).encode()]
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        read_predictions(path)
    assert str(path) in caught.value.got


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        read_predictions(tmp_path / "absent.csv")
    assert str(tmp_path / "absent.csv") in caught.value.got


def test_a_missing_segment_is_named(written: Path) -> None:
    lines = written.read_text().splitlines()
    written.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(AvscError) as caught:
        align(written, read_predictions(written), _segments())
    assert "tram-lyon-4-4_1" in caught.value.got


def test_a_doubled_segment_is_named(written: Path) -> None:
    lines = written.read_text().splitlines()
    written.write_text("\n".join([*lines, lines[3]]) + "\n")
    with pytest.raises(AvscError) as caught:
        read_predictions(written)
    assert "bus-lyon-2-2_0" in caught.value.got
    assert "line 8:" in caught.value.got


def test_a_segment_of_another_fold_is_named(written: Path) -> None:
    _edit(written, 6, filename="tram-lyon-3-3_0")
    with pytest.raises(AvscError) as caught:
        align(written, read_predictions(written), _segments())
    assert "tram-lyon-4-4_1" in caught.value.got
    assert "tram-lyon-3-3_0" in caught.value.got


def test_a_label_that_is_not_the_most_probable_scene_is_counted(written: Path) -> None:
    least = SCENES[int(_probabilities(6)[0].argmin())]
    _edit(written, 1, scene_label=least)
    assert read_predictions(written).disagreeing() == 1
