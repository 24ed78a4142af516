"""Commands on missing, late and swapped sounds and pictures."""

import shlex
from pathlib import Path
from typing import Annotated

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
    numbers,
)
from avsc.console import say

DISTURBED, SWAPPED = "How they are disturbed", "How sounds are swapped"

Systems = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN ...",
        help="Folders of runs of any strategy, with or without learnt stand-ins. A folder of seeds "
        "(RUN/seed-0, ...) is one system: the mean over its seeds.",
        show_default=False,
    ),
]
EarAndEye = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN [RUN]",
        help="Folder of a run with train.drop_audio and train.drop_image; or those of two runs, "
        "one on sound and one on pictures. Of folders of seeds (RUN/seed-0, ...), two are paired "
        "by the number of the seed.",
        show_default=False,
    ),
]
Missing = Annotated[
    str,
    typer.Option(
        metavar="SHARE,...",
        help="Shares of the seconds without sound, and then without picture.",
        rich_help_panel=DISTURBED,
    ),
]
Offsets = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS,...",
        help="Distances from each second's sound to its picture, within the clip; negative for "
        "earlier pictures (--offsets=-2,-1,1,2). By default 1,2,4,8, as far as clips are longer.",
        show_default=False,
        rich_help_panel=DISTURBED,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of which seconds and clips are disturbed, and how.")
]
RobustnessOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write robustness.html here, the figure (svg, png) and the table (csv, md, json).",
    ),
]
AgreementOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write here instead of RUN/agreement/; each seed into DIR/seed-N/. Two runs need it.",
    ),
]
Share = Annotated[
    float,
    typer.Option(help="Share of the clips whose sounds are swapped.", rich_help_panel=SWAPPED),
]
SwapsFile = Annotated[
    Path | None,
    typer.Option(
        "--swaps",
        metavar="FILE",
        help="The clips with another sound: on each line a clip and the clip whose sound it has "
        "(tab or comma between), or a clip alone or with its class, as in VADD's "
        "vadd_10_manipulated.txt; then the sound is drawn. All others are as recorded.",
        rich_help_panel=SWAPPED,
    ),
]
SoundsFile = Annotated[
    Path | None,
    typer.Option(
        "--sounds",
        metavar="FILE",
        help="With --swaps: the clips whose sounds are drawn, such as VADD's vadd_10_swaps.txt; by "
        "default all of the fold.",
        rich_help_panel=SWAPPED,
    ),
]


@app.command(rich_help_panel=STAGE_2)
def robustness(
    runs: Systems,
    *,
    store: ScoredStore = None,
    fold: ScoredFold = "test",
    missing: Missing = "0.25,0.5,0.75,1",
    offsets: Offsets = None,
    seed: Seed = 0,
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
    calibrated: Calibrated = False,
    out: RobustnessOut = None,
    form: TableForm = "table",
) -> None:
    """Score systems with sounds or pictures missing, out of step, or swapped between scenes.

    Each run is encoded once; every system lacks the same seconds. Where something is missing, a run
    with train.drop_audio and train.drop_image uses what it learnt for that; another one is given
    the mean embedding of its validation clips; a run of one modality that lacks it answers with
    equal probabilities. With swapped sounds, first the scene of the picture counts, then the
    sound's. --calibrated applies each run's temperature to all of it.

    avsc robustness runs/robust runs/joint runs/pipeline runs/audio runs/video --out robustness
    """
    from avsc.evaluate.robustness import robustness as measure
    from avsc.report import robustness as report
    from avsc.report.table_formats import print_tables

    shares = numbers("--missing", missing, float, "numbers such as 0.25,0.5,1")
    if not all(0 < share <= 1 for share in shares):
        raise typer.BadParameter(f"--missing {missing}: shares above 0 and up to 1")
    wanted = "whole numbers such as 1,2,4"
    found = measure(
        runs,
        store=store,
        fold=fold,
        shares=shares,
        offsets_s=None if offsets is None else numbers("--offsets", offsets, int, wanted),
        seed=seed,
        device=device,
        ve_weights=ve_weights,
        trust_code=trust_code,
        calibrated=calibrated,
    )
    print_tables([report.table(found, form)], form, report.notes(found))
    if out is not None:
        say(f"written to {report.write(found, out)}")
    robust = [one.path for one in found.systems if one.robust]
    if robust:
        say(f"next: avsc agree {shlex.quote(str(robust[0]))}")
    elif out is None:
        again = shlex.join(["avsc", "robustness", *map(str, runs), "--out", "robustness"])
        say(f"next: {again}")


@app.command(rich_help_panel=STAGE_2)
def agree(
    runs: EarAndEye,
    *,
    store: ScoredStore = None,
    fold: ScoredFold = "test",
    share: Share = 0.5,
    seed: Seed = 0,
    swaps: SwapsFile = None,
    sounds: SoundsFile = None,
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
    out: AgreementOut = None,
    form: TableForm = "table",
) -> None:
    """Find the seconds whose sound and picture do not tell the same scene.

    The sounds of some clips are swapped between scenes, and the run's answers by sound alone and by
    picture alone are compared. Their agreement is the sum over the scenes of p(scene | sound)
    p(scene | picture); below a threshold, which is chosen on validation clips that are swapped in
    the same manner, a second counts as swapped. Writes agreement.csv (a row a second),
    metrics.json and agreement.html. A folder of seeds is scored seed by seed, with the same swaps,
    and shown as mean and standard deviation; each seed has its own files and threshold.

    avsc agree runs/robust

    avsc agree runs/audio runs/video --out agreement

    avsc agree runs/robust --swaps vadd_10_manipulated.txt --sounds vadd_10_swaps.txt
    """
    from avsc.evaluate.agree import Swapping
    from avsc.evaluate.agree import agree as measure
    from avsc.report import agreement as report
    from avsc.report.table_formats import print_tables

    if len(runs) > 2 or (len(runs) == 2 and out is None):
        raise typer.BadParameter("name one run, or two with --out DIR")
    if not 0 < share < 1:
        raise typer.BadParameter(f"--share {share}: a number above 0 and below 1")
    if sounds is not None and swaps is None:
        raise typer.BadParameter("--sounds is for --swaps FILE")
    found = measure(
        runs,
        out=out,
        store=store,
        fold=fold,
        swapping=Swapping(share, seed, swaps, sounds),
        device=device,
        ve_weights=ve_weights,
        trust_code=trust_code,
    )
    page = report.write_pages(found)
    print_tables(report.tables(found, form), form, report.notes(found))
    say(f"written to {found.folder}: open {page.name} there")
    say(f"next: {shlex.join(['avsc', 'robustness', *map(str, runs)])}")
