"""The pages of disturbed systems and of agreement: sound, complete, readable on a phone."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from avsc.evaluate.agreement import detect
from avsc.evaluate.agreement_files import Agreed
from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.disturbances import plan
from avsc.evaluate.robustness import Measured, Robustness, System
from avsc.report import agreement, robustness
from tests.report.conftest import NASTY, Show, Tags, assert_shown_without_faults, assert_sound

SCENES = tuple(f"scene{k}" for k in range(10))


def _system(name: str, level: float, disturbances: int) -> System:
    scores = tuple(
        Measured(level + k / 9, 0.9 - k / 20, Interval(0.1, 3.0), Interval(0.2, 1.0), None, None)
        for k in range(disturbances)
    )
    return System(name, Path(name), "joint", 1, "learnt stand-ins", True, (), scores)


@pytest.fixture
def found() -> Robustness:
    planned = plan((0.5, 1.0), (1, 4))
    names = ("runs/robust", "runs/joint", "runs/pipeline", "runs/audio", NASTY)
    systems = tuple(_system(name, 0.3 + k / 5, len(planned)) for k, name in enumerate(names))
    return Robustness("test", 36_450, 3_645, SCENES, 0, planned, systems)


@pytest.fixture
def agreed(tmp_path: Path) -> Agreed:
    random = np.random.default_rng(0)
    swapped = random.random(500) < 0.5
    scores = np.clip(random.normal(np.where(swapped, 0.2, 0.7), 0.2), 0, 1)
    places = [f"place-{k % 20}" for k in range(500)]
    one = detect(scores, swapped, 0.45, places)
    return Agreed(
        folder=tmp_path,
        title=NASTY,
        seed="",
        fold="test",
        source="50 % of the clips, seed 0",
        n_classes=10,
        segments=one,
        clips=one,
        scores=scores,
        swapped=swapped,
        about={},
    )


@pytest.fixture
def of_seeds(agreed: Agreed, tmp_path: Path) -> Agreed:
    detections = [replace(agreed.segments, f1=0.7 + k / 10, threshold=0.4 + k / 5) for k in (0, 1)]
    seeds = tuple(
        replace(agreed, folder=tmp_path / f"seed-{k}", seed=f"seed-{k}", segments=one, clips=one)
        for k, one in enumerate(detections)
    )
    mean = replace(agreed.segments, f1=0.75, threshold=None)
    return replace(agreed, segments=mean, clips=mean, seeds=seeds)


def test_the_page_is_sound_and_has_every_system_in_every_figure(found: Robustness) -> None:
    page = robustness.page(found)
    assert_sound(page)
    assert NASTY not in page
    figures = [a for tag, a in Tags(page).attributes if tag == "svg"]
    assert len(figures) == 8
    assert all("runs/pipeline" in (one["aria-label"] or "") for one in figures)
    assert f"{found.systems[1].scores[3].log_loss:.3f}" in page


def test_the_files_have_the_numbers_and_the_figure(found: Robustness, tmp_path: Path) -> None:
    assert robustness.write(found, tmp_path) == tmp_path / "robustness.html"
    with (tmp_path / "robustness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.systems) * len(found.disturbances)
    assert float(rows[1]["log_loss"]) == found.systems[0].scores[1].log_loss
    assert {row["kind"] for row in rows} >= {"recorded", "audio", "image", "offset", "swapped"}
    table = json.loads((tmp_path / "robustness.json").read_text())["robustness"]
    assert table[0]["log_loss_interval"] == [0.1, 3.0]
    markdown = (tmp_path / "robustness.md").read_text().splitlines()
    assert sum(line.startswith("|") for line in markdown) == len(found.disturbances) + 2
    with Image.open(tmp_path / "robustness.png") as image:
        assert image.width > 1500
    ET.parse(tmp_path / "robustness.svg")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    robustness.write(found, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_offsets_there_is_no_figure_of_them(found: Robustness) -> None:
    planned = plan((1.0,), ())
    system = _system("one", 0.4, len(planned))
    page = robustness.page(Robustness("test", 20, 2, SCENES, 0, planned, (system,)))
    assert_sound(page)
    assert "Late" not in page


def test_the_page_of_agreement_is_sound_and_has_its_scores(agreed: Agreed) -> None:
    page = agreement.write_pages(agreed).read_text(encoding="utf-8")
    assert_sound(page)
    assert NASTY not in page
    assert f"{100 * agreed.segments.f1:.2f}" in page
    assert "79.16" in page


def test_the_page_of_seeds_has_each_of_them_and_each_has_a_page(of_seeds: Agreed) -> None:
    page = agreement.write_pages(of_seeds).read_text(encoding="utf-8")
    assert_sound(page)
    assert "75.00 ± 7.07" in page
    for k, one in enumerate(of_seeds.seeds):
        assert f"{100 * one.segments.f1:.2f}" in page
        own = (one.folder / "agreement.html").read_text(encoding="utf-8")
        assert_sound(own)
        assert f"seed-{k}" in own


@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_shows_them_without_faults(
    found: Robustness, agreed: Agreed, of_seeds: Agreed, show: Show, width: int
) -> None:
    for page in (robustness.page(found), agreement.page(agreed), agreement.page(of_seeds)):
        assert_shown_without_faults(show(page, width), width)
