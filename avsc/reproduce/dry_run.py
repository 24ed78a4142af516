"""``avsc reproduce --dry-run``: what there is to do, and how long it takes at most."""

from collections.abc import Iterable
from pathlib import Path

from avsc.console import duration, say
from avsc.console import out as console_out
from avsc.console import table as print_table
from avsc.part import Part
from avsc.recipe import Recipe
from avsc.reproduce import estimate, plan
from avsc.reproduce.estimate import Rates, RunWork
from avsc.reproduce.plan import PlannedRun
from avsc.reproduce.reproduce import Asked
from avsc.reproduce.status import Standing, standing
from avsc.store.read import Store


def show(
    asked: Asked, store: Path, out: Path, *, part: Part | None = None, device: str = "auto"
) -> None:
    """Prints the runs behind the targets, what each still needs, and an upper bound of the time.

    Args:
        asked: The targets and how their recipes are changed.
        store: A complete store.
        out: The folder of the runs.
        part: Only this job's share of the runs.
        device: Where rates are measured: as ``avsc train`` takes it.

    Raises:
        AvscError: A run there was begun with something else.
    """
    opened = Store.open(store)
    runs = plan.share(asked.runs(), part)
    states = {run.name: standing(run, out, opened) for run in runs}
    works = {
        run.name: estimate.work_of(opened, run.recipe, state.epochs, state.trained)
        for run, state in zip(runs, states.values(), strict=True)
    }
    left = [run for run in runs if states[run.name].state != "complete"]
    rates = _measured(opened, left, device) if left else None
    say(f"{opened.place}: {len(runs)} runs, {len(runs) - len(left)} of them complete")
    rows = [_row(run, states[run.name], works[run.name], rates) for run in runs]
    print_table("runs", ["run", "state", "at most"], rows)
    for line in [*_needs(left), *_totals(left, works, rates, opened.settings.clip_seconds)]:
        console_out.print(line, markup=False)


def _measured(store: Store, left: list[PlannedRun], device: str) -> Rates:
    from avsc.reproduce.rates import measure

    return measure(store, [run.recipe for run in left], device)


def _row(run: PlannedRun, state: Standing, work: RunWork, rates: Rates | None) -> list[str]:
    if state.trained or rates is None:
        return [run.name, state.state, ""]
    more = " more" if state.epochs else ""
    words = f"{state.state}, {work.epochs} epochs{more}"
    return [run.name, words, duration(estimate.seconds_of(work, rates))]


def _needs(left: list[PlannedRun]) -> list[str]:
    """What runs wait for, and where their visual encoders come from."""
    lines = [
        f"{needed} comes before {', '.join(run.name for run in left if run.needs == needed)}"
        for needed in sorted({run.needs for run in left if run.needs})
    ]
    looking = [run.recipe for run in left if run.recipe.train.strategy != "audio"]
    sources = sorted(set(map(_source, looking)))
    return lines + [f"weights of {model}: {words}" for model, words in sources]


def _totals(
    left: list[PlannedRun], works: dict[str, RunWork], rates: Rates | None, clip_seconds: int
) -> list[str]:
    if rates is None:
        return []
    mine = [works[run.name] for run in left]
    images = estimate.embeddings_of(mine, clip_seconds)
    once_s = estimate.embedding_seconds(images, rates)
    epochs_s = sum(estimate.seconds_of(work, rates) for work in mine)
    decodes = sum(work.epochs * work.images for work in mine) + sum(images.values())
    return [
        f"an epoch is {_range(work.triples for work in mine)} triples, and on raw images "
        f"{_range(work.images for work in mine if work.images)} pictures",
        *(
            f"{key.model}: {_rate(rates.encoded[key])} images/s encoded here, "
            f"{_rate(rates.decoded[key])} decoded and augmented; {count:,} embeddings once, shared"
            for key, count in images.items()
        ),
        f"in all {sum(work.epochs * work.triples for work in mine):,} triples and {decodes:,} JPEG "
        f"decodes: at most {duration(once_s + epochs_s)} one run after the other, of which "
        f"{duration(once_s)} embeddings",
        "An upper bound: rates were measured here just now, without compilation and without the "
        "cache of decoded pictures, and early stopping ends most runs sooner.",
    ]


def _rate(per_second: float) -> str:
    """A rate for a person.

    >>> _rate(0.842), _rate(5312.7)
    ('0.84', '5,313')
    """
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.2g}"


def _range(counts: Iterable[int]) -> str:
    """One number, or from the least to the most."""
    found = sorted(set(counts))
    return " to ".join(f"{count:,}" for count in (found[:1] + found[1:][-1:])) or "no"


def _source(recipe: Recipe) -> tuple[str, str]:
    visual = recipe.visual
    if visual.weights == "pretrained":
        return visual.model, "timm downloads them, unless --ve-weights names others"
    return visual.model, visual.weights
