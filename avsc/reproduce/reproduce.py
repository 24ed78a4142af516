"""``avsc reproduce``: runs what the paper's tables and figure 2 need, and makes them."""

from dataclasses import dataclass, field
from pathlib import Path

from avsc import files, paper
from avsc.console import out as console_out
from avsc.console import say
from avsc.console import table as print_table
from avsc.dataset import manifests
from avsc.errors import AvscError
from avsc.evaluate.embeddings import read_embeddings
from avsc.evaluate.results import EVALUATION
from avsc.part import Part
from avsc.reproduce import figure2, plan, table
from avsc.reproduce.plan import FIGURE_2, Options, PlannedRun
from avsc.reproduce.status import run_folder
from avsc.reproduce.table import Line, Table
from avsc.reproduce.work import Work
from avsc.store.read import Store
from avsc.store.schema import Status

SMOKE = "SMOKE RUN: tiny random encoders and two epochs; our numbers mean nothing."
PAPERS = (
    "paper: what its authors report for the official test fold; ours: what this package "
    "measured here, on one-second segments (protocol segment)."
)
ANOTHER_DATA_SET = (
    "NOT the official folds (synthetic or other clips): no number of ours here says anything "
    "about the paper's."
)


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced.

    Attributes:
        targets: Of ``plan.TARGETS``.
        only: Words that a row's recipe must have.
        options: What is changed in all recipes.
    """

    targets: tuple[str, ...]
    only: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)

    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs behind all targets, each once, in order."""
        names = [name for target in self.targets for name in plan.recipes_of(target, self.only)]
        return plan.plan_runs(names, self.options)

    def file(self, out: Path, target: str, ending: str) -> Path:
        """Where a target is written; what is not the whole has a name of its own."""
        return out / f"{'-'.join((target, *self.only))}.{ending}"


def reproduce(
    asked: Asked, store: Path, out: Path, *, part: Part | None = None, device: str = "auto"
) -> None:
    """Trains and scores what is not complete, then prints and writes each target.

    Args:
        asked: The targets and how their recipes are changed.
        store: A complete store.
        out: The folder of the runs and of what is written; targets with the same one share runs.
        part: Only this job's share of the runs, and no table.
        device: As ``avsc train`` takes it.

    Raises:
        AvscError: A run there was begun with something else (nothing is done then), or runs
            failed (the others are complete and the tables are written).
    """
    _require_one_process()
    runs = asked.runs()
    opened = Store.open(store)
    work = Work(opened, out, {run.name: run for run in runs}, device, not asked.options.smoke)
    for run in runs:
        work.standing(run.name)  # refuses what does not fit before any work
    mine = plan.share(runs, part)
    work.do([run.name for run in mine])
    if part is None:
        for target in asked.targets:
            publish(asked, target, work)
    else:
        say(
            f"part {part.index}/{part.count} has no more to do; when all parts are done, the same "
            "command without --part prints the tables"
        )
    _report(work, len(mine))


def publish(asked: Asked, target: str, work: Work) -> None:
    """Prints and writes a table, or draws the figure, of the runs that are complete."""
    if target == FIGURE_2:
        _publish_figure(asked, work)
        return
    lines = tuple(_line(row, work) for row in plan.rows_of(target, asked.only))
    made = Table(target, lines, tuple(_notes(asked, target, work)), asked.options.smoke)
    files.write_text(asked.file(work.out, target, "md"), table.markdown(made))
    files.write_text(asked.file(work.out, target, "csv"), table.as_csv(made))
    for metric in table.METRICS:
        print_table(made.title(metric), *table.for_terminal(made, metric))
    for note in (*made.notes, table.STAR.removeprefix("\\")):
        console_out.print(note, markup=False)
    say(f"written to {asked.file(work.out, target, 'md')} and .csv")


def official_folds(store: Store) -> bool:
    """Whether a store has the official folds of TAU Urban Audio-Visual Scenes 2021, every clip."""
    names = [fact.name for fact in manifests.fold_facts()]
    return all(
        manifests.is_official(name, (clip.id for clip in store.clips if clip.fold == name))
        for name in names
    )


