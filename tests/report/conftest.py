"""Pages as a parser and as a browser sees them."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NASTY = '"></title><script>alert("x")</script><img src=http://evil.example/x.png>'
VOID = ("meta", "link", "img", "br", "col")


class Tags(HTMLParser):
    """The tags of a page with their attributes; checks that they close in order.

    Attributes:
        open: Tags that are not closed.
        attributes: Each tag and its attributes.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def names(self) -> set[str]:
        """The names of all tags."""
        return {tag for tag, _ in self.attributes}

    def values(self, *names: str) -> list[str]:
        """The values of these attributes of any tag."""
        return [a[name] or "" for _, a in self.attributes for name in names if name in a]


def assert_sound(page: str) -> None:
    """Checks that tags close, nothing is requested, and pictures say what they show."""
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "iframe", "object", "embed"} & tags.names()
    assert all(value.startswith(("data:", "#")) for value in tags.values("src", "href"))
    assert "url(" not in page
    ids = tags.values("id")
    assert len(set(ids)) == len(ids)
    assert {value[1:] for value in tags.values("href") if value.startswith("#")} <= set(ids)
    assert all(a.get("alt") for tag, a in tags.attributes if tag == "img")
    assert all(a.get("aria-label") for tag, a in tags.attributes if tag in {"svg", "table"})


Show = Callable[[str, int], "Chrome"]


@pytest.fixture
def show(browser: "Chrome", tmp_path: Path) -> Show:
    """``show(page, width)``: opens a page in a browser of so many pixels."""
    path = tmp_path / "page.html"

    def opened(page: str, width: int) -> "Chrome":
        path.write_text(page, encoding="utf-8")
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get(path.as_uri())
        return browser

    return opened


def log_of(browser: "Chrome", kind: str) -> list[Any]:
    """The entries of a log since the last call."""
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def requests_of(browser: "Chrome") -> list[str]:
    """The schemes of all URLs that were requested since the last call."""
    entries = log_of(browser, "performance")
    messages = [json.loads(entry["message"])["message"] for entry in entries]
    return [
        message["params"]["request"]["url"].partition(":")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def assert_shown_without_faults(browser: "Chrome", width: int) -> None:
    """Checks that a page that was opened asks for nothing, fits, and can be read."""
    assert not [entry for entry in log_of(browser, "browser") if entry["level"] == "SEVERE"]
    assert not {"http", "https"} & set(requests_of(browser))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert smallest_letters(browser) >= 9


def picture_widths(browser: "Chrome") -> list[int]:
    """The width of each picture in its own pixels; 0 for one that cannot be decoded."""
    widths: list[int] = browser.execute_script(
        "return Array.from(document.images).map(i => i.complete ? i.naturalWidth : 0)"
    )
    return widths


def smallest_letters(browser: "Chrome") -> float:
    """The size of the smallest letters of all figures, in pixels of the screen."""
    size: float = browser.execute_script(
        "return Math.min(...Array.from(document.querySelectorAll('svg text')).map(t =>"
        "parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width"
        "/ t.ownerSVGElement.viewBox.baseVal.width))"
    )
    return size


def colours_of(browser: "Chrome", scheme: str, selector: str, name: str) -> list[str]:
    """The computed values of a style property of all elements that a selector finds."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    found: list[str] = browser.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0]))"
        ".map(e => getComputedStyle(e)[arguments[1]])",
        selector,
        name,
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    return found
