"""The page: bounded, escaped, without requests; and in a real browser."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from avsc.predict.timeline import SceneTimeline, Thumbnail
from avsc.report.pages import MOST_PICTURES, MOST_STRETCHES, timeline_page
from avsc.report.timeline_figure import time_ticks
from tests.predict.test_timeline import timeline
from tests.report.conftest import (
    NASTY,
    Show,
    assert_sound,
    log_of,
    picture_widths,
    requests_of,
    smallest_letters,
)


def _thumbnails(seconds: Iterable[int]) -> tuple[Thumbnail, ...]:
    noise = np.random.default_rng(0).integers(0, 255, (96, 170, 3), dtype=np.uint8)
    return tuple(Thumbnail(second, simplejpeg.encode_jpeg(noise)) for second in seconds)


def _full(best: list[int]) -> SceneTimeline:
    """With pictures and sound."""
    columns = np.random.default_rng(0).normal(size=(3 * len(best), 40)).astype(np.float32)
    return replace(
        timeline(best),
        sound=Path("walk.wav"),
        thumbnails=_thumbnails(range(len(best))),
        sound_columns=columns,
    )


def test_the_page_is_sound() -> None:
    assert_sound(timeline_page(_full([4, 4, 9, 1])))


def test_names_of_strangers_are_text_and_nothing_else() -> None:
    nasty = replace(
        _full([4, 9]), file=Path(NASTY), sound=Path(NASTY), system=NASTY, notes=(NASTY,)
    )
    assert_sound(timeline_page(nasty))


def test_a_page_stays_small_however_long_the_recording() -> None:
    flickering = timeline([k % 10 for k in range(20_000)])
    page = timeline_page(flickering)
    assert page.count("<figure>") == MOST_STRETCHES
    assert re.search(rf"\b{MOST_STRETCHES}\b.* 20000\b", page)
    assert len(page) < 1_000_000


@pytest.mark.parametrize("best", [[4], [4, 9], [0] * 40_000])
def test_recordings_of_any_length_are_drawn(best: list[int]) -> None:
    assert "<svg" in timeline_page(timeline(best))


def test_the_film_strip_has_pictures_from_all_parts_of_a_long_recording() -> None:
    found = replace(timeline([4] * 1000), thumbnails=_thumbnails(range(0, 1000, 10)))
    strip = re.search(r'<div class="strip">.*?</div>', timeline_page(found), re.DOTALL)
    assert strip is not None
    minutes = [int(m) for m in re.findall(r'alt="Picture at (\d+):', strip[0])]
    assert len(minutes) == MOST_PICTURES
    assert (min(minutes), max(minutes)) == (0, 16)
    assert minutes == sorted(minutes)


@pytest.mark.parametrize("length", [1, 12, 13, 61, 3600, 10**6, 10**9])
def test_times_on_the_axis_are_few_and_inside(length: int) -> None:
    ticks = time_ticks(5, 5 + length)
    assert 1 <= len(ticks) <= 14
    assert 5 <= ticks[0] <= ticks[-1] <= 5 + length
    assert len(set(np.diff(ticks).tolist())) <= 1


@pytest.fixture(scope="module")
def page() -> str:
    notes = ("the sound ends at 0:09: the pictures behind are left out",)
    return timeline_page(replace(_full([4] * 5 + [9] * 3 + [7]), file=Path(NASTY), notes=notes))


def test_a_browser_shows_it_without_errors_or_requests(page: str, show: Show) -> None:
    browser = show(page, 1280)
    for kind in ("browser", "performance"):
        log_of(browser, kind)  # of Chromium's own first page
    show(page, 1280)
    assert log_of(browser, "browser") == []
    assert set(requests_of(browser)) <= {"file", "data", "about"}
    pictures = picture_widths(browser)
    assert len(pictures) == 9 + 3  # the strip and the stretches
    assert min(pictures) > 0
    sound: list[float] = browser.execute_script(
        "return Array.from(document.querySelectorAll('svg image'))"
        ".map(i => i.getBoundingClientRect().width)"
    )
    assert len(sound) == 1
    assert sound[0] > 20


def test_the_pictures_begin_and_end_where_time_does_in_the_figure(page: str, show: Show) -> None:
    ends: list[list[float]] = show(page, 1280).execute_script(
        "const left = e => e.getBoundingClientRect().left, right = e => "
        "e.getBoundingClientRect().right;"
        "const strip = document.querySelectorAll('.strip img');"
        "const sound = document.querySelector('svg image');"
        "return [[left(strip[0]), right(strip[strip.length - 1])], [left(sound), right(sound)]]"
    )
    assert ends[0] == pytest.approx(ends[1], abs=4)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_only_the_drawing_is_wider_than_the_screen_and_scrolls(
    page: str, show: Show, width: int
) -> None:
    browser = show(page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    scrolls = browser.execute_script(
        "const e = document.querySelector('.timeline'); return e.scrollWidth > e.clientWidth + 1"
    )
    assert scrolls == (width < 500)
    assert smallest_letters(browser) >= 9.5
