"""A time-line as one page that opens offline: drawing, stretches with their pictures, facts."""

import base64
from collections.abc import Sequence
from html import escape

from avsc.predict.formats import per_cent
from avsc.predict.recording import clock
from avsc.predict.timeline import Stretch, Thumbnail, Timeline, longest
from avsc.report import page
from avsc.report.context import picture_of
from avsc.report.timeline_figures import timeline_drawing

MOST_STRETCHES = 60


def timeline_page(timeline: Timeline) -> str:
    """The page as HTML."""
    name = timeline.file.name
    head = (
        '<header><p class="kicker">avsc predict</p>'
        f"<h1>{escape(name)}</h1>{page.paragraph(f'Scenes by the run {timeline.system}.')}"
        f"{''.join(page.paragraph(f'Note: {note}.', 'note') for note in timeline.notes)}</header>"
    )
    parts = (
        page.section("timeline", "Time-line", _drawing(timeline)),
        page.section("stretches", "Stretches", _stretches(timeline)),
        page.section("made", "How it is made", page.facts(_facts(timeline)), _method()),
    )
    body = f"{head}<main>{_headline(timeline)}{''.join(parts)}</main>"
    return page.page(f"{name} – avsc predict", body)


def _headline(timeline: Timeline) -> str:
    scene, share = timeline.shares()[0]
    sure = float(timeline.probabilities.max(axis=1).mean())
    stretches = len(timeline.stretches())
    cards = (
        ("Most of the time", timeline.scenes[scene], f"{per_cent(share)} of the seconds"),
        (
            "Length",
            clock(len(timeline.probabilities)),
            f"{stretches} {'stretch' if stretches == 1 else 'stretches'} of one scene",
        ),
        ("Mean highest probability", per_cent(sure), "a tenth would be a guess"),
    )
    drawn = "".join(
        f'<div class="card"><h2>{escape(title)}</h2><p class="big">{escape(number)}</p>'
        f'<p class="note">{escape(below)}</p></div>'
        for title, number, below in cards
    )
    return f'<div class="cards">{drawn}</div>'


def _drawing(timeline: Timeline) -> str:
    sound = None
    if timeline.sound_columns is not None:
        sound = picture_of(timeline.sound_columns, timeline.feature)
    lead = (
        "The scene of each second, and below it each scene’s probability from 0 to 1, its mean at "
        "the right."
    )
    heard = f" Last, the {timeline.feature} of the average channel." if sound else ""
    drawn = timeline_drawing(timeline, sound)
    return f'{page.paragraph(lead + heard)}<div class="scroll timeline">{drawn}</div>'


def _stretches(timeline: Timeline) -> str:
    every = timeline.stretches()
    shown = longest(every, MOST_STRETCHES)
    lead = "Consecutive seconds of the same most probable scene, with its mean probability."
    if len(shown) < len(every):
        lead += f" The {len(shown)} longest of {len(every)}; the CSV beside this page has all."
    cards = "".join(_card(timeline, one) for one in shown)
    return f'{page.paragraph(lead)}<div class="worst stretches">{cards}</div>'


def _card(timeline: Timeline, one: Stretch) -> str:
    scene = timeline.scenes[one.scene]
    times = f"{clock(one.start)}–{clock(one.stop)}"
    picture = _nearest(timeline.thumbnails, one)
    drawn = ""
    if picture is not None:
        uri = f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode()}"
        told = f"Picture at {clock(picture.second)}, called {scene}"
        drawn = f'<img src="{uri}" alt="{escape(told)}">'
    return (
        f'<figure>{drawn}<figcaption><i class="chip scene{one.scene}"></i>{times}<br>'
        f"<b>{escape(scene)}</b> {per_cent(one.probability)}</figcaption></figure>"
    )


def _nearest(thumbnails: Sequence[Thumbnail], one: Stretch) -> Thumbnail | None:
    """The picture nearest to a stretch's middle; None if there is none within it."""
    within = [picture for picture in thumbnails if one.start <= picture.second < one.stop]
    middle = (one.start + one.stop - 1) / 2
    return min(within, key=lambda picture: abs(picture.second - middle), default=None)


def _facts(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    last = timeline.first + len(timeline.probabilities)
    facts = [("file", str(timeline.file)), ("run", timeline.system)]
    if timeline.sound is not None:
        facts.append(("sound", str(timeline.sound)))
    return (*facts, ("seconds", f"{clock(timeline.first)} to {clock(last)}"))


def _method() -> str:
    return page.paragraph(
        "Each second is judged by itself, as in avsc evaluate: nothing outside it is heard, its "
        "picture is the one on the screen half way through it, and the probabilities of its audio "
        "frames are averaged. The run knows ten scenes and nothing else: what is none of them is "
        "given the likeliest of the ten.",
        "note",
    )
