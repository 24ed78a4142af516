"""Commands that score and compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import STAGE_2, Device, MovedWeights, TrustCode
from avsc.console import out as console_out
from avsc.console import say, table

if TYPE_CHECKING:
    from avsc.evaluate.evaluation import Result

RUN, FILE, BOTH = "Scoring a run", "Scoring another system's file", "What is scored"

Runs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RUN ...",
        help="The folder that `avsc train --out` made; or those of all folds of a store, with "
        "--out: their test folds are scored as one.",
        show_default=False,
    ),
]
StorePath = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="The store to score on; by default the one the run was trained on.",
        rich_help_panel=BOTH,
    ),
]
Fold = Annotated[
    str,
    typer.Option(
        help="The fold: test, train, all, or the name of one of several. test is the fold that the "
        "run left out; in a store of the unlabelled evaluation edition it is every clip.",
        rich_help_panel=BOTH,
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
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write DIR/evaluation/ instead of RUN/evaluation/. With --predictions, nothing is "
        "written without it.",
    ),
]
Report = Annotated[bool, typer.Option(help="Write report.html too, one page that opens offline.")]


@app.command(rich_help_panel=STAGE_2)
def evaluate(
    runs: Runs = None,
    *,
    predictions: PredictionsFile = None,
    store: StorePath = None,
    fold: Fold = "test",
    protocol: Protocol = "segment",
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
    out: Out = None,
    report: Report = True,
) -> None:
    """Score a run over one-second segments: log-loss, accuracy, and its errors.

    Writes metrics.json, predictions.csv and report.html into RUN/evaluation/; other folds and
    protocols get a folder of their own in it, such as RUN/evaluation/test-context/. Scores are
    means of the class-wise values, as in the paper, with 95 % intervals by resampling locations.

    Cross-validation: avsc evaluate runs/fold1 runs/fold2 runs/fold3 --out runs/all

    Another system's predictions are scored in the same way:
    avsc evaluate --predictions FILE --store STORE --out DIR
    """
    from avsc.evaluate import evaluation

    if (not runs) == (predictions is None):
        raise typer.BadParameter("name a RUN, or a file with --predictions")
    if runs and len(runs) > 1:
        from avsc.evaluate.cross_validation import evaluate_folds

        if out is None or fold != "test" or ve_weights is not None:
            raise typer.BadParameter("several runs are scored as one: give --out, without --fold")
        result = evaluate_folds(
            runs,
            out,
            store=store,
            protocol=protocol,
            device=device,
            with_report=report,
            trust_code=trust_code,
        )
    elif runs:
        result = evaluation.evaluate(
            runs[0],
            store=store,
            fold=fold,
            protocol=protocol,
            device=device,
            ve_weights=ve_weights,
            out=out,
            with_report=report,
            trust_code=trust_code,
        )
    else:
        assert predictions is not None
        if store is None:
            raise typer.BadParameter("--predictions needs --store, whose fold it is scored on")
        result = evaluation.evaluate_file(
            predictions, store, fold=fold, out=out, with_report=report
        )
    _show(result)


@app.command(rich_help_panel=STAGE_2)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN ...",
            help="Two or more evaluated runs (or evaluation folders, or predictions files); the "
            "first is what the others are compared with.",
        ),
    ],
) -> None:
    """Set systems side by side, with paired intervals of their differences.

    All must be scored on the same segments. The differences are those to the first system, on the
    same resampled locations; a star marks an interval that excludes 0.

    avsc compare runs/audio runs/video runs/joint
    """
    from avsc.evaluate.compare import compare as compare_systems
    from avsc.report import tables

    if len(runs) < 2:
        raise typer.BadParameter("two systems at least")
    systems = compare_systems(runs)
    table(f"{systems[0].scores.n_segments:,} segments", *tables.systems(systems))
    table(f"differences to {systems[0].name}", *tables.differences(systems))


def _show(result: "Result") -> None:
    from avsc.report import tables

    if result.summary is not None:
        segments = result.segments
        title = f"fold {segments.fold}, {len(segments.names):,} segments"
        table(title, *tables.scores(result.summary))
        console_out.print(tables.scores_footer(result.summary), markup=False)
    if result.folder is not None:
        say(f"written to {result.folder}")
