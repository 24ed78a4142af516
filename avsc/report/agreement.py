"""What ``agree`` prints, and its page."""

from pathlib import Path

from avsc import files
from avsc.evaluate.agree import Agreed
from avsc.evaluate.agreement import Detection
from avsc.report import formatting
from avsc.report.pages import render
from avsc.report.table_formats import Column, Table

PAGE = "agreement.html"
VADD = {10: 0.7916, 3: 0.9554}  # classes -> F1, as its README has it


def table(found: Agreed) -> Table:
    """A row for seconds and one for clips."""
    share = formatting.per_cent
    return Table(
        "agreement",
        f"swapped sounds found by {found.title} (fold {found.fold}; swapped: {found.source})",
        (
            Column("unit", "unit"),
            Column("n", "n", formatting.count),
            Column("swapped", "swapped", formatting.count),
            Column("f1", "F1 %", share),
            Column("f1_interval", "95 %", formatting.per_cent_bounds),
            Column("precision", "prec. %", share),
            Column("recall", "rec. %", share),
            Column("average_precision", "AP %", share),
        ),
        tuple(_row(unit, one) for unit, one in (("second", found.segments), ("clip", found.clips))),
    )


def notes(found: Agreed) -> list[str]:
    """What a reader must know of the numbers."""
    seconds, clips = found.segments, found.clips
    lines = [
        "agreement: the sum over the scenes of p(scene | sound) p(scene | picture); a clip's is "
        "the mean of its seconds",
        f"swapped: agreement below {seconds.threshold:.4f} (seconds), {clips.threshold:.4f} "
        "(clips), the best F1 on validation clips whose sounds are swapped in the same manner",
        f"F1 of the matching: seconds {formatting.per_cent(seconds.f1_matching)} %, clips "
        f"{formatting.per_cent(clips.f1_matching)} %",
        f"saying of every one that it is swapped: F1 {formatting.per_cent(seconds.f1_always)} % of "
        f"seconds, {formatting.per_cent(clips.f1_always)} % of clips",
    ]
    if (published := VADD.get(found.n_classes)) is not None:
        lines.append(
            f"published: F1 {formatting.per_cent(published)} % at {found.n_classes} classes on the "
            "clips of VADD (Visual-Audio Discrepancy Detection, Apostolidis et al., MAD 2024), "
            "whose lists --swaps and --sounds read"
        )
    return lines


def write_page(found: Agreed) -> Path:
    """Writes ``agreement.html`` beside the other files."""
    from avsc.report.robustness_figures import histogram

    shown = table(found)
    values = {
        "kind": "avsc agree",
        "title": found.title,
        "found": found,
        "histogram": histogram(found.scores, found.swapped, found.segments.threshold),
        "table": (shown.header(), shown.cells()),
        "notes": notes(found),
    }
    files.write_text(found.folder / PAGE, render("agreement.html", values))
    return found.folder / PAGE


def _row(unit: str, one: Detection) -> tuple[object, ...]:
    return (
        *(unit, one.n, one.swapped, one.f1, one.f1_interval),
        *(one.precision, one.recall, one.average_precision),
    )
