"""Commands on the predictions of any system."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import STAGE_2, TableForm

Systems = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE ...",
        help="Predictions of any system: a table with a header, separated by tabs or commas, a row "
        "a clip or a segment, a column of ids (filename, aid, filename_audio, ...) and one of "
        "probabilities for each scene. An evaluated run or a folder of seeds is a system too.",
        show_default=False,
    ),
]
LabelsPlace = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="PATH",
        help="The true scenes: a meta.csv, a fold's CSV, a data set's folder or a store. Not "
        "needed where ids are like TAU's, airport-lyon-1095-40158.",
    ),
]
Per = Annotated[
    Literal["clip"] | None,
    typer.Option(help="clip: average the segments of each clip first, and score clips."),
]
Clip = Annotated[
    float | None,
    typer.Option(
        "--clip",
        metavar="P",
        help="Smallest probability of the log-loss. By default 2.2e-16, as scikit-learn takes it "
        "for float64 since 1.5; before, it took 1e-15.",
        show_default=False,
    ),
]
Leaderboard = Annotated[
    bool, typer.Option("--leaderboard", help="Place the result among those published.")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write metrics.json and report.html of each system here."),
]


@app.command(rich_help_panel=STAGE_2)
def score(
    systems: Systems,
    *,
    labels: LabelsPlace = None,
    per: Per = None,
    clip: Clip = None,
    leaderboard: Leaderboard = False,
    out: Out = None,
    form: TableForm = "table",
) -> None:
    r"""Score predictions of any system: they and labels are all it needs.

    Log-loss and accuracy are means of the class-wise values, with 95 % intervals by resampling
    locations. What was recognised and assumed of each file is said. Several systems are compared
    with the first one. The file that `avsc evaluate` writes is tab-separated, as the challenge
    wants it: pandas.read_csv("predictions.csv", sep="\t") reads it.

    avsc score prediction.csv --leaderboard

    avsc score a.csv b.csv --labels meta.csv --format latex
    """
    from avsc.console import say
    from avsc.evaluate.compare import compare
    from avsc.evaluate.labels import read_labels
    from avsc.metrics import SMALLEST_PROBABILITY
    from avsc.report import tables
    from avsc.report.table_formats import print_tables

    if clip is not None and not 0 < clip < 0.5:
        raise typer.BadParameter("--clip: a number above 0 and below 0.5, such as 1e-15")
    found = compare(
        systems,
        None if labels is None else read_labels(labels),
        per_clip=per == "clip",
        clip=SMALLEST_PROBABILITY if clip is None else clip,
    )
    shown = tables.of_comparison(found, form)
    if leaderboard:
        shown.append(tables.leaderboard(found))
    print_tables(shown, form, tables.comparison_notes(found, leaderboard=leaderboard))
    if out is not None:
        from avsc.report.comparison import write_comparison

        say(f"written to {write_comparison(found, out)}")
