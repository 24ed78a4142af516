import csv
import io
import json
import math
from typing import Any

import pytest

from avsc import paper
from avsc.report.table_formats import render
from avsc.reproduce import table
from avsc.reproduce.table import ACCURACY, LOG_LOSS, Line, Table

ROW = paper.Row("table4", "IV | joint", "joint-scalogram-effnetv2s", 0.1517, 94.59)
OTHERS = paper.Row("table5", "baseline", None, 0.658, 77.0)


def _scores(loss: float, right: float, spread: float = 0.01) -> dict[str, Any]:
    return {
        "log_loss": loss,
        "accuracy": right,
        "n_segments": 36450,
        "intervals": {
            "log_loss": [loss - spread, loss + spread],
            "accuracy": [right - spread, right + spread],
        },
    }


def _table(*lines: Line, smoke: bool = False) -> Table:
    return Table("table4", lines, ("a note",), smoke)


def _rows(made: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.as_csv(made))))


def test_differences_are_ours_less_the_papers_in_the_papers_units() -> None:
    line = Line(ROW, _scores(0.16, 0.93), "measured")
    (row,) = _rows(_table(line))
    assert float(row["log_loss_difference"]) == pytest.approx(0.16 - 0.1517)
    assert float(row["accuracy"]) == pytest.approx(93)
    assert float(row["accuracy_difference"]) == pytest.approx(93 - 94.59)
    assert float(row["accuracy_low"]) == pytest.approx(92)
    assert row["n_segments"] == "36450"


def test_a_star_marks_a_paper_number_outside_our_interval() -> None:
    near = Line(ROW, _scores(0.16, 0.94), "measured")
    far = Line(ROW, _scores(0.19, 0.90), "measured")
    rows = table.for_people(_table(near, far), [LOG_LOSS]).rows
    assert [row[4] for row in rows] == ["+0.0083", "+0.0383 *"]
    rows = table.for_people(_table(near, far), [ACCURACY]).rows
    assert [row[4] for row in rows] == ["−0.59", "−4.59 *"]


def test_without_an_interval_nothing_is_starred_or_invented() -> None:
    scores = _scores(0.3, 0.9) | {"intervals": {"log_loss": None, "accuracy": None}}
    line = Line(ROW, scores, "measured")
    found = table.compare(line, LOG_LOSS)
    assert found is not None
    assert math.isnan(found.interval.low)
    assert not found.excludes_paper
    (row,) = _rows(_table(line))
    assert row["log_loss_low"] == row["log_loss_high"] == ""


def test_the_papers_numbers_are_never_shown_as_ours() -> None:
    lines = (Line(OTHERS, None, "the paper's alone"), Line(ROW, None, "failed"))
    made = _table(*lines)
    for row in _rows(made):
        assert row["log_loss"] == row["accuracy"] == row["n_segments"] == ""
    rows = table.for_people(made, [ACCURACY]).rows
    assert rows == (("baseline", "77.0", "", "", ""), (ROW.system, "94.59", "failed", "", ""))


def test_the_page_is_a_sound_markdown_table_with_its_notes() -> None:
    made = _table(Line(ROW, _scores(0.19, 0.90), "measured"), smoke=True)
    page = table.markdown(made).splitlines()
    assert page[0].startswith("# Table 4 ")
    assert "SMOKE RUN" in page[0]
    drawn = [line for line in page if line.startswith("|")]
    assert len(drawn) == 3
    assert len({line.replace("\\|", "").count("|") for line in drawn}) == 1
    assert "IV \\| joint" in drawn[2]
    assert "\\*" in drawn[2]
    assert "- a note" in page


def test_every_form_has_our_number_and_marks_what_is_not_measured() -> None:
    lines = (Line(ROW, _scores(0.16, 0.93), "measured"), Line(OTHERS, None, "the paper's alone"))
    made = _table(*lines)
    for form, number in (("markdown", "0.1600"), ("latex", "0.1600"), ("csv", "0.16")):
        text = render(table.shown(made, form), form)  # type: ignore[arg-type]
        assert number in text
        assert "nan" not in text
    ours, others = json.loads(render(table.shown(made, "json"), "json"))["table4"]
    assert (ours["log_loss"], others["log_loss"], others["paper_log_loss"]) == (0.16, None, 0.658)
