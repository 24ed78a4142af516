"""What ``agree`` prints, and its page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from avsc import files
from avsc.evaluate.agreement import Detection
from avsc.evaluate.agreement_files import UNITS, Agreed, Unit
from avsc.report import formatting
from avsc.report.pages import render
from avsc.report.table_formats import Column, Form, Table

PAGE = "agreement.html"
VADD = {10: 0.7916, 3: 0.9554}  # classes -> F1, as its README has it
HEADS = {"f1": "F1", "average_precision": "AP"}
SCORES = tuple(HEADS)
NAMES: dict[Unit, str] = {"segments": "second", "clips": "clip"}


def tables(found: Agreed, form: Form) -> list[Table]:
    """A row for seconds and one for clips; of several seeds their means, and a row for each."""
    share = formatting.per_cent
    for_programs = ("seeds", "f1_std", "average_precision_std") if form in ("csv", "json") else ()
    whole = Table(
        "agreement",
        f"swapped sounds found by {_title(found)} (fold {found.fold}; swapped: {found.source})",
        (
            Column("unit", "unit"),
            Column("n", "n", formatting.count),
            Column("swapped", "swapped", formatting.count),
            Column("f1", "F1 %", share),
            Column("f1_interval", "95 %", formatting.per_cent_bounds),
            Column("precision", "prec. %", share),
            Column("recall", "rec. %", share),
            Column("average_precision", "AP %", share),
            *(Column(key, key) for key in for_programs),
        ),
        tuple(_row(found, unit)[: 8 + len(for_programs)] for unit in UNITS),
    )
    return [whole, _seeds(found, form)] if found.seeds else [whole]


def _row(found: Agreed, unit: Unit) -> tuple[object, ...]:
    one: Detection = getattr(found, unit)
    return (
        *(NAMES[unit], one.n, one.swapped, one.f1, one.f1_interval),
        *(one.precision, one.recall, one.average_precision),
        *(len(found.seeds) or 1, *(found.spread(unit, score)[1] for score in SCORES)),
    )


def _seeds(found: Agreed, form: Form) -> Table:
    """A row for each seed; for a person, also their mean and standard deviation."""
    which = [(unit, score) for unit in UNITS for score in SCORES]
    spreads = [found.spread(unit, score) for unit, score in which]
    names = [one.seed for one in found.seeds]
    rows: list[tuple[object, ...]] = list(zip(names, *(each for each, _ in spreads), strict=True))
    if form not in ("csv", "json"):
        means = [(sum(each) / len(each), deviation) for each, deviation in spreads]
        rows.append(("mean ± std", *means))
    return Table(
        "seeds",
        "over seeds",
        (
            Column("seed", "seed"),
            *(
                Column(f"{unit}_{score}", f"{NAMES[unit]}s: {HEADS[score]} %", _share_or_spread)
                for unit, score in which
            ),
        ),
        tuple(rows),
    )


def notes(found: Agreed) -> list[str]:
    """What a reader must know of the numbers."""
    seconds, clips, of_seeds = found.segments, found.clips, found.seeds or (found,)
    lines = [
        "agreement: the sum over the scenes of p(scene | sound) p(scene | picture); a clip's is "
        "the mean of its seconds",
        f"swapped: agreement below {_thresholds(one.segments for one in of_seeds)} (seconds), "
        f"{_thresholds(one.clips for one in of_seeds)} (clips), the best F1 on validation clips "
        "whose sounds are swapped in the same manner",
        f"F1 of the matching: seconds {formatting.per_cent(seconds.f1_matching)} %, clips "
        f"{formatting.per_cent(clips.f1_matching)} %",
        f"saying of every one that it is swapped: F1 {formatting.per_cent(seconds.f1_always)} % of "
        f"seconds, {formatting.per_cent(clips.f1_always)} % of clips",
    ]
    if found.seeds:
        lines.append(
            "each seed has the same swaps, and a threshold of its own; scores of all are means "
            "over the seeds, with intervals of the mean"
        )
    if (published := VADD.get(found.n_classes)) is not None:
        lines.append(
            f"published: F1 {formatting.per_cent(published)} % at {found.n_classes} classes on the "
            "clips of VADD (Visual-Audio Discrepancy Detection, Apostolidis et al., MAD 2024), "
            "whose lists --swaps and --sounds read"
        )
    return lines


def write_pages(found: Agreed) -> Path:
    """Writes ``agreement.html`` beside the other files, of each seed too; returns the main one."""
    for one in (*found.seeds, found):
        files.write_text(one.folder / PAGE, page(one))
    return found.folder / PAGE


def page(found: Agreed) -> str:
    """The page as HTML."""
    from avsc.report.robustness_figures import histogram

    shown = [(one.header(), one.cells()) for one in tables(found, "table")]
    of_seeds = found.seeds or (found,)
    thresholds = [one.segments.threshold for one in of_seeds if one.segments.threshold is not None]
    values = {
        "kind": "avsc agree",
        "title": _title(found),
        "found": found,
        "deviation": {unit: found.spread(unit, "f1")[1] for unit in UNITS},
        "histogram": histogram(found.scores, found.swapped, thresholds),
        "table": shown[0],
        "seeds": shown[1] if found.seeds else None,
        "notes": notes(found),
    }
    return render("agreement.html", values)


def _title(found: Agreed) -> str:
    return f"{found.title}, {found.seed}" if found.seed else found.title


def _thresholds(found: Iterable[Detection]) -> str:
    return " | ".join(f"{one.threshold:.4f}" for one in found)


def _share_or_spread(value: float | Sequence[float]) -> str:
    """A score of a seed; or the mean and standard deviation of all."""
    if isinstance(value, Sequence):
        return formatting.per_cent_spread(value)
    return formatting.per_cent(value)
