"""Commands on the predictions of any system."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import (
    STAGE_2,
    Device,
    MovedStore,
    MovedWeights,
    Run,
    TableForm,
    TrustCode,
    numbers,
)

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
Members = Annotated[
    list[Path],
    typer.Argument(
        metavar="SYSTEM SYSTEM ...",
        help="Two or more evaluated runs, folders of seeds (the mean of their seeds), or files of "
        "predictions, of the same segments.",
        show_default=False,
    ),
]
EnsembleOut = Annotated[
    Path, typer.Option(metavar="FILE", help="Predictions file to write, such as ensemble.csv.")
]
Weights = Annotated[
    str,
    typer.Option(
        metavar="equal|fit|W,W,...",
        help="equal; fit: those with the least log-loss on validation predictions; or one number "
        "for each system.",
    ),
]
Validation = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="With --weights fit: each system's predictions of validation clips, in the order of "
        "the systems; may be repeated. By default those of `avsc evaluate RUN --fold validation`.",
    ),
]
Mean = Annotated[
    Literal["arithmetic", "geometric"],
    typer.Option(help="Mean of the probabilities; the geometric one is normalised again."),
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
        shown.append(tables.leaderboard(found, form))
    print_tables(shown, form, tables.comparison_notes(found, leaderboard=leaderboard))
    if out is not None:
        from avsc.report.comparison import write_comparison

        say(f"written to {write_comparison(found, out)}")


@app.command(rich_help_panel=STAGE_2)
def ensemble(
    systems: Members,
    *,
    out: EnsembleOut,
    mean: Mean = "arithmetic",
    weights: Weights = "equal",
    validation: Validation = None,
) -> None:
    """Average the probabilities of several systems into a predictions file like any other.

    Weights are never fitted on the clips that the ensemble is of: `--weights fit` takes the clips
    that every system held out of its training.

    avsc evaluate runs/audio --fold validation && avsc evaluate runs/video --fold validation

    avsc ensemble runs/audio runs/video --weights fit --out ensemble.csv && avsc score ensemble.csv
    """
    from avsc.console import say
    from avsc.evaluate.ensemble import ensemble as mix

    if len(systems) < 2:
        raise typer.BadParameter("two systems at least")
    if validation and weights != "fit":
        raise typer.BadParameter("--validation is for --weights fit")
    used = mix(systems, out, mean=mean, weights=_weights(weights), validation=validation or ())
    for path, weight in zip(systems, used, strict=True):
        print(f"{weight:.4f}  {path}")
    say(f"written to {out}; score it with: avsc score {out}")


@app.command(rich_help_panel=STAGE_2)
def calibrate(
    run: Run,
    *,
    store: MovedStore = None,
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
) -> None:
    """Fit one temperature for a run's probabilities on its validation clips, and keep it there.

    The run's logits are divided by it, which makes over-confident probabilities milder. `evaluate`,
    `robustness`, `predict` and `export` apply it with --calibrated. A folder of seeds is calibrated
    seed by seed.

    avsc calibrate runs/joint && avsc evaluate runs/joint --calibrated
    """
    from avsc.console import say
    from avsc.evaluate.calibrate import calibrate as fit
    from avsc.evaluate.seeds import seed_folders
    from avsc.report import tables
    from avsc.report.table_formats import print_tables

    for one in seed_folders(run) or [run]:
        fitted = fit(one, store=store, device=device, ve_weights=ve_weights, trust_code=trust_code)
        print_tables([tables.temperature(fitted, str(one))], "table")
        say(f"kept in {one}")
        say(f"next: avsc evaluate {shlex.quote(str(one))} --calibrated")


def _weights(text: str) -> "list[float] | Literal['equal', 'fit']":
    if text == "equal":
        return "equal"
    if text == "fit":
        return "fit"
    wanted = "equal, fit, or numbers such as 0.5,0.3,0.2"
    return numbers("--weights", text, float, wanted)
