"""The command that makes a store of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import STAGE_1, DryRun, PartOption
from avsc.console import say

Split = Literal["location", "folder", "recording"]

if TYPE_CHECKING:
    from avsc.store.schema import Feature, SplitSettings


def _features(text: str) -> "tuple[Feature, ...]":
    from avsc.store.schema import FEATURES

    asked = [name.strip() for name in text.split(",")]
    chosen = tuple(feature for feature in FEATURES if feature in asked)
    if len(chosen) != len(asked):
        raise typer.BadParameter(f"{text}: a list such as {','.join(FEATURES)}")
    return chosen


def _split(
    test_fraction: float | None, folds: str | None, by: Split | None, seed: int | None
) -> "SplitSettings | None":
    """The split that the options ask for; None for none."""
    from avsc.store.schema import SplitSettings

    if test_fraction is None and folds is None and by is None and seed is None:
        return None
    if test_fraction is not None and folds is not None:
        raise typer.BadParameter("--test-fraction or --folds: one of them")
    count: int | Literal["locations"] | None = None
    if folds == "locations":
        count = "locations"
    elif folds is not None:
        count = int(folds) if folds.isdecimal() else 0
        if count < 2:
            raise typer.BadParameter("--folds: a number from 2, or the word locations")
    share = None if folds is not None else (0.2 if test_fraction is None else test_fraction)
    return SplitSettings(
        by=by or "location",
        test_fraction=share,
        folds=count,
        seed=seed or 0,
    )


WHAT, WHERE, BAD = "What the store holds", "Where the work is done", "Bad clips"
SPLIT = "Training and test fold"

Features = Annotated[
    str, typer.Option(help="Audio features, separated by commas.", rich_help_panel=WHAT)
]
ShortSide = Annotated[
    int,
    typer.Option(
        min=16,
        max=4320,
        help="Pictures are scaled down to this many pixels on their short side, never up. "
        "360 leaves room to crop 288 and 224 pixels.",
        rich_help_panel=WHAT,
    ),
]
JpegQuality = Annotated[int, typer.Option(min=1, max=100, help="1 to 100.", rich_help_panel=WHAT)]
VideoBackend = Annotated[
    Literal["pyav", "decord"],
    typer.Option(help="The decoder; both give the same pictures.", rich_help_panel=WHAT),
]
FrameChoice = Annotated[
    Literal["on-screen", "keyframe"],
    typer.Option(
        help="The picture on screen half way through each second, or the nearest keyframe "
        "within 0.5 s: three times faster where there is one every half second; clips "
        "without are refused.",
        rich_help_panel=WHAT,
    ),
]
Mono = Annotated[
    Literal["refuse", "duplicate"] | None,
    typer.Option(
        help="Refuse sound of one channel (in TAU's layout), or use it for left and right.",
        show_default="refuse in TAU's layout, else duplicate",
        rich_help_panel=WHAT,
    ),
]
ClipSeconds = Annotated[
    int,
    typer.Option(
        min=1,
        max=3600,
        help="Longer recordings are cut into clips of so many seconds. In TAU's layout clips have "
        "ten.",
        rich_help_panel=WHAT,
    ),
]
TestFraction = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.9,
        help="Share of every scene's clips for the test fold, whole locations only; 0: none.",
        show_default="0.2 where the data set has no folds",
        rich_help_panel=SPLIT,
    ),
]
FoldsOption = Annotated[
    str | None,
    typer.Option(
        "--folds",
        metavar="K",
        help="Deal clips out to K folds for cross-validation instead; `locations` leaves out one "
        "location each. Train with `avsc train --fold 1` to K.",
        rich_help_panel=SPLIT,
    ),
]
SplitBy = Annotated[
    Split | None,
    typer.Option(
        metavar="WHAT",
        help="What stays together: a location (the table's column, or the folder below a scene's),"
        " the folder of the video, or the recording.",
        show_default="location",
        rich_help_panel=SPLIT,
    ),
]
SplitSeed = Annotated[
    int | None,
    typer.Option(min=0, help="Random seed of the split.", rich_help_panel=SPLIT, show_default="0"),
]
PartitionClips = Annotated[
    int,
    typer.Option(
        min=1,
        max=4096,
        help="Number of clips in a partition: what is written at once, and the most that is "
        "lost by a kill.",
        rich_help_panel=WHAT,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Number of worker processes on this machine, by default one a core. 0 works in "
        "this process, where a decoder that hangs is not stopped.",
        rich_help_panel=WHERE,
    ),
]
Cluster = Annotated[
    Path | None,
    typer.Option(
        help="Profile of a Dask cluster to work on instead, such as pipelines/clusters/slurm.toml.",
        rich_help_panel=WHERE,
    ),
]
MaxBad = Annotated[
    int,
    typer.Option(
        min=0,
        help="Number of quarantined clips that is accepted; above it the exit code is 1 and "
        "training refuses the store.",
        rich_help_panel=BAD,
    ),
]
RetryBad = Annotated[
    bool,
    typer.Option(
        "--retry-bad",
        help="Try quarantined clips again, after their files were repaired.",
        rich_help_panel=BAD,
    ),
]
ClipTimeout = Annotated[
    float,
    typer.Option(
        min=1,
        help="Time limit of a clip in seconds. Its worker process is ended; the second time "
        "the clip is quarantined.",
        rich_help_panel=BAD,
    ),
]
Finalise = Annotated[
    bool,
    typer.Option(
        "--finalise", help="Only the last step: name what is missing, or mark the store complete."
    ),
]


@app.command(rich_help_panel=STAGE_1)
def prepare(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder of videos for each scene; a table clips.csv with the "
            "columns video and scene; or a folder in TAU's layout (audio/, video/, meta.csv)."
        ),
    ],
    store: Annotated[
        str,
        typer.Argument(
            help="The store to make, or to go on with where it was stopped: a folder, or an "
            "address such as s3://bucket/tau.zarr."
        ),
    ],
    *,
    features: Features = "scalogram,fbank",
    short_side: ShortSide = 360,
    jpeg_quality: JpegQuality = 90,
    video_backend: VideoBackend = "pyav",
    frame_choice: FrameChoice = "on-screen",
    mono: Mono = None,
    clip_seconds: ClipSeconds = 10,
    test_fraction: TestFraction = None,
    folds: FoldsOption = None,
    split_by: SplitBy = None,
    split_seed: SplitSeed = None,
    partition_clips: PartitionClips = 64,
    workers: Workers = None,
    cluster: Cluster = None,
    part: PartOption = None,
    max_bad: MaxBad = 0,
    retry_bad: RetryBad = False,
    clip_timeout: ClipTimeout = 120.0,
    finalise: Finalise = False,
    dry_run: DryRun = False,
) -> None:
    """Turn a data set's clips into a store of audio features and pictures.

    Reads every clip once and writes a Zarr store. It can be stopped at any moment: the same
    command goes on where it was, and ends at once when everything is there.

    The columns of a table: video, scene, and if you like audio (else the video's own track is
    used), id, location, fold (train and test, or a name a fold), start and end in seconds; commas
    or tabs, paths relative to the table.

    **Examples**

    - `avsc prepare rooms/ rooms.zarr` with `rooms/office/*.mp4`, `rooms/kitchen/*.mov`, ...
    - `avsc prepare clips.csv clips.zarr --test-fraction 0.3`
    - `avsc prepare rooms/ rooms.zarr --folds 5`
    """
    from avsc.prepare import dry_run as dry
    from avsc.prepare import run
    from avsc.prepare.profile import read_profile
    from avsc.store.schema import ImageSettings, StoreSettings

    if cluster is not None and (workers is not None or part is not None):
        raise typer.BadParameter("--cluster stands alone: without --workers and --part")
    if finalise and (dry_run or part is not None or cluster is not None or retry_bad):
        raise typer.BadParameter("--finalise stands alone")
    settings = StoreSettings(
        features=_features(features),
        clip_seconds=clip_seconds,
        partition_clips=partition_clips,
        split=_split(test_fraction, folds, split_by, split_seed),
        image=ImageSettings(
            short_side=short_side,
            jpeg_quality=jpeg_quality,
            frame_choice=frame_choice,
            backend=video_backend,
        ),
    )
    if mono is not None:
        settings = settings.model_copy(update={"mono": mono})
    profile = None if cluster is None else read_profile(cluster)
    if finalise:
        say(run.finalise(store, max_bad).text(store))
    elif dry_run:
        plan = dry.describe(
            dataset,
            store,
            settings,
            part=part,
            workers=workers,
            cluster=profile,
            retry_bad=retry_bad,
        )
        print(plan)
    else:
        summary = run.prepare(
            dataset,
            store,
            settings,
            workers=workers,
            cluster=profile,
            part=part,
            max_bad=max_bad,
            retry_bad=retry_bad,
            clip_timeout_s=clip_timeout,
        )
        say(summary.text(store))
