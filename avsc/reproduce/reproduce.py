"""``avsc reproduce``: trains and scores what the targets need, then writes tables and figure."""

from pathlib import Path
from typing import Any

from avsc import files, paper
from avsc.console import say, tell
from avsc.dataset import manifests
from avsc.errors import AvscError
from avsc.evaluate.compare import compare
from avsc.evaluate.embeddings import read_embeddings
from avsc.evaluate.evaluate_seeds import mean_metrics
from avsc.evaluate.results import EVALUATION, read_metrics
from avsc.part import Part
from avsc.report.table_formats import Form, print_tables
from avsc.reproduce import figure2, plan, table
from avsc.reproduce.plan import FIGURE_2, PlannedRun, Request
from avsc.reproduce.runner import Runner
from avsc.reproduce.status import require_seeds, run_folder
from avsc.reproduce.table import Line, Table
from avsc.store.reader import Store
from avsc.store.schema import Status

SMOKE = "SMOKE RUN: tiny random encoders and two epochs; our numbers mean nothing."
PAPERS = (
    "paper: what its authors report for the official test fold; ours: what this package "
    "measured here, on one-second segments (protocol segment)."
)
OFFICIAL = "the official folds of TAU Urban Audio-Visual Scenes 2021"
ANOTHER_DATA_SET = (
    "NOT the official folds (synthetic or other clips): no number of ours here says anything "
    "about the paper's."
)


def reproduce(
    request: Request,
    store: Path | str,
    out: Path,
    *,
    part: Part | None = None,
    device: str = "auto",
    form: Form = "table",
) -> None:
    """Trains and scores the runs that are not complete, then prints and writes each target.

    Args:
        request: Targets and changes to their recipes.
        store: Folder of a complete store.
        out: Folder of the runs and of the results; targets with the same one share their runs.
        part: Share of the runs to train, without results; None for all runs and the results.
        device: Device, as ``avsc train`` takes it.
        form: Format of the tables on stdout.

    Raises:
        AvscError: A run in ``out`` was begun with other settings, or ``out`` has other seeds
            (nothing is done then), or runs failed (the others are complete and the results are
            written).
    """
    _require_one_process()
    require_seeds(request, out)
    runs = request.runs()
    runner = Runner(
        Store.open(store), out, {run.name: run for run in runs}, device, not request.options.smoke
    )
    for run in runs:
        runner.status(run.name)  # refuses other settings before any work
    mine = plan.share(runs, part)
    runner.run_all([run.name for run in mine])
    if part is None:
        for target in request.targets:
            _publish(request, target, runner, form)
    else:
        say(
            f"part {part.index}/{part.count} has no more to do; when all parts are done, the same "
            "command without --part prints the tables"
        )
    _require_no_failure(runner, len(mine))


def official_folds(store: Store) -> bool:
    """Whether a store has the official folds of TAU Urban Audio-Visual Scenes 2021, every clip."""
    names = [fold.name for fold in manifests.fold_facts()]
    return all(
        manifests.is_official(name, (clip.id for clip in store.clips if clip.fold == name))
        for name in names
    )


def _publish(request: Request, target: str, runner: Runner, form: Form) -> None:
    """Prints and writes a target, from the runs that are complete."""
    if target == FIGURE_2:
        _publish_figure(request, runner)
    else:
        require_seeds(request, runner.out)  # another process may have added some
        _publish_table(request, target, runner, form)


def _publish_table(request: Request, target: str, runner: Runner, form: Form) -> None:
    lines = tuple(_line(row, runner) for row in plan.rows_of(target, request.only))
    made = Table(target, lines, tuple(_notes(request, target, runner)), request.options.smoke)
    page = request.path(runner.out, target, "md")
    files.write_text(page, table.markdown(made))
    files.write_text(request.path(runner.out, target, "csv"), table.as_csv(made))
    print_tables(table.shown(made, form), form, (*made.notes, table.STAR))
    say(f"written to {page} and .csv")


def _line(row: paper.Row, runner: Runner) -> Line:
    if row.recipe is None:
        return Line(row, None, "the paper's alone")
    names = [run.name for run in runner.runs.values() if _is_of(run, row.recipe)]
    if any(name in runner.failures for name in names):
        return Line(row, None, "failed")
    found = [runner.status(name) for name in names]
    left = next((one for one in found if one.scores is None), None)
    if left is not None:
        return Line(row, None, left.state)
    if names == [row.recipe]:
        return Line(row, found[0].scores, "measured")
    return Line(row, _mean(run_folder(runner.out, row.recipe), names), "measured")


