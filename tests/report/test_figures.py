"""Figures: marks where the numbers are, descriptions that say them, nothing unescaped."""

import re
from xml.etree import ElementTree as ET

import matplotlib
import numpy as np
import pytest

from avsc import metrics
from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.summary import GroupScore
from avsc.report import figures
from avsc.report.style import ACCENT, COLOURS, SECOND, inline_svg, new_figure, styled

NAN = float("nan")
UNKNOWN = Interval(NAN, NAN)


def _accuracy(name: str, share: float, low: float = NAN, high: float = NAN) -> GroupScore:
    return GroupScore(name, 0 if np.isnan(share) else 9, NAN, share, UNKNOWN, Interval(low, high))


def _parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)


def _points(element: ET.Element) -> np.ndarray:
    numbers = re.findall(r"-?[\d.]+", element.attrib["d"])
    return np.array(numbers, float).reshape(-1, 2)


def _paths(root: ET.Element, *styles: str) -> list[np.ndarray]:
    """The points of each path with all of these styles."""
    found = (path for path in root.iter("path") if "d" in path.attrib)
    return [_points(p) for p in found if all(style in p.get("style", "") for style in styles)]


def _variable(colour: str) -> str:
    (name,) = (name for name, pair in COLOURS.items() if pair[0] == colour)
    return f"var(--{name})"


def test_a_bar_is_as_long_as_its_value() -> None:
    rows = [_accuracy("a", 0.5, 0.4, 0.6), _accuracy("b", 1.0), _accuracy("c", NAN)]
    root = _parsed(figures.bars("accuracy", "scene", rows, 0.7))
    half, whole, none = (np.ptp(p[:, 0]) for p in _paths(root, f"fill: {_variable(ACCENT)}"))
    assert (whole, none) == (pytest.approx(2 * half, abs=0.1), 0)
    assert root.attrib["aria-label"] == (
        "Accuracy in per cent by scene: a 50.00; b 100.00; c \N{EN DASH}"
    )


def test_whiskers_end_where_their_intervals_do_and_are_left_out_without_one() -> None:
    rows = [_accuracy("a", 0.5, 0.25, 0.75), _accuracy("b", 1.0)]
    root = _parsed(figures.bars("accuracy", "scene", rows, 0.7))
    bar, _ = _paths(root, f"fill: {_variable(ACCENT)}")
    zero, half = bar[:, 0].min(), bar[:, 0].max()
    (whiskers,) = [p for p in _paths(root, "stroke-width: 1.6") if len(p)]
    assert len(whiskers) == 2 * 3
    quarter = (half - zero) / 2
    assert whiskers[:2, 0] == pytest.approx([zero + quarter, half + quarter], abs=0.1)


def test_names_of_strangers_are_text_and_no_formulas() -> None:
    names = ['<script>"&', "$x^2$"]
    drawn = figures.bars("accuracy", "city", [_accuracy(name, 1.0) for name in names], 1.0)
    assert "<script" not in drawn
    assert set(names) <= {text.text for text in _parsed(drawn).iter("text")}


def test_curves_end_where_their_values_end() -> None:
    lines = {"training": (2.0, 1.0, 0.5), "validation": (2.0, NAN, 1.0)}
    root = _parsed(figures.curves("Loss", lines, 3))
    (training,) = (p for p in _paths(root, "stroke-width: 2", "var(--soft)") if np.ptp(p[:, 1]))
    assert len(training) == 3
    assert (np.diff(training[:, 1]) > 0).all()  # falling losses go down the page
    (best,) = _paths(root, _variable(SECOND))
    assert best[:, 0] == pytest.approx(training[-1, 0], abs=0.1)
    assert "training from 2 to 0.5" in root.attrib["aria-label"]
    assert "best epoch 3" in root.attrib["aria-label"]


@pytest.mark.parametrize("epochs", [1, 2, 150])
def test_curves_of_any_length_can_be_drawn(epochs: int) -> None:
    assert _parsed(figures.curves("Loss", {"training": (1.0,) * epochs}, 1)).attrib["viewBox"]
    assert figures.curves("Loss", {"training": (NAN,) * epochs}, None) == ""


def test_the_reliability_diagram_has_a_bar_for_each_bin_that_holds_segments() -> None:
    shares = np.full((20, 10), 0.02)
    shares[:10, 0], shares[10:, 0] = 0.82, 0.52
    shares[10:, 1] = 0.32
    found = metrics.calibration(shares, np.array([0] * 15 + [1] * 5))
    root = _parsed(figures.reliability(found))
    for colour in ("accent", "second", "soft"):
        assert len(_paths(root, f"fill: var(--{colour})")) == 2
    assert "at 0.52 0.50 of 10" in root.attrib["aria-label"]


def test_every_point_is_inside_the_map_and_every_class_is_named_once() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 300)
    drawn = figures.scatter("Map", random.normal(size=(300, 2)) * [1, 5], labels, list("abcd"))
    root = _parsed(drawn)
    dots = _paths(root, "stroke-linecap: round")
    assert sum(map(len, dots)) == 2 * 300
    assert 0 <= np.concatenate(dots).min() <= np.concatenate(dots).max() <= figures.WIDTH
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


def test_the_same_numbers_give_the_same_figure_whatever_the_users_settings_are() -> None:
    def drawn() -> str:
        return figures.curves("Loss", {"training": (2.0, 1.0)}, 1)

    first = drawn()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False, "svg.fonttype": "path"}):
        assert drawn() == first
        assert matplotlib.rcParams["font.size"] == 30  # and the user's settings are kept


def test_a_figure_inside_a_page_refers_to_nothing_and_has_the_colours_of_the_page() -> None:
    with styled():
        figure = new_figure(100, 50)
        figure.subplots().plot([1, 2], color=ACCENT)
        drawn = inline_svg(figure, 'a "figure" & more')
    root = _parsed(drawn)
    assert (root.tag, root.attrib["aria-label"]) == ("svg", 'a "figure" & more')
    assert root.attrib["viewBox"] == "0 0 100 50"
    assert not {"id", "clip-path", "href"} & {key for e in root.iter() for key in e.attrib}
    assert ACCENT not in drawn
    assert "stroke: var(--accent)" in drawn
    assert "font-family" not in drawn


@pytest.mark.parametrize(("feature", "highest"), [("scalogram", 0), ("fbank", 19)])
def test_high_frequencies_are_above(feature: str, highest: int) -> None:
    frames = np.zeros((30, 20), np.float32)
    frames[:, highest] = 1
    bands, low, high = figures.shown_bands(frames, feature)  # type: ignore[arg-type]
    assert bands.shape == (20, 30)
    assert bands.mean(axis=1).argmax() == 0
    assert low < high


def test_silence_can_be_drawn() -> None:
    png = figures.feature_png(np.full((5, 4), -5, np.float32), "fbank")
    assert png.startswith(b"\x89PNG")
