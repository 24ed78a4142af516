"""``avsc reproduce --dry-run``: which runs are complete, what the others need, time an epoch."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from avsc.console import duration, say
from avsc.console import out as console_out
from avsc.console import table as print_table
from avsc.part import Part
from avsc.reproduce import plan
from avsc.reproduce.plan import PlannedRun, Request
from avsc.reproduce.status import RunStatus, run_folder, status
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
        AvscError: A run in ``out`` was begun with other settings.
    """
    opened = Store.open(store)
    runs = request.runs()
    found = {run.name: status(run, out, opened) for run in runs}
    mine = plan.share(runs, part)
    left = [run for run in mine if found[run.name].state != "complete"]
    say(f"{opened.place}: {len(mine)} runs, {len(mine) - len(left)} of them complete")
    header = ["run", "state", "epochs", "time an epoch"]
    print_table("runs", header, [_row(run.name, found[run.name], out) for run in mine])
    for line in [*_missing_audio_runs(left, found), *_weights(left)]:
        console_out.print(line, markup=False)


def _row(name: str, found: RunStatus, out: Path) -> list[str]:
    seconds = [row["seconds"] for row in read_log(run_folder(out, name)) if "seconds" in row]
    epochs = f"{found.epochs} of at most {found.recipe.train.epochs}"
    return [name, found.state, epochs, duration(median(seconds)) if seconds else ""]


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
