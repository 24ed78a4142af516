"""The page: bounded, escaped, without requests; and in a real browser."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg

from avsc.predict.timeline import Thumbnail, Timeline
from avsc.report.timeline_figures import time_ticks
from avsc.report.timeline_page import MOST_STRETCHES, timeline_page
from tests.predict.test_timeline import timeline

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NASTY = '"><script>alert(1)</script><img src=http://evil.example/x.png>'
Show = Callable[[int], "Chrome"]


def _full(best: list[int]) -> Timeline:
    """With pictures and sound."""
    random = np.random.default_rng(0)
    picture = simplejpeg.encode_jpeg(random.integers(0, 255, (96, 170, 3), dtype=np.uint8))
    return replace(
        timeline(best),
        sound=Path("walk.wav"),
        thumbnails=tuple(Thumbnail(second, picture) for second in range(len(best))),
        sound_columns=random.normal(size=(3 * len(best), 40)).astype(np.float32),
    )


class _Tags(HTMLParser):
    VOID = ("meta", "link", "img", "br", "path", "rect", "image", "i")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


def test_tags_close_and_nothing_is_fetched() -> None:
    tags = _Tags(timeline_page(_full([4, 4, 9, 1])))
    assert tags.open == []
    for tag, attributes in tags.attributes:
        assert tag not in {"script", "iframe", "object", "embed"}
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:")
    assert all(a.get("alt") for tag, a in tags.attributes if tag == "img")


def test_names_of_strangers_are_text_and_nothing_else() -> None:
    nasty = replace(
        _full([4, 9]), file=Path(NASTY), sound=Path(NASTY), system=NASTY, notes=(NASTY,)
    )
    tags = {tag for tag, _ in _Tags(timeline_page(nasty)).attributes}
    assert "script" not in tags


def test_a_page_stays_small_however_long_the_recording() -> None:
    flickering = timeline([k % 10 for k in range(20_000)])
    page = timeline_page(flickering)
    assert page.count("<figure>") == MOST_STRETCHES
    assert f"{MOST_STRETCHES} longest of 20000" in page
    assert len(page) < 1_000_000


@pytest.mark.parametrize("best", [[4], [4, 9], [0] * 40_000])
def test_recordings_of_any_length_are_drawn(best: list[int]) -> None:
    assert "<svg" in timeline_page(timeline(best))


@pytest.mark.parametrize("length", [1, 12, 13, 61, 3600, 10**6, 10**9])
def test_times_on_the_axis_are_few_and_inside(length: int) -> None:
    ticks = time_ticks(5, 5 + length)
    assert 1 <= len(ticks) <= 14
    assert 5 <= ticks[0] <= ticks[-1] <= 5 + length
    assert len(set(np.diff(ticks).tolist())) <= 1


@pytest.fixture
def show(browser: "Chrome", tmp_path: Path) -> Show:
    path = tmp_path / "walk.html"
    notes = ("the sound ends at 0:09: the pictures behind are left out",)
    found = replace(_full([4] * 5 + [9] * 3 + [7]), file=Path(NASTY), notes=notes)
    path.write_text(timeline_page(found), encoding="utf-8")

    def opened(width: int) -> "Chrome":
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(path.as_uri())
        return browser

    return opened


def _log(browser: "Chrome", kind: str) -> list[Any]:
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def test_a_browser_shows_it_without_errors_or_requests(show: Show) -> None:
    browser = show(1280)
    for kind in ("browser", "performance"):
        _log(browser, kind)  # of Chromium's own first page
    show(1280)
    assert _log(browser, "browser") == []
    log = "".join(entry["message"] for entry in _log(browser, "performance"))
    asked = re.findall(r'"url":"(\w+):', log)
    assert set(asked) <= {"file", "data", "about"}
    sizes: list[int] = browser.execute_script(
        "return Array.from(document.images).map(i => i.complete ? i.naturalWidth : 0)"
    )
    assert len(sizes) == 3
    assert min(sizes) > 0
    drawn: list[float] = browser.execute_script(
        "return Array.from(document.querySelectorAll('svg image'))"
        ".map(i => i.getBoundingClientRect().width)"
    )
    assert len(drawn) == 9 + 1
    assert min(drawn) > 20


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_only_the_drawing_is_wider_than_the_screen_and_scrolls(show: Show, width: int) -> None:
    browser = show(width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    scrolls = browser.execute_script(
        "const e = document.querySelector('.timeline'); return e.scrollWidth > e.clientWidth + 1"
    )
    assert scrolls == (width < 500)
    smallest = browser.execute_script(
        "return Math.min(...Array.from(document.querySelectorAll('svg text')).map(t =>"
        "parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width"
        "/ t.ownerSVGElement.viewBox.baseVal.width))"
    )
    assert smallest >= 9.5
