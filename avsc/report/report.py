"""``report.html``: what a run scored, on one page that opens anywhere; pure text.

``ReportData`` holds all it shows; ``avsc.report.context`` gathers it.
"""

from html import escape

from avsc.evaluate import bootstrap
from avsc.evaluate.summary import Summary
from avsc.paper import Row
from avsc.report import formatting, page, report_examples, report_scores
from avsc.report.report_data import ReportData


def report(data: ReportData) -> str:
    """The page as HTML."""
    learning = report_scores.learning(data.learning) if data.learning else ""
    worst = report_examples.worst(data.worst, data.feature) if data.worst else ""
    total = data.summary.scores.n_segments
    maps = report_examples.maps(data.projections, total) if data.projections else ""
    parts = [
        ("curves", "Learning curves", learning),
        ("scenes", "By scene", report_scores.scenes(data.summary)),
        ("confusion", "What is taken for what", report_scores.confusion(data.summary.confusion)),
        ("cities", "By city", report_scores.cities(data.summary)),
        ("reliability", "How far to trust it", report_scores.reliability(data.summary.calibration)),
        ("worst", "The worst segments", worst),
        ("embeddings", "Embeddings", maps),
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
            formatting.loss(scores.log_loss),
            "",
            _interval_words(formatting.loss_bounds(intervals.log_loss)),
            paper_loss or page.paragraph("chance is 2.3026; less is better", "note"),
        ),
        _card(
            "Accuracy",
            formatting.per_cent(scores.accuracy),
            " %",
            _interval_words(formatting.per_cent_bounds(intervals.accuracy)),
            paper_right or page.paragraph("chance is 10 %", "note"),
        ),
        _card(
            "Calibration error",
            f"{data.summary.calibration.ece:.3f}",
            "",
            "0 would be probabilities that mean what they say",
            page.paragraph(
                f"over all segments alike: log-loss {formatting.loss(scores.log_loss_micro)}, "
                f"accuracy {formatting.per_cent(scores.accuracy_micro)} %",
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


def _run(data: ReportData) -> str:
    return page.grid(
        f"<div><h3>System and data</h3>{page.facts(data.facts)}</div>",
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
