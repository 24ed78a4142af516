"""``avsc reproduce --dry-run``: which runs are complete, what the others need, time an epoch."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from avsc.console import duration, say, tell
from avsc.console import table as print_table
from avsc.folds import TRAIN, train_and_test
from avsc.part import Part
from avsc.reproduce import plan
from avsc.reproduce.plan import PlannedRun, Request
from avsc.reproduce.status import RunStatus, require_seeds, run_folder, status
from avsc.store.reader import Store
from avsc.train.log import read_log


def dry_run(request: Request, store: Path | str, out: Path, part: Part | None = None) -> None:
    """Prints the runs behind the targets, and starts nothing.

    Args:
        request: Targets and changes to their recipes.
        store: Folder of a complete store.
        out: Folder of the runs.
        part: Share of the runs to print; None for all of them.

    Raises:
        AvscError: A run in ``out`` was begun with other settings, or it has other seeds.
    """
    require_seeds(request, out)
    opened = Store.open(store)
    runs = request.runs()
    found = {run.name: status(run, out, opened) for run in runs}
    mine = plan.share(runs, part)
    left = [run for run in mine if found[run.name].state != "complete"]
    say(f"{opened.place}: {len(mine)} runs, {len(mine) - len(left)} of them complete")
    header = ["run", "state", "epochs", "time an epoch"]
    print_table("runs", header, [_row(run.name, found[run.name], out) for run in mine])
    for line in [*_missing_audio_runs(left, found), *_weights(left), *_forwards(left, opened)]:
        tell(line)


def _row(name: str, found: RunStatus, out: Path) -> list[str]:
    seconds = [row["seconds"] for row in read_log(run_folder(out, name)) if "seconds" in row]
    epochs = f"{found.epochs} of at most {found.recipe.train.epochs}"
    return [name, found.state, epochs, duration(median(seconds)) if seconds else ""]


def _forwards(left: Sequence[PlannedRun], store: Store) -> list[str]:
    """How often the visual encoders run: with fresh views, and from banks."""
    clips = train_and_test(store.clips, None)
    rows = np.flatnonzero([clip.fold == TRAIN for clip in clips])
    samples, images = int(store.frames(rows).sum()), int(store.seconds(rows).sum())
    raw = [run.recipe for run in left if _encodes(run)]
    fresh = sum(samples * run.train.epochs for run in raw)
    banks = {
        (run.visual.model, run.visual.weights, run.visual.image_size, run.train.views): images
        * run.train.views
        for run in raw
        if run.train.views is not None
    }
    if not raw:
        return []
    line = f"forwards of visual encoders with fresh views: at most {fresh:,}"
    if banks:
        return [f"{line}; from {len(banks)} banks of views: {sum(banks.values()):,}, once"]
    bank = f"a bank of 16 views takes {16 * images:,} for each encoder, once (--views 16)"
    return [f"{line}; {bank}"]


def _encodes(run: PlannedRun) -> bool:
    train = run.recipe.train
    return train.strategy != "audio" and train.image_source() == "raw"


def _missing_audio_runs(left: Sequence[PlannedRun], found: dict[str, RunStatus]) -> list[str]:
    names = sorted({run.needs for run in left if run.needs})
    return [
        f"{name} comes before {', '.join(run.name for run in left if run.needs == name)}"
        for name in names
        if not found[name].trained
    ]


def _weights(left: Sequence[PlannedRun]) -> list[str]:
    """Where the visual encoders of the runs come from."""
    visual = [run.recipe.visual for run in left if run.recipe.train.strategy != "audio"]
    sources = sorted({(one.model, one.weights) for one in visual})
    timm = {"pretrained": "timm downloads them, unless --ve-weights names others"}
    return [f"weights of {model}: {timm.get(weights, weights)}" for model, weights in sources]
