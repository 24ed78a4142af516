"""``report.html``: what a run scored, on one page that opens anywhere; pure text.

``ReportData`` holds all it shows; ``avsc.evaluate.evidence`` gathers it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from avsc.evaluate import bootstrap, figures, page, wording
from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.figures import Bar, Curve
from avsc.evaluate.metrics import Scores
from avsc.evaluate.summary import Summary
from avsc.paper import Row
from avsc.scenes import SCENES


@dataclass(frozen=True)
class WorstSegment:
    """A segment with a high loss, and what was to be seen and heard."""

    name: str
    clip_seconds: int
    second: int
    scene: int  # the true one
    probabilities: NDArray[np.float64]  # [10]
    loss: float
    jpeg: bytes
    sound: bytes  # a PNG of the whole clip's feature


@dataclass(frozen=True)
class Projection:
    """Embeddings of segments in the plane."""

    title: str
    points: NDArray[np.float64]  # [m, 2]
    labels: NDArray[np.int64]  # [m]


@dataclass(frozen=True)
class Learning:
    """What the log of a run says, an epoch a value."""

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    best: int | None  # epoch, from 1


@dataclass(frozen=True)
class ReportData:
    """Everything on the page; what a system has not is None or empty."""

    title: str
    lead: str
    summary: Summary
    feature: str
    paper: Row | None
    official: bool  # whether the segments are the official test fold's
    learning: Learning | None
    worst: tuple[WorstSegment, ...]
    projections: tuple[Projection, ...]
    recipe: str
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]


def report(data: ReportData) -> str:
    """The page as HTML."""
    parts = [
        ("curves", "Learning curves", _learning(data.learning) if data.learning else ""),
        ("scenes", "By scene", _scenes(data.summary)),
        ("confusion", "What is taken for what", _confusion(data.summary.confusion)),
        ("cities", "By city", _cities(data.summary)),
        ("reliability", "How far its probabilities can be trusted", _reliability(data.summary)),
        ("worst", "The worst segments", _worst(data) if data.worst else ""),
        ("embeddings", "Embeddings", _projections(data.projections) if data.projections else ""),
        ("run", "The run", _run(data)),
        ("method", "How these numbers are made", _method(data.summary)),
    ]
    present = [part for part in parts if part[2]]
    links = "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in present)
    head = (
        f'<header><p class="kicker">avsc evaluation report</p><h1>{escape(data.title)}</h1>'
        f"{page.paragraph(data.lead)}</header>"
    )
    sections = "".join(page.section(*part) for part in present)
    nav = f'<nav aria-label="Contents">{links}</nav>'
    body = f"{head}<main>{_headline(data)}{nav}{sections}</main>"
    return page.page(f"{data.title} – avsc report", body)


def _headline(data: ReportData) -> str:
    scores, intervals = data.summary.scores, data.summary.intervals
    paper_loss = paper_right = note = ""
    if data.paper is not None:
        paper_loss = _paper(f"{data.paper.log_loss:.4f}")
        paper_right = _paper(f"{data.paper.accuracy:.2f} %")
        note = _paper_note(data.paper, data.official)
    cards = (
        _card(
            "Log-loss",
            wording.loss(scores.log_loss),
            "",
            _interval_words(wording.loss_bounds(intervals.log_loss)),
            paper_loss or page.paragraph("chance is 2.3026; less is better", "note"),
        ),
        _card(
            "Accuracy",
            wording.per_cent(scores.accuracy),
            " %",
            _interval_words(wording.per_cent_bounds(intervals.accuracy)),
            paper_right or page.paragraph("chance is 10 %", "note"),
        ),
        _card(
            "Calibration error",
            f"{data.summary.calibration.ece:.3f}",
            "",
            "0 would be probabilities that mean what they say",
            page.paragraph(
                f"over all segments alike: log-loss {wording.loss(scores.log_loss_micro)}, "
                f"accuracy {wording.per_cent(scores.accuracy_micro)} %",
                "note",
            ),
        ),
    )
    return f'<div class="cards">{"".join(cards)}</div>{note}'


def _card(title: str, number: str, unit: str, below: str, behind: str) -> str:
    return (
        f'<div class="card"><h2>{escape(title)}</h2>'
        f'<p class="big">{escape(number)}<small>{escape(unit)}</small></p>'
        f"<p>{escape(below)}</p>{behind}</div>"
    )


def _paper(number: str) -> str:
    return f'<p class="below">the paper’s: <b>{escape(number)}</b></p>'


def _paper_note(row: Row, official: bool) -> str:
    where = (
        f"The paper’s numbers are those of {row.system} ({row.table.replace('table', 'table ')})"
    )
    if official:
        return page.paragraph(f"{where}, of the same official test fold.", "note")
    return page.paragraph(
        f"{where}, of the official test fold of TAU Urban Audio-Visual Scenes 2021. These segments "
        "are others, so the two cannot be compared; they stand here for orientation only.",
        "note",
    )


def _interval_words(bounds: str) -> str:
    return f"95 % interval {bounds}" if bounds else "no interval: there is one location only"


def _learning(log: Learning) -> str:
    lines = (
        Curve("training", "train", log.train_loss),
        Curve("validation", "validation", log.validation_loss),
    )
    right = Curve("validation", "validation", tuple(100 * v for v in log.validation_accuracy))
    drawn = figures.curves("Log-loss", lines, log.best)
    share = figures.curves("Accuracy in per cent", (right,), log.best)
    note = "on segments of the validation clips; the best epoch’s weights are the ones scored here"
    return page.grid(
        page.figure("Log-loss", drawn, "training batches are augmented, with dropout"),
        page.figure("Accuracy, %", share, note) if share else "",
    )


def _scenes(summary: Summary) -> str:
    scores, intervals = summary.scores, summary.intervals
    zipped = list(
        zip(
            SCENES,
            scores.per_class,
            intervals.class_log_loss,
            intervals.class_accuracy,
            strict=True,
        )
    )
    losses = [_loss_bar(scene, c.log_loss, loss) for scene, c, loss, _ in zipped]
    rights = [_right_bar(scene, c.accuracy, right) for scene, c, _, right in zipped]
    rows = [
        [
            (scene, ""),
            (f"{c.n:,}", ""),
            (wording.loss(c.log_loss), wording.loss_bounds(loss)),
            (wording.per_cent(c.accuracy), wording.per_cent_bounds(right)),
        ]
        for scene, c, loss, right in zipped
    ]
    return _bar_pair(rights, losses, scores, "scene") + page.table(
        "Scores by scene", ["scene", "segments", "log-loss", "accuracy, %"], rows
    )


def _cities(summary: Summary) -> str:
    if not any(summary.cities):
        return ""
    losses, rights, rows = [], [], []
    for city, (scores, found) in summary.cities.items():
        name = city or "unknown"
        losses.append(_loss_bar(name, scores.log_loss, found.log_loss))
        rights.append(_right_bar(name, scores.accuracy, found.accuracy))
        rows.append(
            [
                (name, ""),
                (f"{scores.n_segments:,}", ""),
                (wording.loss(scores.log_loss), wording.loss_bounds(found.log_loss)),
                (wording.per_cent(scores.accuracy), wording.per_cent_bounds(found.accuracy)),
            ]
        )
    return _bar_pair(rights, losses, summary.scores, "city") + page.table(
        "Scores by city", ["city", "segments", "log-loss", "accuracy, %"], rows
    )


def _bar_pair(rights: Sequence[Bar], losses: Sequence[Bar], scores: Scores, what: str) -> str:
    note = "dashed: the whole; whiskers: 95 % intervals"
    return page.grid(
        page.figure(
            "Accuracy, %",
            figures.bars(f"Accuracy in per cent by {what}", rights, 100, 100 * scores.accuracy),
            note,
        ),
        page.figure(
            "Log-loss",
            figures.bars(f"Log-loss by {what}", losses, None, scores.log_loss),
            "less is better",
        ),
    )


def _loss_bar(name: str, value: float, interval: Interval) -> Bar:
    return Bar(name, value, interval.low, interval.high, wording.loss(value))


def _right_bar(name: str, value: float, interval: Interval) -> Bar:
    low, high = 100 * interval.low, 100 * interval.high
    return Bar(name, 100 * value, low, high, wording.per_cent(value))


def _confusion(counts: NDArray[np.int64]) -> str:
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    head = "".join(f'<th scope="col"><span>{escape(scene)}</span></th>' for scene in SCENES)
    rows = "".join(
        f'<tr><th scope="row">{escape(scene)}</th>'
        + "".join(_confusion_cell(float(s), int(n)) for s, n in zip(row, numbers, strict=True))
        + "</tr>"
        for scene, row, numbers in zip(SCENES, shares, counts, strict=True)
    )
    return page.paragraph(
        "Rows are the true scenes, columns what was answered, in per cent of the row."
    ) + (
        '<table class="confusion" aria-label="Confusion matrix: rows true, columns predicted">'
        f'<colgroup><col class="names"></colgroup>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _confusion_cell(share: float, count: int) -> str:
    if count == 0:
        return "<td></td>"
    strong = ' class="strong"' if share > 0.6 else ""
    return (
        f'<td{strong} style="background:rgb(var(--accent-rgb)/{share:.3f})" '
        f'title="{count} segments">{escape(whole_per_cent(share))}</td>'
    )


def whole_per_cent(share: float) -> str:
    """A share in whole per cent, never rounded to a 0 or 100 that it is not.

    >>> whole_per_cent(0.004), whole_per_cent(0.5), whole_per_cent(0.999), whole_per_cent(1.0)
    ('<1', '50', '>99', '100')
    """
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 else f"{100 * share:.0f}"


def _reliability(summary: Summary) -> str:
    found = summary.calibration
    return page.grid(
        page.figure(
            "Share of right answers",
            figures.reliability(found),
            "in bins of the highest probability; below, how many segments each bin holds",
        ),
        "<div>"
        + page.paragraph(
            f"The expected calibration error is {found.ece:.3f}: where the system is as sure as p, "
            f"it is right p of the time, give or take {100 * found.ece:.1f} points on average. "
            "Orange is the gap between being sure and being right; bars that end below the "
            "diagonal are over-confident."
        )
        + "</div>",
    )


def _worst(data: ReportData) -> str:
    cards = "".join(_worst_card(segment, data.feature) for segment in data.worst)
    return (
        page.paragraph(
            "The segments with the highest log-loss, one of a clip at most, with the picture that "
            f"was seen and the {data.feature} of the whole clip (average channel, low frequencies "
            "below), the segment’s second framed."
        )
        + f'<div class="worst">{cards}</div>'
    )


def _worst_card(segment: WorstSegment, feature: str) -> str:
    own = float(segment.probabilities[segment.scene])
    order = np.argsort(-segment.probabilities)[:2]
    answers = ", ".join(f"{SCENES[k]} {100 * segment.probabilities[k]:.1f} %" for k in order)
    width = 100 / segment.clip_seconds
    picture = f"Picture of {segment.name}, which is {SCENES[segment.scene]}"
    sound = f"{feature} of the clip, second {segment.second} framed"
    return (
        f'<figure><img src="{_data_uri("jpeg", segment.jpeg)}" alt="{escape(picture)}">'
        f'<div class="sound"><img src="{_data_uri("png", segment.sound)}" alt="{escape(sound)}">'
        f'<i style="left:{segment.second * width:.2f}%;width:{width:.2f}%"></i></div>'
        f"<figcaption><b>{escape(SCENES[segment.scene])}</b> answered {escape(answers)}; "
        f"its own probability {100 * own:.2g} %, loss {segment.loss:.2f}<br>"
        f"{escape(segment.name)}</figcaption></figure>"
    )


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _projections(projections: Sequence[Projection]) -> str:
    drawn = [
        page.figure(p.title, figures.scatter(p.title, p.points, p.labels, SCENES))
        for p in projections
    ]
    return page.paragraph(
        f"t-SNE of {len(projections[0].labels):,} segments drawn at random, each the mean of "
        "its frames; the names stand at the middle of their scene’s points. Distances between "
        "far groups mean nothing in such a map."
    ) + page.grid(*drawn)


def _run(data: ReportData) -> str:
    return page.grid(
        f"<div>{page.facts(data.facts)}</div>",
        f"<div><h3>Made with</h3>{page.facts(data.environment)}</div>",
    ) + (f"<h3>The resolved recipe</h3><pre>{escape(data.recipe)}</pre>" if data.recipe else "")


def _method(summary: Summary) -> str:
    return page.paragraph(
        "Log-loss and accuracy are means of the class-wise values, as in the paper and the DCASE "
        "challenge, so that each scene weighs the same. A segment’s probabilities are the mean of "
        "those of its audio frames. Intervals are 95 % percentile intervals of "
        f"{bootstrap.RESAMPLES:,} bootstrap resamples of the {summary.n_locations:,} locations, "
        "since the clips of a location are pieces of one recording; with fewer than about ten "
        "locations a scene they are somewhat too narrow.",
        "note",
    )
