"""What ``score --out`` and ``compare --out`` write: a report of each system, a page of all.

``DIR/metrics.json`` and ``DIR/report.html`` of one system; of several, ``DIR/<system>/`` has them,
and ``DIR/comparison.html`` sets the systems side by side.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avsc import files, metrics
from avsc.evaluate import environment, results
from avsc.evaluate.compare import Compared, Comparison
from avsc.evaluate.labels import is_official_test
from avsc.evaluate.seeds import seed_folders
from avsc.evaluate.summary import GroupScore, as_json
from avsc.report import tables
from avsc.report.context import MOST_WORST, Learning, ReportData, WorstSegment, learning
from avsc.report.pages import confusion_view, render, report_page
from avsc.report.table_formats import Table

PAGE, REPORT = "comparison.html", "report.html"
Content = tuple[list[str], list[list[str]]]


def write_comparison(found: Comparison, out: Path) -> Path:
    """Writes the reports, and the page where there are several systems; returns the main file."""
    names = _folder_names(found.systems)
    alone = len(found.systems) == 1
    for system, name in zip(found.systems, names, strict=True):
        folder = out if alone else out / name
        _write_metrics(found, system, folder)
        files.write_text(folder / REPORT, report_page(_report(found, system)))
    if alone:
        return out / REPORT
    files.write_text(out / PAGE, comparison_page(found))
    return out / PAGE


def comparison_page(found: Comparison) -> str:
    """The page of several systems as HTML."""
    from avsc.report.figures import bars

    first, *others = found.systems
    rows = [
        GroupScore(
            system.name,
            system.scores.n_segments,
            system.scores.log_loss,
            system.scores.accuracy,
            system.intervals.log_loss,
            system.intervals.accuracy,
        )
        for system in found.systems
    ]
    values = {
        "kind": "avsc comparison",
        "title": f"{len(found.systems)} systems on {found.rows.labels.size:,} {found.unit}s",
        "found": found,
        "first": first,
        "charts": {
            "log_loss": bars("log_loss", "system", rows, first.scores.log_loss),
            "accuracy": bars("accuracy", "system", rows, first.scores.accuracy),
        },
        "systems": _content(tables.systems(found.systems, "")),
        "differences": _content(tables.differences(found.systems)),
        "seeds": _content(tables.seeds(found.systems))
        if any(system.spread for system in found.systems)
        else None,
        "curves": _curves(found.systems),
        "scenes": [(system.name, _scene_charts(first, system)) for system in others],
        "confusions": [
            (s.name, s.summary.scenes, confusion_view(s.summary)) for s in found.systems
        ],
        "notes": tables.comparison_notes(found),
    }
    return render("comparison.html", values)


def _content(table: Table) -> Content:
    return table.header(), table.cells()


def _scene_charts(first: Compared, other: Compared) -> dict[str, Any]:
    from avsc.report.comparison_figures import scene_differences

    pairs = list(zip(first.scores.per_class, other.scores.per_class, strict=True))
    bounds = other.gap_intervals
    return {
        "log_loss": scene_differences(
            "log_loss",
            other.summary.scenes,
            [b.log_loss - a.log_loss for a, b in pairs],
            bounds.class_log_loss,
        ),
        "accuracy": scene_differences(
            "accuracy",
            other.summary.scenes,
            [b.accuracy - a.accuracy for a, b in pairs],
            bounds.class_accuracy,
        ),
    }


def _curves(systems: Sequence[Compared]) -> Any:  # noqa: ANN401  Markup, where there is one
    """The validation losses of the systems that are runs, in one figure; None without any."""
    from avsc.report.comparison_figures import learning_curves

    lines = {}
    for system in systems:
        logs = [log.validation_loss for run in _runs(system.path) if (log := learning(run))]
        if logs:
            epochs = min(map(len, logs))
            lines[system.name] = np.mean([log[:epochs] for log in logs], axis=0).tolist()
    return learning_curves("Validation log-loss", lines) if lines else None


def _runs(path: Path) -> list[Path]:
    return (seed_folders(path) or [path]) if path.is_dir() else []


def _report(found: Comparison, system: Compared) -> ReportData:
    """The content of a report without store and pictures."""
    logs: list[Learning] = [log for run in _runs(system.path) if (log := learning(run))]
    lead = (
        f"{found.rows.labels.size:,} {found.unit}s of {found.rows.n_clips:,} clips, scored from "
        f"predictions alone. {'. '.join(found.notes)}."
    )
    own = [entry for entry in tables.entries(found) if entry.system == system.name]
    facts = [("predictions", str(system.path.resolve())), ("read as", "; ".join(system.notes))]
    facts += [("warning", warning) for warning in system.warnings]
    facts.append(("smallest probability", f"{found.clip:.2g}"))
    return ReportData(
        title=system.name,
        lead=lead,
        summary=system.summary,
        feature="",
        paper=None,
        official=is_official_test(found.clips),
        learning=logs[0] if len(logs) == 1 else None,
        worst=_worst(found, system),
        projections=(),
        recipe="",
        facts=tuple(facts),
        environment=tuple(environment.versions().items()),
        entry=own[0] if own else None,
    )


def _worst(found: Comparison, system: Compared) -> tuple[WorstSegment, ...]:
    """The rows with the highest losses, at most one of a clip; without pictures."""
    probabilities, rows = system.probabilities[0], found.rows
    losses = metrics.segment_losses(probabilities, rows.labels, found.clip)
    worst: dict[str, WorstSegment] = {}
    for k in np.argsort(-losses, kind="stable").tolist():
        clip, second = found.keys[k]
        if clip in worst:
            continue
        if len(worst) == MOST_WORST:
            break
        shares, label = probabilities[k], int(rows.labels[k])
        likeliest = [j for j in np.argsort(-shares)[:2].tolist() if j != label]
        worst[clip] = WorstSegment(
            name=clip if second < 0 else f"{clip}_{second}",
            clip_seconds=1,
            second=max(second, 0),
            scene=rows.scenes[label],
            probability=float(shares[label]),
            others=tuple((rows.scenes[j], float(shares[j])) for j in likeliest),
            loss=float(losses[k]),
            jpeg=b"",
            sound=b"",
        )
    return tuple(worst.values())


def _write_metrics(found: Comparison, system: Compared, folder: Path) -> None:
    content = as_json(system.summary) | {
        "unit": found.unit,
        "clip": found.clip,
        "predictions": str(system.path.resolve()),
        "notes": [*found.notes, *system.notes],
        "warnings": list(system.warnings),
        "official_test_fold": is_official_test(found.clips),
        "versions": environment.versions(),
    }
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    files.write_text(folder / results.METRICS, text + "\n")


def _folder_names(systems: Sequence[Compared]) -> list[str]:
    """A folder's name for each system, all different."""
    plain = [re.sub(r"[^\w.+-]+", "-", Path(s.name).with_suffix("").as_posix()) for s in systems]
    plain = [name.strip(".-") or "system" for name in plain]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{k + 1}-{name}" for k, name in enumerate(plain)]
