"""Figures: marks where the numbers are, descriptions that say them, nothing unescaped."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc import metrics
from avsc.report import figures, svg
from avsc.report.figures import Bar, Curve

NAN = float("nan")


def _parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_are_few_round_numbers_inside_the_axis(low: float, span: float, most: int) -> None:
    found = svg.ticks(low, low + span, most)
    assert len(found) <= most
    slack = 1e-6 * span + 1e-9
    assert all(low - slack <= tick <= low + span + slack for tick in found)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 100), (0, 2.31), (1, 150), (0, 0.013)])
def test_an_axis_has_at_least_three_ticks(low: float, high: float) -> None:
    assert len(svg.ticks(low, high)) >= 3


def test_a_bar_is_as_long_as_its_value() -> None:
    rows = [Bar("a", 50, 40, 60, "50"), Bar("b", 100, NAN, NAN, "100"), Bar("c", NAN, NAN, NAN, "")]
    root = _parsed(figures.bars("Share", rows, 100, 70))
    half, whole = (float(mark.attrib["width"]) for mark in root.iter("rect"))
    assert whole == pytest.approx(2 * half)
    assert len([p for p in root.iter("path") if p.get("class") == "whisker"]) == 3
    assert root.attrib["aria-label"] == "Share: a 50; b 100; c "


def test_names_of_strangers_are_escaped() -> None:
    drawn = figures.bars("<b>", [Bar('<script>"&', 1, NAN, NAN, "1")], None)
    assert "<script" not in drawn
    assert _parsed(drawn).findtext("text[@text-anchor='end']") == '<script>"&'


def test_curves_end_where_their_values_end() -> None:
    lines = [Curve("training", "train", (2.0, 1.0, 0.5)), Curve("v", "validation", (2.0, NAN, 1.0))]
    root = _parsed(figures.curves("Loss", lines, 3))
    paths = [p.attrib["d"] for p in root.iter("path") if p.get("class") == "curve train"]
    points = re.findall(r"([\d.]+) ([\d.]+)", paths[0])
    assert len(points) == 3
    heights = [float(y) for _, y in points]
    assert heights == sorted(heights)  # falling losses go down the page
    assert "training from 2 to 0.5" in root.attrib["aria-label"]
    assert "best epoch 3" in root.attrib["aria-label"]


@pytest.mark.parametrize("epochs", [1, 2, 150])
def test_curves_of_any_length_can_be_drawn(epochs: int) -> None:
    assert _parsed(figures.curves("Loss", [Curve("a", "train", (1.0,) * epochs)], 1))
    assert figures.curves("Loss", [Curve("a", "train", (NAN,) * epochs)], None) == ""


def test_the_reliability_diagram_has_a_bar_for_each_bin_that_holds_segments() -> None:
    shares = np.full((20, 10), 0.02)
    shares[:10, 0], shares[10:, 0] = 0.82, 0.52
    shares[10:, 1] = 0.32
    found = metrics.calibration(shares, np.array([0] * 15 + [1] * 5))
    root = _parsed(figures.reliability(found))
    assert len([r for r in root.iter("rect") if r.get("class") == "bar"]) == 2
    assert len([r for r in root.iter("rect") if r.get("class") == "count"]) == 2
    assert "at 0.52 0.50 of 10" in root.attrib["aria-label"]


def test_every_point_is_inside_the_map_and_every_class_is_named_once() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300)
    drawn = figures.scatter("Map", random.normal(size=(300, 2)) * [1, 5], labels, list("abcd"))
    root = _parsed(drawn)
    steps = [p.attrib["d"] for p in root.iter("path")]
    numbers = [float(v) for d in steps for v in re.findall(r"[\d.]+(?=[ h])", d)]
    assert 0 <= min(numbers) <= max(numbers) <= figures.WIDTH
    assert sorted(text.text or "" for text in root.iter("text")) == list("abcd")


def test_labels_at_one_place_are_moved_apart() -> None:
    drawn = figures.scatter("Map", np.zeros((4, 2)), np.arange(4), ["aa", "bb", "cc", "dd"])
    heights = sorted(float(text.attrib["y"]) for text in _parsed(drawn).iter("text"))
    assert min(np.diff(heights)) >= 12


def test_a_class_in_two_groups_is_named_at_one_of_them_and_not_between() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat([[0.0, 0.0], [10.0, 0.0]], [30, 20], axis=0)
    points = np.concatenate([groups + 0.1 * random.normal(size=(50, 2)), [[5.0, 10.0]]])
    labels = np.array([0] * 50 + [1])
    texts = _parsed(figures.scatter("Map", points, labels, ["a", "b"])).iter("text")
    at = {text.text: float(text.attrib["x"]) for text in texts}
    assert at["a"] < 30 or at["a"] > figures.WIDTH - 30
