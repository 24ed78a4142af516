"""The command that runs the paper's tables."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avsc.cli.app import app
from avsc.cli.options import HOW, STAGE_2, Device, DryRun, PartOption, Seeds, StoreOption, TableForm

if TYPE_CHECKING:
    from avsc.reproduce.plan import Options

WHICH = "Which runs"


class Target(StrEnum):
    """Tables and figures that can be reproduced."""

    TABLE2 = "table2"
    TABLE3 = "table3"
    TABLE4 = "table4"
    TABLE5 = "table5"
    FIG2 = "fig2"


Targets = Annotated[
    list[Target],
    typer.Argument(
        metavar="TARGET ...",
        show_choices=False,
        help="table2, table3, table4, table5 or fig2; runs that several need are run once.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Folder for everything: DIR/runs/RECIPE for the runs, which all targets share, and "
        "DIR/TARGET.md and .csv (or .png and .svg) for the results.",
    ),
]
Only = Annotated[
    str | None,
    typer.Option(
        metavar="WORD,WORD",
        help="Only the rows whose recipe has all these words, such as scalogram,effnetv2s or "
        "joint,fbank. The result has a name of its own: DIR/table3-joint-fbank.md.",
        rich_help_panel=WHICH,
    ),
]
VeWeights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL=PATH",
        help="Weights of a visual encoder, such as resnet50=/w/places.pth.tar, or "
        "efficientnetv2_rw_s.ra2_in1k=VE for a folder of `avsc pretrain`; may be repeated. By "
        "default, timm downloads its ImageNet weights.",
        rich_help_panel=HOW,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One key of all recipes, such as train.seed=1 (with an --out of its own); may be "
        "repeated.",
        rich_help_panel=HOW,
    ),
]
Views = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Train the rows of raw images from a bank of K augmented views, which all rows of an "
        "encoder share (hours become minutes); the table says so. By default every frame and "
        "epoch has a fresh view, as in the paper.",
        rich_help_panel=HOW,
    ),
]
Smoke = Annotated[
    bool,
    typer.Option(
        help="Shrink every recipe (tiny random encoders, two epochs), to see in minutes on two "
        "cores that everything runs. The numbers mean nothing, and the tables say so.",
        rich_help_panel=HOW,
    ),
]


@app.command(rich_help_panel=STAGE_2)
def reproduce(
    targets: Targets,
    *,
    store: StoreOption,
    out: Out,
    only: Only = None,
    part: PartOption = None,
    ve_weights: VeWeights = None,
    settings: Settings = None,
    views: Views = None,
    seeds: Seeds = None,
    smoke: Smoke = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    form: TableForm = "table",
) -> None:
    """Run the paper's tables and figure 2, and set our numbers beside the paper's.

    Each row has a recipe in pipelines/recipes; its run is trained, scored on the test fold with
    the official protocol, and shown with its 95 % interval and its difference to the paper.

    It can be stopped at any moment; the same command goes on, and uses what is complete. A run
    that fails is named at the end, and the others are done all the same. With --part, a job array
    shares the runs and makes no table (pipelines/slurm/reproduce_array.sbatch); the same command
    without it makes the table. --dry-run lists the runs: state, epochs, what they need.

    avsc reproduce table3 --store STORE --out DIR --dry-run

    avsc reproduce table2 table3 table4 table5 fig2 --store STORE --out DIR
    """
    from avsc.reproduce import dry_run as listing
    from avsc.reproduce import reproduce as work
    from avsc.reproduce.plan import Request

    request = Request(
        targets=tuple(dict.fromkeys(target.value for target in targets)),
        only=tuple(word.strip() for word in only.split(",") if word.strip()) if only else (),
        options=_options(settings or (), ve_weights or (), smoke, views, seeds),
    )
    if dry_run:
        listing.dry_run(request, store, out, part)
    else:
        work.reproduce(request, store, out, part=part, device=device, form=form)


def _options(
    settings: Sequence[str],
    ve_weights: Sequence[str],
    smoke: bool,
    views: int | None,
    seeds: int | None,
) -> "Options":
    from avsc.reproduce.plan import Options

    weights = {}
    for pair in ve_weights:
        model, equals, path = pair.partition("=")
        if not (model and equals and path):
            raise typer.BadParameter(f"--ve-weights {pair}: write MODEL=PATH")
        weights[model] = path
    return Options(tuple(settings), weights, smoke, views, seeds)
