"""The report's skeleton and style: one page that asks nothing of the network; pure text.

It has no script, and its own content policy forbids any request: names of clips and runs come
from strangers. Colours are variables with a value for light, for dark and for paper.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, body: str) -> str:
    """The whole document; ``body`` is HTML already."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def section(anchor: str, title: str, *parts: str) -> str:
    """A part of the page that the contents lead to."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def paragraph(content: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(content)}</p>"


def figure(title: str, drawn: str, note: str = "") -> str:
    """A drawing under its title."""
    behind = f" {escape(note)}" if note else ""
    return f"<figure><figcaption><b>{escape(title)}</b>{behind}</figcaption>{drawn}</figure>"


def grid(*parts: str) -> str:
    """Parts beside each other where there is room."""
    return f'<div class="grid">{"".join(parts)}</div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they are."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    """A table; each cell is (text, small text below it), the first cell of a row its header."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0][0])}</th>{"".join(map(_cell, row[1:]))}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table aria-label="{escape(caption)}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: tuple[str, str]) -> str:
    below = f"<small>{escape(cell[1])}</small>" if cell[1] else ""
    return f"<td>{escape(cell[0])}{below}</td>"
