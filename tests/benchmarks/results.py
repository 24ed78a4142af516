"""Each benchmark keeps its own section of RESULTS.md, between markers."""

import re
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "# Benchmarks\n\nEvery section is written by the script that it names; edit none by hand.\n"


def write_section(name: str, markdown: str) -> None:
    """Replaces the section between the markers ``<!-- name:begin/end -->``, or adds it."""
    section = f"<!-- {name}:begin -->\n{markdown.strip()}\n<!-- {name}:end -->"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else TITLE
    there = re.compile(rf"<!-- {re.escape(name)}:begin -->.*?<!-- {re.escape(name)}:end -->", re.S)
    if there.search(text):
        text = there.sub(lambda _: section, text, count=1)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")
