import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from avsc.predict.formats import (
    MOST_ROWS,
    MOST_SECONDS,
    csv_header,
    csv_lines,
    footer,
    json_text,
    table,
)
from avsc.scenes import SCENES
from tests.predict.test_timeline import timeline


def test_a_short_recording_is_shown_second_by_second() -> None:
    header, rows = table(timeline([4, 4, 9], first=2))
    assert header[0] == "time"
    assert [row[:3] for row in rows] == [
        ["0:02", "park", "55 %"],
        ["0:03", "park", "55 %"],
        ["0:04", "tram", "55 %"],
    ]


def test_a_long_recording_is_shown_in_stretches_and_never_in_too_many() -> None:
    _, rows = table(timeline([4] * 40 + [9] * 35))
    assert rows == [["0:00–0:40", "park", "55 %"], ["0:40–1:15", "tram", "55 %"]]
    flickering = timeline([k % 2 for k in range(4 * MOST_ROWS)])
    assert len(table(flickering)[1]) == MOST_ROWS
    assert f"the {MOST_ROWS} longest of {4 * MOST_ROWS}" in footer(flickering)


def test_the_csv_reads_back_to_the_same_seconds_and_probabilities() -> None:
    found = replace(timeline([4, 9], first=1), file=Path('a,"b".mp4'))
    rows = list(csv.DictReader([csv_header(found.scenes), *csv_lines(found)]))
    assert [(row["file"], row["second"], row["scene"]) for row in rows] == [
        ('a,"b".mp4', "1", "park"),
        ('a,"b".mp4', "2", "tram"),
    ]
    read = np.array([[float(row[scene]) for scene in SCENES] for row in rows])
    assert np.allclose(read, found.probabilities, rtol=1e-8)


def test_json_holds_every_second_in_one_line() -> None:
    found = timeline([4] * (MOST_SECONDS + 1))
    text = json_text(found)
    assert "\n" not in text
    content = json.loads(text)
    assert np.array_equal(content["probabilities"], found.probabilities)
    (stretch,) = content["stretches"]
    assert (stretch["start_s"], stretch["stop_s"], stretch["scene"]) == (0, 31, "park")
