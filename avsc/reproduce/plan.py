"""Which runs a table needs, and in which order. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avsc import paper, recipe
from avsc.errors import AvscError
from avsc.recipe import Recipe

FIGURE_2 = "fig2"
TARGETS = (*paper.TABLES, FIGURE_2)
FIGURE_2_RECIPES = ("pipeline-scalogram-effnetv2s", "joint-scalogram-effnetv2s")

# The smallest models timm has of the two families, so that a smoke run takes minutes on two cores.
SMOKE_MODELS = {
    "resnet50": "test_resnet.r160_in1k",
    "efficientnetv2_rw_s.ra2_in1k": "test_efficientnet.r160_in1k",
}
SMOKE_IMAGE_SIZE = 64
SMOKE_EPOCHS = 2
SMOKE_BATCH = 32


@dataclass(frozen=True)
class PlannedRun:
    """One run: its folder's name, its recipe, and the audio run its encoder comes from."""

    name: str
    recipe: Recipe
    needs: str | None = None


def rows_of(target: str, only: Sequence[str] = ()) -> tuple[paper.Row, ...]:
    """The rows of a table whose recipe's name holds every word of ``only``.

    Rows of other people's systems (table 5) have no recipe; they stay unless ``only`` is given.

    Raises:
        AvscError: The target is unknown, or no row has all the words.
    """
    if target not in paper.TABLES:
        raise AvscError(f"unknown target {target!r}", f"one of {', '.join(TARGETS)}")
    rows = tuple(
        row
        for row in paper.rows(target)
        if all(word in (row.recipe or "").split("-") for word in only)
    )
    if not rows:
        known = ", ".join(row.recipe for row in paper.rows(target) if row.recipe)
        raise AvscError(
            f"no row of {target} has all of: {', '.join(only)}",
            f"words of one of its recipes: {known}",
            "give other words to --only, or leave it out",
        )
    return rows


def plan_runs(recipes: Iterable[str], smoke: bool = False) -> tuple[PlannedRun, ...]:
    """The runs behind recipe names, each once, the audio runs that others need before them.

    Args:
        recipes: Names of files in ``pipelines/recipes``, without their ending.
        smoke: Shrink every recipe; see ``shrink``.
    """
    audio: dict[str, PlannedRun] = {}
    others: dict[str, PlannedRun] = {}
    for name in recipes:
        run = _run(name, smoke)
        if run.needs:
            audio.setdefault(run.needs, _run(run.needs, smoke))
        (audio if run.recipe.train.strategy == "audio" else others).setdefault(name, run)
    return (*audio.values(), *others.values())


def share(runs: Sequence[PlannedRun], part: int, parts: int) -> tuple[PlannedRun, ...]:
    """The runs that job ``part`` of ``parts`` (from 1) trains; every run has exactly one job.

    A job whose run needs an audio run waits for the job that trains it, which comes before.
    """
    if not 1 <= part <= parts:
        raise AvscError(f"part {part}/{parts}", "I/N with I from 1 to N")
    return tuple(runs[part - 1 :: parts])


def shrink(whole: Recipe) -> Recipe:
    """A recipe of the same kind that trains in seconds: tiny encoder, small images, few epochs.

    Its numbers say that the machinery runs, nothing else.
    """
    visual = whole.visual.model_copy(
        update={
            "model": SMOKE_MODELS.get(whole.visual.model, whole.visual.model),
            "weights": "random",
            "image_size": SMOKE_IMAGE_SIZE,
        }
    )
    train = whole.train.model_copy(update={"epochs": SMOKE_EPOCHS, "batch_size": SMOKE_BATCH})
    return whole.model_copy(update={"visual": visual, "train": train})


def _run(name: str, smoke: bool) -> PlannedRun:
    whole = recipe.load(paper.recipe_path(name))
    pretrained = (
        whole.train.strategy in ("joint", "pipeline")
        and whole.train.acoustic_source() == "pretrained"
    )
    needs = f"audio-{whole.audio.feature}" if pretrained else None
    return PlannedRun(name, shrink(whole) if smoke else whole, needs)