def _line(row: paper.Row, work: Work) -> Line:
    if row.recipe is None:
        return Line(row, None, "the paper's alone")
    if row.recipe in work.failures:
        return Line(row, None, "failed")
    found = work.standing(row.recipe)
    return Line(row, found.scores, "measured" if found.scores else found.state)


def _notes(asked: Asked, target: str, work: Work) -> list[str]:
    notes = [SMOKE] if asked.options.smoke else []
    notes += [PAPERS, _data_note(work.store)]
    if target == "table5":
        notes.append("Rows without a number of ours are other people's systems.")
    runs = [work.runs[name] for name in plan.recipes_of(target, asked.only)]
    weights = {
        run.recipe.visual.model: run.recipe.visual.weights
        for run in runs
        if run.recipe.train.strategy != "audio"
    }
    timm = {"pretrained": "pretrained, as timm downloads them"}
    notes += [
        f"visual encoder {model}: weights {timm.get(where, where)}"
        for model, where in weights.items()
    ]
    if asked.options.settings:
        notes.append(f"all recipes with --set {', '.join(asked.options.settings)}")
    names = {needed for run in runs for needed in (run.name, run.needs) if needed}
    notes += [f"{name} FAILED: {why}" for name, why in work.failures.items() if name in names]
    return notes


def _data_note(store: Store) -> str:
    bad = int((store.status() == Status.QUARANTINED).sum())
    clips = "1 quarantined clip" if bad == 1 else f"{bad} quarantined clips"
    without = f", {clips} left out" if bad else ""
    which = (
        "the official folds of TAU Urban Audio-Visual Scenes 2021"
        if official_folds(store)
        else ANOTHER_DATA_SET
    )
    return f"data: {store.place}{without}: {which}"


def _publish_figure(asked: Asked, work: Work) -> None:
    names = plan.recipes_of(FIGURE_2, asked.only)
    done = [name for name in names if name not in work.failures]
    if not done:
        return
    columns = []
    for name in done:
        say(f"figure 2: mapping the embeddings of {name}")
        found = read_embeddings(run_folder(work.out, name) / EVALUATION)
        columns.append(figure2.panels(found, name.partition("-")[0]))
    rows = list(zip(*columns, strict=True))
    smoke = " SMOKE RUN: MEANS NOTHING" if asked.options.smoke else ""
    segments = len(columns[0][0].labels)
    title = f"t-SNE of {segments:,} segments of the test fold, as in the paper's figure 2.{smoke}"
    foot = (
        f"Below each map: how many of a segment's {figure2.NEIGHBOURS} nearest embeddings from "
        f"other locations are of its scene.\n{_data_note(work.store)}"
    )
    places = [asked.file(work.out, FIGURE_2, kind) for kind in ("png", "svg")]
    figure2.write(places, rows, title, foot)
    for line in rows:
        for panel in line:
            console_out.print(
                f"{panel.title}: {100 * panel.agreement:.1f} % of nearest neighbours agree",
                markup=False,
            )
    say(f"written to {' and '.join(map(str, places))}")


def _report(work: Work, runs: int) -> None:
    if not work.failures:
        return
    listed = "".join(f"\n  {name}: {why}" for name, why in work.failures.items())
    raise AvscError(
        f"{len(work.failures)} of {runs} runs failed:{listed}",
        "",
        "correct what is named and run the same command again: what is complete is kept",
    )


def _require_one_process() -> None:
    from avsc.train.distributed import from_environment

    ranks = from_environment()
    if ranks.world > 1:
        raise AvscError(
            f"avsc reproduce in {ranks.world} processes of torchrun",
            "one process; its runs use one GPU each",
            "share the runs among jobs with --part, or train a run on several GPUs with "
            "`torchrun ... -m avsc train STORE --recipe pipelines/recipes/NAME.toml --out "
            "DIR/runs/NAME`, which reproduce then takes as complete",
        )
