"""What ``robustness`` prints and writes: one table, one figure, a page with both."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avsc import files
from avsc.evaluate.bootstrap import FEWEST_LOCATIONS
from avsc.evaluate.disturbances import Disturbance, Kind
from avsc.evaluate.robustness import Measured, Robustness, System
from avsc.report import formatting
from avsc.report.figures import Metric
from avsc.report.pages import render
from avsc.report.robustness_figures import Panel, figure_file, file_content, panel_svg
from avsc.report.style import styled
from avsc.report.table_formats import Column, Form, Table
from avsc.report.table_formats import render as render_tables

NAME = "robustness"
MEASURES: tuple[Metric, Metric] = ("log_loss", "accuracy")


def table(found: Robustness, form: Form) -> Table:
    """A row a disturbance, a column a system; for programs a row a pair, with all numbers."""
    title = (
        f"{found.n_segments:,} segments of {found.n_clips:,} clips (fold {found.fold}), "
        f"seed {found.seed}: log-loss, accuracy in %"
        f"{', calibrated' if _calibrated(found) else ''}"
    )
    if form in ("csv", "json"):
        return _everything(found, title)
    columns = [Column(f"system_{k}", one.name, _pair) for k, one in enumerate(found.systems)]
    scores = [one.scores for one in found.systems]
    rows = zip((one.words() for one in found.disturbances), *scores, strict=True)
    return Table(NAME, title, (Column("disturbance", "disturbance"), *columns), tuple(rows))


def notes(found: Robustness) -> list[str]:
    """What a reader must know of the numbers."""
    lines = [
        f"{one.name}: {one.strategy}"
        f"{f', mean of {one.seeds} seeds' if one.seeds > 1 else ''}; missing: {one.gaps}"
        f"{_temperatures(one)}"
        for one in found.systems
    ]
    if _calibrated(found):
        lines.append(
            "calibrated: the logits are divided by the temperature of the run, fitted with sound "
            "and picture there, and the same under every disturbance"
        )
    lines.append(
        "no sound, no image: in so many % of the seconds, the same ones for every system, those of "
        "a smaller share among those of a larger one; without a number in all"
    )
    if any(one.kind == "offset" for one in found.disturbances):
        lines.append(
            "image +1 s: the picture is of one second later than the sound; at a clip's end its "
            "nearest one"
        )
    lines.append(
        "swap: each clip has the sound of a clip of another scene; the scene of its image counts, "
        "or that of its sound"
    )
    chance = formatting.loss(math.log(len(found.scenes)))
    lines.append(f"equal probabilities: log-loss {chance}, accuracy {_chance(found)} %")
    return lines


def write(found: Robustness, out: Path) -> Path:
    """Writes table, figure and page; returns the page's path."""
    for form, suffix in (("csv", "csv"), ("markdown", "md"), ("json", "json")):
        text = render_tables([table(found, form)], form, notes(found))  # type: ignore[arg-type]
        files.write_text(out / f"{NAME}.{suffix}", text + "\n")
    with styled():
        figure = figure_file({m: panels(found, m) for m in MEASURES}, _chances(found))
        for kind in ("svg", "png"):
            files.write_bytes(out / f"{NAME}.{kind}", file_content(figure, kind))
    files.write_text(out / f"{NAME}.html", page(found))
    return out / f"{NAME}.html"


def page(found: Robustness) -> str:
    """The page as HTML."""
    shown, chances = table(found, "table"), _chances(found)
    charts = [
        {metric: panel_svg(metric, panel, chances[metric]) for metric, panel in pair}
        for pair in zip(
            *([(metric, panel) for panel in panels(found, metric)] for metric in MEASURES),
            strict=True,
        )
    ]
    values = {
        "kind": "avsc robustness",
        "title": f"{len(found.systems)} systems with missing, late and swapped sounds and pictures"
        if len(found.systems) > 1
        else f"{found.systems[0].name} with missing, late and swapped sounds and pictures",
        "found": found,
        "panels": list(zip(panels(found, "log_loss"), charts, strict=True)),
        "table": (shown.header(), shown.cells()),
        "notes": notes(found),
        "fewest": FEWEST_LOCATIONS,
        "calibrated": _calibrated(found),
    }
    return render("robustness.html", values)


def panels(found: Robustness, metric: Metric) -> list[Panel]:
    """Scores against the share of missing sounds and pictures, the offset, and swapped sounds."""
    share = "% of the seconds"
    wanted: tuple[tuple[tuple[Kind, ...], str, str], ...] = (
        (("audio",), "Missing sounds", share),
        (("image",), "Missing pictures", share),
        (("offset",), "Late or early pictures", "seconds from sound to picture"),
        (("swapped", "heard"), "Swapped sounds", "scene that counts"),
    )
    made = (_panel(found, metric, *one) for one in wanted)
    return [panel for panel in made if len(panel.x) > 1]


def _panel(
    found: Robustness, metric: Metric, kinds: Sequence[Kind], title: str, x_label: str
) -> Panel:
    swapped = "swapped" in kinds
    chosen = [
        (_x(one, k), k)
        for k, one in enumerate(found.disturbances)
        if one.kind in kinds or (one.kind == "recorded" and not swapped)
    ]
    chosen.sort()
    return Panel(
        title,
        x_label,
        tuple(float(n) if swapped else x for n, (x, _) in enumerate(chosen)),
        ("of the picture", "of the sound") if swapped else None,
        {
            one.name: tuple(getattr(one.scores[k], metric) for _, k in chosen)
            for one in found.systems
        },
    )


def _x(one: Disturbance, number: int) -> float:
    if one.kind in ("swapped", "heard"):
        return float(number)
    return one.amount if one.kind == "offset" else 100 * one.amount


def _chances(found: Robustness) -> dict[Metric, float]:
    scenes = len(found.scenes)
    return {"log_loss": math.log(scenes), "accuracy": 1 / scenes}


def _chance(found: Robustness) -> str:
    return formatting.per_cent(1 / len(found.scenes))


def _calibrated(found: Robustness) -> bool:
    return any(one.temperatures for one in found.systems)


def _temperatures(one: System) -> str:
    words = " | ".join(f"{temperature:.3f}" for temperature in one.temperatures)
    return f"; temperature {words}" if words else ""


def _pair(scores: Measured) -> str:
    return f"{scores.log_loss:.3f} {100 * scores.accuracy:.1f}"


def _everything(found: Robustness, title: str) -> Table:
    keys = (
        *("system", "strategy", "seeds", "disturbance", "kind", "amount"),
        *("log_loss", "log_loss_interval", "accuracy", "accuracy_interval"),
        *("log_loss_std", "accuracy_std", "missing", "temperatures"),
    )
    rows = tuple(
        _numbers(system, one, scores)
        for system in found.systems
        for one, scores in zip(found.disturbances, system.scores, strict=True)
    )
    return Table(NAME, title, tuple(Column(key, key) for key in keys), rows)


def _numbers(system: System, one: Disturbance, scores: Measured) -> tuple[Any, ...]:
    return (
        *(system.name, system.strategy, system.seeds, one.words(), one.kind, one.amount),
        *(scores.log_loss, scores.log_loss_interval, scores.accuracy, scores.accuracy_interval),
        *(scores.log_loss_std, scores.accuracy_std, system.gaps),
        list(system.temperatures),
    )
