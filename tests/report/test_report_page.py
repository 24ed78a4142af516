"""The report's page: whole, escaped, without requests; and in a real browser."""

import base64
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simplejpeg

from avsc import paper, recipe
from avsc.evaluate.segments import segments_of
from avsc.evaluate.summary import summarise
from avsc.recipe_keys import to_toml
from avsc.report.context import Learning, Projection, ReportData, WorstSegment
from avsc.report.figures import feature_png
from avsc.report.pages import report_page
from avsc.scenes import SCENES
from avsc.store.layout import StoredClip
from tests.report.conftest import (
    NASTY,
    Show,
    Tags,
    assert_sound,
    colours_of,
    log_of,
    picture_widths,
    requests_of,
    smallest_letters,
)


def _clips() -> list[StoredClip]:
    return [
        StoredClip(f"{s}-{c}-{n}-1", s, c, str(n), "test", "audio/a.wav", "video/a.mp4")
        for k, s in enumerate(SCENES)
        for n, c in ((10 * k, "lyon"), (10 * k + 1, "paris"))
    ]


def _worst(name: str) -> WorstSegment:
    random = np.random.default_rng(1)
    jpeg = simplejpeg.encode_jpeg(random.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    sound = feature_png(random.normal(size=(56, 40)).astype(np.float32), "scalogram")
    others = (("tram", 0.9), ("bus", 0.004))
    return WorstSegment(name, 10, 3, "park", 0.041, others, 3.2, jpeg, sound)


@pytest.fixture(scope="module")
def data() -> ReportData:
    segments = segments_of(_clips(), np.ones(20, np.uint8), 10, "test", SCENES)
    random = np.random.default_rng(0)
    logits = 2 * random.standard_normal((200, 10))
    logits[np.arange(200), segments.labels] += 3
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    falling = tuple(2.0 / epoch for epoch in range(1, 13))
    points = random.normal(size=(200, 2))
    return ReportData(
        title="a run",
        lead="What it is.",
        summary=summarise(shares, segments),
        feature="scalogram",
        paper=paper.rows("table3")[-1],
        official=False,
        learning=Learning(falling, falling, tuple(1 - v / 3 for v in falling), 12),
        worst=(_worst("park-lyon-40-1_3"), _worst("park-lyon-41-1_9")),
        projections=(
            Projection("Audio-visual embeddings", points, segments.labels),
            Projection("Acoustic embeddings", points, segments.labels),
        ),
        recipe=to_toml(recipe.load()),
        facts=(("strategy", "joint"),),
        environment=(("torch", "2"),),
    )


def test_the_page_is_sound_and_has_links_to_its_sections(data: ReportData) -> None:
    page = report_page(data)
    assert_sound(page)
    assert "#worst" in Tags(page).values("href")


def test_names_of_strangers_are_text_and_nothing_else(data: ReportData) -> None:
    worst = (replace(data.worst[0], name=NASTY),)
    facts, environment = ((NASTY, NASTY),), ((NASTY, NASTY),)
    drawn = report_page(
        replace(
            data,
            title=NASTY,
            lead=NASTY,
            recipe=NASTY,
            feature=NASTY,
            facts=facts,
            environment=environment,
            worst=worst,
        )
    )
    assert_sound(drawn)
    assert "http://evil.example" in drawn  # as text


def test_the_papers_numbers_are_never_compared_with_other_data(data: ReportData) -> None:
    page = report_page(data)
    assert all(f"<b>{number}</b>" in page for number in ("0.1517", "94.59 %"))
    assert "caution" in " ".join(Tags(page).values("class"))
    official = Tags(report_page(replace(data, official=True)))
    assert "caution" not in " ".join(official.values("class"))
    without = report_page(replace(data, paper=None))
    assert "0.1517" not in without
    assert "caution" not in " ".join(Tags(without).values("class"))


def test_what_a_system_has_not_is_left_out(data: ReportData) -> None:
    drawn = report_page(
        replace(data, learning=None, worst=(), projections=(), recipe="", paper=None)
    )
    for anchor in ("curves", "worst", "embeddings"):
        assert f'id="{anchor}"' not in drawn
        assert f'href="#{anchor}"' not in drawn
    assert 'id="confusion"' in drawn


def test_scores_of_one_location_without_a_city_have_a_page_without_intervals(
    data: ReportData,
) -> None:
    clip = StoredClip("bus-x-1-1", "bus", "", "1", "test", "audio/a.wav", "video/a.mp4")
    segments = segments_of([clip], np.ones(1, np.uint8), 10, "test", SCENES)
    shares = np.full((10, 10), 0.02)
    shares[:, 1] = 0.82
    less = replace(data, summary=summarise(shares, segments), paper=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = report_page(less)
    assert_sound(drawn)
    assert 'id="cities"' not in drawn
    assert "nan" not in re.sub(r"data:[^\"]*", "", drawn)


def test_the_confusion_matrix_is_readable_as_a_table(data: ReportData) -> None:
    drawn = report_page(data)
    matrix = drawn[drawn.index('<table class="confusion"') :]
    matrix = matrix[: matrix.index("</table>")]
    assert matrix.count('scope="col"') == matrix.count('scope="row"') == 10
    counts = [int(n) for n in re.findall(r'title="(\d+) segments"', matrix)]
    assert sum(counts) == data.summary.scores.n_segments


def test_a_browser_shows_the_page_without_errors_or_requests(data: ReportData, show: Show) -> None:
    page = report_page(replace(data, title=NASTY))
    browser = show(page, 1280)
    for kind in ("browser", "performance"):
        log_of(browser, kind)  # of Chromium's own first page
    show(page, 1280)
    assert log_of(browser, "browser") == []
    requests = requests_of(browser)
    assert requests.count("file") == 1
    assert set(requests) <= {"file", "data"}
    pictures = picture_widths(browser)
    assert len(pictures) == 4
    assert min(pictures) > 0
    assert browser.title.startswith(NASTY)
    assert browser.execute_script("return document.scripts.length") == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_reaches_over_the_edge_of_the_screen(
    data: ReportData, show: Show, width: int
) -> None:
    browser = show(report_page(replace(data, title=NASTY)), width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    over: list[Any] = browser.execute_script(
        "return Array.from(document.querySelectorAll('svg, svg text, img, .confusion, .card, p'))"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
    )
    assert over == []


def test_letters_are_large_enough_on_a_phone(data: ReportData, show: Show) -> None:
    assert smallest_letters(show(report_page(data), 390)) >= 9.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(data: ReportData, show: Show, scheme: str) -> None:
    browser = show(report_page(data), 1280)
    (paper_,) = colours_of(browser, scheme, "body", "background-color")
    panel = colours_of(browser, scheme, ".card", "background-color")[0]
    texts = (("h1, p, a, td:not(.strong), th, dt", "color"), ("svg text", "fill"))
    for selector, name in texts:
        for ink in set(colours_of(browser, scheme, selector, name)):
            assert _contrast(ink, paper_) >= 4.5
            assert _contrast(ink, panel) >= 4.5


def test_it_prints_on_few_pages(data: ReportData, show: Show) -> None:
    browser = show(report_page(data), 1280)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.7})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


def test_it_prints_in_light_colours(data: ReportData, show: Show) -> None:
    browser = show(report_page(data), 1280)
    light = colours_of(browser, "light", "h1, svg text", "color")
    dark = colours_of(browser, "dark", "h1, svg text", "color")
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    printed: list[str] = browser.execute_script(
        "return Array.from(document.querySelectorAll('h1, svg text'))"
        ".map(e => getComputedStyle(e).color)"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert printed == light != dark


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, rgb(r, g, b)."""

    def luminance(colour: str) -> float:
        channels = np.array(re.findall(r"\d+", colour)[:3], float) / 255
        steep = ((channels + 0.055) / 1.055) ** 2.4
        linear = np.where(channels <= 0.04045, channels / 12.92, steep)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
