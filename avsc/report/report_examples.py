"""The report's sections on single segments: the worst ones, and maps of embeddings."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np

from avsc.report import figures, page
from avsc.report.report_data import Projection, WorstSegment
from avsc.scenes import SCENES


def worst(segments: Sequence[WorstSegment], feature: str) -> str:
    """Cards of the segments with the highest losses."""
    cards = "".join(_card(segment, feature) for segment in segments)
    return (
        page.paragraph(
            "The segments with the highest log-loss, one of a clip at most: the picture that was "
            f"seen, and the {feature} of the whole clip (average channel, low frequencies below) "
            "with the segment’s second framed."
        )
        + f'<div class="worst">{cards}</div>'
    )


def maps(projections: Sequence[Projection], total: int) -> str:
    """Maps of the embeddings of a sample of ``total`` segments."""
    drawn = [
        page.figure(p.title, figures.scatter(p.title, p.points, p.labels, SCENES))
        for p in projections
    ]
    return page.paragraph(
        f"t-SNE of {len(projections[0].labels):,} of the {total:,} segments, each the mean of "
        "its frames; the names stand at the middle of their scene’s points. Distances between "
        "far groups mean nothing in such a map."
    ) + page.grid(*drawn)


def _card(segment: WorstSegment, feature: str) -> str:
    scene = SCENES[segment.scene]
    width = 100 / segment.clip_seconds
    picture = f"Picture of {segment.name}, a scene of {scene}"
    sound = f"{feature} of its clip, second {segment.second} framed"
    return (
        f'<figure><img src="{_data_uri("jpeg", segment.jpeg)}" alt="{escape(picture)}">'
        f'<div class="sound"><img src="{_data_uri("png", segment.sound)}" alt="{escape(sound)}">'
        f'<i style="left:{segment.second * width:.2f}%;width:{width:.2f}%"></i></div>'
        f"<figcaption>{escape(segment.name)}<br>{_answers(segment)}</figcaption></figure>"
    )


def _answers(segment: WorstSegment) -> str:
    """The true scene's probability beside the two likeliest."""
    scene, shares = SCENES[segment.scene], segment.probabilities
    likeliest = [SCENES[k] for k in np.argsort(-shares)[:2] if k != segment.scene]
    others = ", ".join(f"{name} {_per_cent(shares[SCENES.index(name)])}" for name in likeliest)
    own = f"<b>{escape(scene)} {_per_cent(shares[segment.scene])}</b>"
    return f"{own}, but {escape(others)}; loss {segment.loss:.2f}"


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
