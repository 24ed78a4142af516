"""The one style of the figures: colours, fonts, and a matplotlib figure as SVG inside a page.

A figure is drawn in points, of which a page shows one as a pixel. Inside a page each of our colours
becomes the CSS variable of its name, so that a figure has dark colours on a dark page and light
ones on paper.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

# Name -> colour on a light page, on a dark one.
COLOURS = {
    "ink": ("#1c2126", "#e6e9ec"),
    "soft": ("#555f69", "#a3adb7"),
    "paper": ("#ffffff", "#14181c"),
    "panel": ("#f4f6f8", "#1d2329"),
    "rule": ("#d7dce1", "#39424b"),
    "accent": ("#1d5f9f", "#5aa3e6"),
    "second": ("#b4500f", "#f0965a"),
}
INK, SOFT, RULE, ACCENT, SECOND = (
    COLOURS[name][0] for name in ("ink", "soft", "rule", "accent", "second")
)
# Hues of scenes, which can be told apart on light and on dark pages.
HUES = (
    *("#2f7fc1", "#e07b28", "#3a9a4a", "#d0433f", "#8d68b8"),
    *("#96644f", "#d56fb0", "#7b7f86", "#a8a42a", "#1fa7b8"),
)
POINTS_PER_INCH = 72
SMALL = 10.5  # points; the smallest letters of a figure
HALO = "halo"  # the id of text that gets an outline in the colour of the page

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.labelcolor": SOFT,
    "axes.labelsize": SMALL,
    "font.size": 11,
    "grid.color": RULE,
    "grid.linewidth": 1,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0.1,
    "legend.frameon": False,
    "path.simplify": False,
    "svg.fonttype": "none",  # text stays text: it can be selected, and the file stays small
    "svg.hashsalt": "avsc",  # the same figure gives the same file
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "xtick.color": SOFT,
    "xtick.labelsize": SMALL,
    "xtick.major.size": 0,
    "ytick.color": SOFT,
    "ytick.labelsize": SMALL,
    "ytick.major.size": 0,
}


@contextmanager
def styled() -> Iterator[None]:
    """Our settings of matplotlib instead of the user's; the user's come back afterwards."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that matplotlib's own font lacks is drawn in the font of the page.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float, *, arranged: bool = True) -> Figure:
    """An empty figure.

    Args:
        width: Width in points.
        height: Height in points.
        arranged: Whether matplotlib places the axes so that no label is cut.
    """
    size = (width / POINTS_PER_INCH, height / POINTS_PER_INCH)
    return Figure(figsize=size, layout="constrained" if arranged else None, frameon=False)


def scene_colour(number: int) -> str:
    """The colour of a scene by its number; beyond ten scenes the colours repeat."""
    return HUES[number % len(HUES)]


def inline_svg(figure: Figure, description: str) -> Markup:
    """A figure as an ``<svg>`` element of an HTML page.

    Args:
        figure: Figure that was drawn inside ``styled``.
        description: Text for a person who cannot see the figure.

    Returns:
        The element. It has no ids, so that several can stand in one page, and no fonts: its text
        has the font of the page.
    """
    for artist in figure.findobj():
        artist.set_clip_on(False)  # SVG refers to a clip by its id
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ET.fromstring(file.getvalue())  # noqa: S314  matplotlib's own output
    for child in list(root):
        if _local(child.tag) != "g":
            root.remove(child)  # metadata and a style sheet
    for element in root.iter():
        _adapt(element)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": description}
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  escaped by ElementTree


def _adapt(element: ET.Element) -> None:
    """Makes an element of an SVG file one of a page."""
    element.tag = _local(element.tag)
    element.tail = None
    if element.tag != "text":
        element.text = None
    attributes = {_local(key): value for key, value in element.attrib.items()}
    if attributes.pop("id", None) == HALO:
        attributes["class"] = HALO
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    if style := re.sub(
        r"(font-family|image-rendering): ?[^;]*;? ?", "", attributes.pop("style", "")
    ):
        for name, (colour, _) in COLOURS.items():
            style = style.replace(colour, f"var(--{name})")
        attributes["style"] = style
    for key in {"d", "x", "y"} & attributes.keys():  # a hundredth of a point is enough
        attributes[key] = " ".join(re.sub(r"(\.\d\d)\d+", r"\1", attributes[key]).split())
    element.attrib = attributes


def _local(name: str) -> str:
    """A name without its XML namespace."""
    return name.rpartition("}")[2]
