"""The report's sections on scores: learning curves, scenes, confusion, cities, calibration."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.summary import Summary
from avsc.metrics import Calibration, Scores
from avsc.report import figures, formatting, page
from avsc.report.figures import Bar, Curve
from avsc.report.report_data import Learning
from avsc.scenes import SCENES

SHOWN_CONFUSIONS = 8


def learning(log: Learning) -> str:
    """Losses and accuracy over epochs."""
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


def scenes(summary: Summary) -> str:
    """Bars and a table of each scene's scores."""
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
            (formatting.loss(c.log_loss), formatting.loss_bounds(loss)),
            (formatting.per_cent(c.accuracy), formatting.per_cent_bounds(right)),
        ]
        for scene, c, loss, right in zipped
    ]
    return _bar_pair(rights, losses, scores, "scene") + page.table(
        "Scores by scene", ["scene", "n", "log-loss", "accuracy, %"], rows
    )


def cities(summary: Summary) -> str:
    """The same of each city; nothing where no city is known."""
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
                (formatting.loss(scores.log_loss), formatting.loss_bounds(found.log_loss)),
                (formatting.per_cent(scores.accuracy), formatting.per_cent_bounds(found.accuracy)),
            ]
        )
    return _bar_pair(rights, losses, summary.scores, "city") + page.table(
        "Scores by city", ["city", "n", "log-loss", "accuracy, %"], rows
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
    return Bar(name, value, interval.low, interval.high, formatting.loss(value))


def _right_bar(name: str, value: float, interval: Interval) -> Bar:
    low, high = 100 * interval.low, 100 * interval.high
    return Bar(name, 100 * value, low, high, formatting.per_cent(value))


def confusion(counts: NDArray[np.int64]) -> str:
    """The confusion matrix as a table, and its largest confusions in words."""
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    head = "".join(f'<th scope="col"><span>{escape(scene)}</span></th>' for scene in SCENES)
    rows = "".join(
        f'<tr><th scope="row">{escape(scene)}</th>'
        + "".join(_confusion_cell(float(s), int(n)) for s, n in zip(row, numbers, strict=True))
        + "</tr>"
        for scene, row, numbers in zip(SCENES, shares, counts, strict=True)
    )
    matrix = (
        '<table class="confusion" aria-label="Confusion matrix: rows true, columns answered">'
        '<colgroup><col class="names"></colgroup>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    return (
        page.paragraph("Rows are the true scenes, columns what was answered, in % of the row.")
        + f'<div class="confused">{matrix}{_largest_confusions(shares, counts)}</div>'
    )


def _largest_confusions(shares: NDArray[np.float64], counts: NDArray[np.int64]) -> str:
    wrong = shares * (1 - np.eye(len(shares)))
    worst = [divmod(int(k), len(shares)) for k in np.argsort(-wrong, axis=None)[:SHOWN_CONFUSIONS]]
    rows = [
        [
            (f"{SCENES[true]} as {SCENES[answer]}", ""),
            (f"{whole_per_cent(wrong[true, answer])} %", f"{counts[true, answer]:,}"),
        ]
        for true, answer in worst
        if wrong[true, answer] > 0
    ]
    if not rows:
        return page.paragraph("Nothing is taken for anything else.")
    title = "Most often confused"
    return f"<div><h3>{title}</h3>{page.table(title, ['scenes', 'share'], rows)}</div>"


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


def reliability(found: Calibration) -> str:
    """The reliability diagram, and how to read it."""
    sure = float(np.nansum(found.count * found.confidence) / found.count.sum())
    right = float(np.nansum(found.count * found.accuracy) / found.count.sum())
    leaning = "over-confident" if sure > right else "under-confident"
    words = page.paragraph(
        f"On average the system gives its answer {100 * sure:.1f} % and is right "
        f"{100 * right:.1f} % of the time: on the whole it is {leaning}. The expected calibration "
        f"error is {found.ece:.3f}, the mean of the gaps (orange) between how sure it is and how "
        "often it is right (the dark line of each bin), weighted by the bins’ segments. A dark "
        "line on the diagonal is a probability that means what it says."
    )
    drawn = page.figure(
        "Share of right answers",
        figures.reliability(found),
        "in bins of the highest probability; below, how many segments each bin holds",
    )
    return page.grid(drawn, f"<div>{words}</div>")
