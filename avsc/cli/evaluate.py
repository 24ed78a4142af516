"""Commands that score and compare."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import (
    STAGE_2,
    Calibrated,
    Device,
    MovedWeights,
    ScoredFold,
    ScoredStore,
    TableForm,
    TrustCode,
)
from avsc.console import say

if TYPE_CHECKING:
    from avsc.evaluate.evaluate_seeds import SeedsResult
    from avsc.evaluate.evaluation import Result

RUN, FILE = "Scoring a run", "Scoring another system's file"

Runs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RUN ...",
        help="The folder that `avsc train --out` made; or those of all folds of a store, with "
        "--out: their test folds are scored as one.",
        show_default=False,
    ),
]
Protocol = Annotated[
    Literal["segment", "context"],
    typer.Option(
        help="segment: each second is cut out first and no sound outside it is used; the official "
        "protocol. context: frames of the whole clip, each assigned to the second that holds its "
        "centre.",
        rich_help_panel=RUN,
    ),
]
PredictionsFile = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="FILE",
        help="Score this file instead of a run: tab-separated, with the columns filename "
        "(CLIP-ID_SECOND), scene_label and one for each scene's probability.",
        rich_help_panel=FILE,
    ),
]
Without = Annotated[
    Literal["audio", "image"] | None,
    typer.Option(
        help="Score without this modality, for which the learnt embedding of a run with "
        "train.drop_audio or train.drop_image stands in.",
        rich_help_panel=RUN,
    ),
]
Offset = Annotated[
    int,
    typer.Option(
        metavar="SECONDS",
        help="Give each second's sound the picture of so many seconds later (or earlier).",
        rich_help_panel=RUN,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write DIR/evaluation/ instead of RUN/evaluation/. With --predictions, nothing is "
        "written without it.",
    ),
]
ComparisonOut = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write DIR/comparison.html: curves, scenes, confusion."),
]
Report = Annotated[bool, typer.Option(help="Write report.html too, one page that opens offline.")]


@app.command(rich_help_panel=STAGE_2)
def evaluate(
    runs: Runs = None,
    *,
    predictions: PredictionsFile = None,
    store: ScoredStore = None,
    fold: ScoredFold = "test",
    protocol: Protocol = "segment",
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
    out: Out = None,
    report: Report = True,
    calibrated: Calibrated = False,
    without: Without = None,
    offset: Offset = 0,
) -> None:
    r"""Score a run over one-second segments: log-loss, accuracy, and its errors.

    Writes metrics.json, predictions.csv and report.html into RUN/evaluation/; other stores, folds
    and protocols get a folder of their own in it, such as RUN/evaluation/test-context/. Scores are
    means of the class-wise values, as in the paper, with 95 % intervals by resampling locations.
    predictions.csv is tab-separated, as the DCASE challenge wants it:
    pandas.read_csv("predictions.csv", sep="\t") reads it. A folder of seeds (RUN/seed-0, ...) is
    scored seed by seed, and shown as mean and standard deviation.

    Cross-validation: avsc evaluate runs/fold1 runs/fold2 runs/fold3 --out runs/all

    Another system's predictions are scored in the same way, with pictures of the worst segments;
    without a store, `avsc score FILE` does it:
    avsc evaluate --predictions FILE --store STORE --out DIR
    """
    from avsc.evaluate import evaluation
    from avsc.evaluate.seeds import seed_folders

    if (not runs) == (predictions is None):
        raise typer.BadParameter("name a RUN, or a file with --predictions")
    if (without or offset) and (not runs or len(runs) > 1 or seed_folders(runs[0])):
        raise typer.BadParameter("--without and --offset are for one RUN")
    how: dict[str, Any] = {"store": store, "protocol": protocol, "device": device}
    how |= {"with_report": report, "trust_code": trust_code}
    if not runs:
        assert predictions is not None
        if calibrated:
            raise typer.BadParameter("--calibrated is for a RUN: a file has no logits")
        if store is None:
            raise typer.BadParameter("--predictions needs --store, whose fold it is scored on")
        result = evaluation.evaluate_file(predictions, store, fold, out, report)
    elif len(runs) > 1:
        from avsc.evaluate.cross_validation import evaluate_folds

        if out is None or fold != "test" or ve_weights is not None or calibrated:
            raise typer.BadParameter(
                "several runs are scored as one: give --out, without --fold and --calibrated"
            )
        result = evaluate_folds(runs, out, **how)
    else:
        how |= {"fold": fold, "ve_weights": ve_weights, "out": out, "calibrated": calibrated}
        if seed_folders(runs[0]):
            from avsc.evaluate.evaluate_seeds import evaluate_seeds

            _show_seeds(evaluate_seeds(runs[0], **how))
            return
        result = evaluation.evaluate(runs[0], **how, without=without, offset_s=offset)
    _show(result)


@app.command(rich_help_panel=STAGE_2)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN ...",
            help="Two or more evaluated runs (or evaluation folders, or predictions files); the "
            "first is what the others are compared with. A folder of seeds (RUN/seed-0, ...) is "
            "one system: the mean over its seeds.",
        ),
    ],
    *,
    out: ComparisonOut = None,
    form: TableForm = "table",
) -> None:
    """Set systems side by side, with paired intervals of their differences.

    All must be scored on the same segments. The differences are those to the first system, on the
    same resampled locations; a star marks an interval that excludes 0.

    avsc compare runs/audio runs/video runs/joint
    """
    from avsc.evaluate.compare import compare as compare_systems
    from avsc.report import tables
    from avsc.report.table_formats import print_tables

    if len(runs) < 2:
        raise typer.BadParameter("two systems at least")
    found = compare_systems(runs)
    print_tables(tables.of_comparison(found, form), form, tables.comparison_notes(found))
    if out is not None:
        from avsc.report.comparison import write_comparison

        say(f"written to {write_comparison(found, out)}")


def _show_seeds(result: "SeedsResult") -> None:
    from avsc.report import tables
    from avsc.report.table_formats import print_tables

    if result.found is not None:
        shown = tables.of_comparison(result.found, "table")
        print_tables(shown, "table", tables.comparison_notes(result.found))
    say(f"written to {result.folder}, and into each seed's own folder")
    say(f"next: avsc compare {shlex.quote(str(result.folder))} RUN")


def _show(result: "Result") -> None:
    from avsc.report import tables
    from avsc.report.table_formats import print_tables

    if result.summary is not None:
        segments = result.segments
        title = f"fold {segments.fold}, {len(segments.names):,} segments"
        footer = tables.scores_footer(result.summary)
        print_tables([tables.scores(result.summary, title)], "table", [footer])
    if result.folder is not None:
        page = ": open report.html there" if (result.folder / "report.html").is_file() else ""
        say(f"written to {result.folder}{page}")
        say(f"next: avsc compare {shlex.quote(str(result.folder))} RUN")
