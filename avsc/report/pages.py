"""The two pages that open offline: an evaluation's report and a recording's time-line.

The templates hold the words and the layout; here are the figures and the rows they show.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avsc.evaluate import bootstrap
from avsc.evaluate.summary import Summary
from avsc.predict.timeline import SceneTimeline, Stretch, Thumbnail, longest
from avsc.report import formatting, tables
from avsc.report.context import ReportData

MOST_CONFUSED = 8
MOST_CELLS = 20  # scenes of a confusion matrix in numbers; more are shown as shades
MOST_STRETCHES = 60
MOST_PICTURES = 12  # above a time-line
SECTIONS = {
    "curves": "Learning curves",
    "scenes": "By scene",
    "confusion": "Confusion",
    "cities": "By city",
    "reliability": "Reliability of the probabilities",
    "worst": "The worst segments",
    "embeddings": "Embeddings",
    "leaderboard": "Among published results",
    "run": "The run",
    "method": "How these numbers are made",
}


@dataclass(frozen=True)
class System:
    """One system's scores on the page of the demo; ``report`` is the address of its report."""

    name: str
    log_loss: float
    accuracy: float
    report: str = ""


def report_page(data: ReportData) -> str:
    """The report of an evaluation as HTML."""
    absent = {
        "curves": data.learning is None,
        "cities": not data.summary.by_city(),
        "worst": not data.worst,
        "embeddings": not data.projections,
        "leaderboard": data.entry is None,
    }
    found = data.summary.calibration
    values = {
        "kind": "avsc evaluation report",
        "title": data.title,
        "data": data,
        "sections": {name: title for name, title in SECTIONS.items() if not absent.get(name)},
        "charts": _charts(data),
        "confidence": float(np.nansum(found.count * found.confidence) / found.count.sum()),
        "resamples": bootstrap.RESAMPLES,
    }
    if data.entry is not None:
        board = tables.leaderboard_table([data.entry])
        values["leaderboard"] = board.header(), board.cells()
        values["place"] = tables.place_note(data.entry)
    return render("report.html", values | confusion_view(data.summary))


def timeline_page(timeline: SceneTimeline) -> str:
    """The time-line of a recording as HTML."""
    from avsc.report.style import scene_colour
    from avsc.report.timeline_figure import timeline_figure

    stretches = timeline.stretches()
    values = {
        "kind": "avsc predict",
        "title": timeline.file.name,
        "timeline": timeline,
        "most": timeline.shares()[0],
        "confidence": float(timeline.probabilities.max(axis=1).mean()),
        "count": len(stretches),
        "strip": _strip(timeline),
        "figure": timeline_figure(timeline),
        "stretches": [
            (one, scene_colour(one.scene), _nearest(timeline.thumbnails, one))
            for one in longest(stretches, MOST_STRETCHES)
        ],
    }
    return render("timeline.html", values)


def demo_page(
    systems: Sequence[System], clip: str, prediction: str, data: str | None = None
) -> str:
    """The page that ``avsc demo`` ends with, which links the others.

    Args:
        systems: The systems' scores, and chance.
        clip: Name of the clip that was predicted.
        prediction: Relative address of its page.
        data: Name of the data set; None for a synthetic one.
    """
    values = {"systems": systems, "clip": clip, "prediction": prediction, "data": data}
    return render("demo.html", {"kind": "avsc demo", "title": "The systems side by side"} | values)


def render(template: str, values: dict[str, Any]) -> str:
    """A page: a template of ``templates/`` filled with values."""
    import jinja2

    from avsc.report.style import COLOURS

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("avsc.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: tuple[Callable[..., str], ...] = (
        formatting.clock,
        formatting.loss,
        formatting.loss_bounds,
        formatting.per_cent,
        formatting.per_cent_bounds,
        formatting.whole_per_cent,
        data_uri,
    )
    environment.filters |= {function.__name__: function for function in filters}
    return environment.get_template(template).render(values, colours=COLOURS)


def data_uri(content: bytes, kind: str) -> str:
    """The URI that holds an image file itself; ``kind`` is ``jpeg`` or ``png``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _charts(data: ReportData) -> dict[str, Any]:
    """The figures by the names that the template gives them."""
    from avsc.report.figures import bars, curves, reliability, scatter

    summary, log = data.summary, data.learning
    groups = {"scene": summary.by_scene(), "city": summary.by_city()}
    charts: dict[str, Any] = {
        what: {
            "log_loss": bars("log_loss", what, rows, summary.scores.log_loss),
            "accuracy": bars("accuracy", what, rows, summary.scores.accuracy),
        }
        for what, rows in groups.items()
        if rows
    }
    if log is not None:
        both = {"training": log.train_loss, "validation": log.validation_loss}
        percent = {"validation": [100 * share for share in log.validation_accuracy]}
        charts["curves"] = {
            "log_loss": curves("Log-loss", both, log.best),
            "accuracy": curves("Accuracy in per cent", percent, log.best),
        }
    maps = [
        (one.title, scatter(one.title, one.points, one.labels, summary.scenes))
        for one in data.projections
    ]
    if data.contrast is not None:
        charts["contrast"] = reliability(data.contrast.calibration)
    return {**charts, "reliability": reliability(summary.calibration), "maps": maps}


def confusion_view(summary: Summary) -> dict[str, Any]:
    """Rows of the matrix as (scene, cells), and the largest confusions."""
    from avsc.report.figures import confusion

    counts, scenes = summary.confusion, summary.scenes
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    wrong = shares * (1 - np.eye(len(shares)))
    largest = [divmod(int(k), len(shares)) for k in np.argsort(-wrong, axis=None)[:MOST_CONFUSED]]
    return {
        "shades": confusion(shares, scenes) if len(scenes) > MOST_CELLS else None,
        "matrix": [
            (scene, list(zip(row.tolist(), numbers.tolist(), strict=True)))
            for scene, row, numbers in zip(scenes, shares, counts, strict=True)
        ],
        "confused": [
            (scenes[true], scenes[other], wrong[true, other], int(counts[true, other]))
            for true, other in largest
            if wrong[true, other] > 0
        ],
    }


def _strip(timeline: SceneTimeline) -> list[Thumbnail]:
    """Pictures evenly spaced over the time-line, each the nearest to the middle of its part."""
    count = min(MOST_PICTURES, len(timeline.thumbnails))
    length = len(timeline.probabilities)
    seconds = np.array([one.second for one in timeline.thumbnails])
    middles = [timeline.first + (k + 0.5) / count * length - 0.5 for k in range(count)]
    return [timeline.thumbnails[int(np.abs(seconds - middle).argmin())] for middle in middles]


def _nearest(thumbnails: Iterable[Thumbnail], one: Stretch) -> Thumbnail | None:
    """The picture nearest to a stretch's middle; None if there is none within it."""
    within = [picture for picture in thumbnails if one.start <= picture.second < one.stop]
    middle = (one.start + one.stop - 1) / 2
    return min(within, key=lambda picture: abs(picture.second - middle), default=None)
