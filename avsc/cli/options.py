"""Options that several commands share, each defined once, and the titles of help's panels."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from avsc.errors import AvscError
from avsc.part import Part

# Groups of commands in `avsc --help`.
FIRST_LOOK = "A first look, and data sets"
STAGE_1 = "Stage 1: from clips to a store"
STAGE_2 = "Stage 2: from a store to scores"
TRAINED_RUN = "A trained run at work"
# Groups of options in a command's help.
RECIPE, SCORED, HOW = "What is trained", "What is scored", "How it runs"

Number = TypeVar("Number", int, float)


def _parse_part(text: str) -> Part:
    try:
        return Part.parse(text)
    except AvscError as error:
        raise typer.BadParameter(str(error)) from None


def numbers(option: str, text: str, kind: type[Number], wanted: str) -> list[Number]:
    """Numbers that an option gives as one text, with commas between.

    Args:
        option: Name of the option.
        text: Text of the option.
        kind: Kind of the numbers.
        wanted: What the option takes, for the message of a wrong one.
    """
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text}: {wanted}", param_hint=option) from None


Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run of `avsc train`.")]
# Text, not a path, which would make one slash of an address's two.
Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="Store of `avsc prepare`: a folder, or an address (s3://...)."
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="STORE",
        help="Store of `avsc prepare`: a folder, or an address (s3://...).",
    ),
]
ScoredStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="The store to score on; by default the one each run was trained on.",
        rich_help_panel=SCORED,
    ),
]
ScoredFold = Annotated[
    str,
    typer.Option(
        "--fold",
        help="The fold: test, train, all, or the name of one of several. test is the fold that the "
        "run left out; in a store of the unlabelled evaluation edition it is every clip. "
        "validation: the clips of the training fold that the run held out.",
        rich_help_panel=SCORED,
    ),
]
MovedStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        help="The store the run was trained on, if it was moved since.",
        rich_help_panel=HOW,
    ),
]
Edition = Annotated[
    Literal["development", "evaluation"],
    typer.Option(
        metavar="EDITION", help="development has labels and folds; evaluation has neither."
    ),
]
RecipeSource = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE",
        help="Shipped recipe (`avsc recipe --list` shows them), or a TOML file with one.",
        rich_help_panel=RECIPE,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One key of the recipe, such as train.epochs=20, or epochs=20 where one section "
        "alone has the key; may be repeated. `avsc recipe` explains all keys.",
        rich_help_panel=RECIPE,
    ),
]
EncoderWeights = Annotated[
    str | None,
    typer.Option(
        "--ve-weights",
        metavar="PATH",
        help="Weights of the visual encoder to begin with: a .safetensors or .pth file, "
        "CSAIL's resnet50_places365.pth.tar, a folder of `avsc pretrain`, or a word: "
        "pretrained (download) or random. The same as --set visual.weights=PATH.",
        rich_help_panel=RECIPE,
    ),
]
MovedWeights = Annotated[
    str | None,
    typer.Option(
        "--ve-weights",
        metavar="PATH",
        help="Weights of the visual encoder, if they were moved since the run was trained.",
        rich_help_panel=HOW,
    ),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        help="Let the run import the class that it names as its acoustic encoder "
        "(audio.encoder): that runs the code of its module.",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    str, typer.Option(help="Device to compute on: auto, cpu, cuda or cuda:N.", rich_help_panel=HOW)
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of threads that decode and augment images; one a core by default.",
        rich_help_panel=HOW,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that was stopped, with its own recipe. A run that is not there "
        "yet begins, so a requeued job may always say --resume.",
        rich_help_panel=HOW,
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Train N runs that differ in their seed, into seed-0, seed-1, ... of the folder; "
        "the same command goes on. With views (train.views) they share one bank.",
        rich_help_panel=HOW,
    ),
]
PartOption = Annotated[
    Part | None,
    typer.Option(
        "--part",
        parser=_parse_part,
        metavar="I/N",
        help="Only share I of N of the work, for a job array with I from 1 to N.",
        rich_help_panel=HOW,
    ),
]
Calibrated = Annotated[
    bool,
    typer.Option(
        "--calibrated",
        help="Apply the temperature that `avsc calibrate` keeps in the run.",
        rich_help_panel=HOW,
    ),
]
TableForm = Annotated[
    Literal["table", "markdown", "latex", "csv", "json"],
    typer.Option(
        "--format",
        metavar="FORM",
        help="How results are printed: table (for a terminal), markdown, latex (booktabs), csv or "
        "json (all digits, shares from 0 to 1, unknown numbers empty or null).",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only say what would be done, and how much it is.", rich_help_panel=HOW
    ),
]