def _is_of(run: PlannedRun, recipe: str) -> bool:
    return run.name == recipe or run.name.startswith(f"{recipe}/")


def _mean(folder: Path, names: list[str]) -> dict[str, Any]:
    """The mean scores of a row's seeds."""
    first = read_metrics(run_folder(folder.parent.parent, names[0]) / EVALUATION)
    return mean_metrics(compare([folder])) | {"n_segments": first["n_segments"]}


def _notes(request: Request, target: str, runner: Runner) -> list[str]:
    notes = [SMOKE] if request.options.smoke else []
    notes += [PAPERS, _data_note(runner.store)]
    if target == "table5":
        notes.append("Rows without a number of ours are other people's systems.")
    wanted = plan.recipes_of(target, request.only)
    runs = [run for run in runner.runs.values() if any(_is_of(run, name) for name in wanted)]
    visual = [run.recipe.visual for run in runs if run.recipe.train.strategy != "audio"]
    timm = {"pretrained": "pretrained, as timm downloads them"}
    notes += [
        f"visual encoder {model}: weights {timm.get(weights, weights)}"
        for model, weights in {one.model: one.weights for one in visual}.items()
    ]
    banked = {run.name.partition("/")[0]: run.recipe.train.views for run in runs}
    if any(banked.values()):
        made = [name for name, views in banked.items() if views]
        notes.append(
            f"trained from a bank of {request.options.views} views of each image, not from fresh "
            f"ones: {', '.join(made)}"
        )
    if request.options.seeds:
        notes.append(f"ours: mean ± standard deviation over {request.options.seeds} seeds")
    if request.options.settings:
        notes.append(f"all recipes with --set {', '.join(request.options.settings)}")
    names = {name for run in runs for name in (run.name, run.needs)}
    notes += [f"{name} FAILED: {why}" for name, why in runner.failures.items() if name in names]
    return notes


def _data_note(store: Store) -> str:
    bad = int((store.status() == Status.QUARANTINED).sum())
    clips = "1 quarantined clip" if bad == 1 else f"{bad} quarantined clips"
    without = f", {clips} left out" if bad else ""
    return (
        f"data: {store.place}{without}: {OFFICIAL if official_folds(store) else ANOTHER_DATA_SET}"
    )


def _publish_figure(request: Request, runner: Runner) -> None:
    names = plan.recipes_of(FIGURE_2, request.only)
    columns = []
    for wanted in names:  # of several seeds, the first is shown
        name = next(run.name for run in runner.runs.values() if _is_of(run, wanted))
        if name in runner.failures:
            continue
        say(f"figure 2: mapping the embeddings of {name}")
        found = read_embeddings(run_folder(runner.out, name) / EVALUATION)
        clips, scenes = runner.store.clips, runner.store.scenes
        columns.append(figure2.panels(found, name.partition("-")[0], clips, scenes))
    if not columns:
        return
    smoke = " SMOKE RUN: MEANS NOTHING" if request.options.smoke else ""
    segments = len(columns[0][0].labels)
    title = f"t-SNE of {segments:,} segments of the test fold, as in the paper's figure 2.{smoke}"
    foot = (
        f"Below each map: how many of a segment's {figure2.NEIGHBOURS} nearest embeddings from "
        f"other locations are of its scene.\n{_data_note(runner.store)}"
    )
    paths = [request.path(runner.out, FIGURE_2, kind) for kind in ("png", "svg")]
    rows = list(zip(*columns, strict=True))
    figure2.write(paths, rows, title, foot)
    for panel in (panel for row in rows for panel in row):
        tell(f"{panel.title}: {100 * panel.agreement:.1f} % of nearest neighbours agree")
    say(f"written to {' and '.join(map(str, paths))}")


def _require_no_failure(runner: Runner, runs: int) -> None:
    if not runner.failures:
        return
    listed = "".join(f"\n  {name}: {why}" for name, why in runner.failures.items())
    raise AvscError(
        f"{len(runner.failures)} of {runs} runs failed:{listed}",
        "",
        "correct what is named and run the same command again: complete runs are kept",
    )


def _require_one_process() -> None:
    from avsc.train.distributed import world_size

    if world_size() > 1:
        raise AvscError(
            f"avsc reproduce in {world_size()} processes of torchrun",
            "one process; its runs use one GPU each",
            "share the runs among jobs with --part, or train a run on several GPUs with "
            "`torchrun ... -m avsc train STORE --recipe NAME --out "
            "DIR/runs/NAME`, which reproduce then takes as complete",
        )
