"""The report's page: whole, escaped, without requests; and in a real browser."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg

from avsc import metrics, paper, recipe
from avsc.evaluate.segments import segments_of
from avsc.evaluate.summary import summarise
from avsc.report.context import picture_of
from avsc.report.report import report
from avsc.report.report_data import Learning, Projection, ReportData, WorstSegment
from avsc.report.report_scores import whole_per_cent
from avsc.scenes import SCENES
from avsc.store.clips import StoredClip

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NASTY = '</title><script>alert("x")</script><img src=http://evil.example/x.png>'


def _clips() -> list[StoredClip]:
    return [
        StoredClip(f"{s}-{c}-{n}-1", s, c, str(n), "test", "audio/a.wav", "video/a.mp4")
        for k, s in enumerate(SCENES)
        for n, c in ((10 * k, "lyon"), (10 * k + 1, "paris"))
    ]


def _worst(name: str, probabilities: metrics.Probabilities) -> WorstSegment:
    random = np.random.default_rng(1)
    jpeg = simplejpeg.encode_jpeg(random.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    sound = picture_of(random.normal(size=(56, 40)).astype(np.float32), "scalogram")
    return WorstSegment(name, 10, 3, 4, probabilities, 3.2, jpeg, sound)


@pytest.fixture(scope="module")
def data() -> ReportData:
    segments = segments_of(_clips(), np.ones(20, np.uint8), 10, "test")
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
        worst=(_worst("park-lyon-40-1_3", shares[0]), _worst("tram-lyon-90-1_9", shares[1])),
        projections=(
            Projection("Audio-visual embeddings", points, segments.labels),
            Projection("Acoustic embeddings", points, segments.labels),
        ),
        recipe=recipe.to_toml(recipe.load()),
        facts=(("strategy", "joint"),),
        environment=(("torch", "2"),),
    )


class _Tags(HTMLParser):
    """Checks that tags close in order, and keeps attributes."""

    VOID = ("meta", "link", "img", "br", "col", "path", "rect")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_tag_is_closed_and_every_link_leads_somewhere(data: ReportData) -> None:
    tags = _Tags(report(data))
    assert tags.open == []
    anchors = {a["id"] for _, a in tags.attributes if "id" in a}
    links = [a["href"] for tag, a in tags.attributes if tag == "a"]
    assert links
    assert all(link is not None and link[1:] in anchors for link in links)


def test_nothing_is_fetched_from_anywhere(data: ReportData) -> None:
    for tag, attributes in _Tags(report(data)).attributes:
        assert tag not in {"script", "iframe", "object", "embed"}
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))
    assert "url(" not in report(data)


def test_every_picture_says_what_it_shows(data: ReportData) -> None:
    tags = _Tags(report(data)).attributes
    assert all(a.get("alt") for tag, a in tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in tags if tag in {"svg", "table"})


def test_names_of_strangers_are_text_and_nothing_else(data: ReportData) -> None:
    worst = (replace(data.worst[0], name=NASTY),)
    facts, environment = ((NASTY, NASTY),), ((NASTY, NASTY),)
    drawn = report(
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
    tags = _Tags(drawn)
    assert "script" not in {tag for tag, _ in tags.attributes}
    assert "http://evil.example" in drawn  # as text
    sources = [a.get("src", "") or "" for tag, a in tags.attributes if tag == "img"]
    assert all(source.startswith("data:") for source in sources)


def test_the_papers_numbers_are_labelled_and_never_claimed_for_other_data(data: ReportData) -> None:
    assert "the paper’s: <b>0.1517</b>" in report(data)
    assert "for orientation only" in report(data)
    official = report(replace(data, official=True))
    assert "for orientation only" not in official
    assert "of the same official test fold" in official
    assert "the paper" not in report(replace(data, paper=None)).split('id="method"')[0]


def test_what_a_system_has_not_is_left_out(data: ReportData) -> None:
    drawn = report(replace(data, learning=None, worst=(), projections=(), recipe="", paper=None))
    for anchor in ("curves", "worst", "embeddings"):
        assert f'id="{anchor}"' not in drawn
        assert f'href="#{anchor}"' not in drawn
    assert 'id="confusion"' in drawn


def test_a_share_is_never_rounded_to_what_it_is_not() -> None:
    assert [whole_per_cent(v) for v in (0.0, 0.001, 0.994, 1.0)] == ["0", "<1", ">99", "100"]


def test_the_confusion_matrix_is_readable_as_a_table(data: ReportData) -> None:
    drawn = report(data)
    matrix = drawn[drawn.index('<table class="confusion"') :]
    matrix = matrix[: matrix.index("</table>")]
    assert matrix.count('scope="col"') == matrix.count('scope="row"') == 10
    counts = [int(n) for n in re.findall(r'title="(\d+) segments"', matrix)]
    assert sum(counts) == data.summary.scores.n_segments


Show = Callable[[int], "Chrome"]


@pytest.fixture
def show(browser: "Chrome", data: ReportData, tmp_path: Path) -> Show:
    """Opens the page at a width of so many pixels."""
    path = tmp_path / "report.html"
    path.write_text(report(replace(data, title=NASTY)), encoding="utf-8")

    def opened(width: int) -> "Chrome":
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(path.as_uri())
        return browser

    return opened


def _log(browser: "Chrome", kind: str) -> list[Any]:
    """What was logged since the last call."""
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def _requests(browser: "Chrome") -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in _log(browser, "performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_a_browser_shows_the_page_without_errors_or_requests(show: Show) -> None:
    browser = show(1280)
    for kind in ("browser", "performance"):
        _log(browser, kind)  # of Chromium's own first page
    show(1280)
    assert _log(browser, "browser") == []
    requests = _requests(browser)
    assert [url.partition(":")[0] for url in requests].count("file") == 1
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    pictures: list[int] = browser.execute_script(
        "return Array.from(document.images).map(i => i.complete ? i.naturalWidth : 0)"
    )
    assert len(pictures) == 4
    assert min(pictures) > 0
    assert browser.title.startswith(NASTY)
    assert browser.execute_script("return document.scripts.length") == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_reaches_over_the_edge_of_the_screen(show: Show, width: int) -> None:
    browser = show(width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    over: list[Any] = browser.execute_script(
        "return Array.from(document.querySelectorAll('svg, img, table.confusion, .card, p'))"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
    )
    assert over == []


def test_letters_are_large_enough_on_a_phone(show: Show) -> None:
    browser = show(390)
    smallest = browser.execute_script(
        "return Math.min(...Array.from(document.querySelectorAll('svg text')).map(t =>"
        "parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width"
        "/ t.ownerSVGElement.viewBox.baseVal.width))"
    )
    assert smallest >= 9.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(show: Show, scheme: str) -> None:
    browser = show(1280)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    colours: list[str] = browser.execute_script(
        "const s = getComputedStyle(document.documentElement);"
        "return ['--ink', '--soft', '--accent', '--second', '--paper', '--panel']"
        ".map(n => s.getPropertyValue(n).trim())"
    )
    *inks, paper_, panel = colours
    for ink in inks:
        assert _contrast(ink, paper_) >= 4.5
        assert _contrast(ink, panel) >= 4.5
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_prints_on_few_pages_in_light_colours(show: Show) -> None:
    browser = show(1280)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.7})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, #rrggbb."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        steep = ((channels + 0.055) / 1.055) ** 2.4
        linear = np.where(channels <= 0.04045, channels / 12.92, steep)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
