"""Which runs a target needs, with which recipes, and in which order.

Pure, but for reading the recipes and looking whether the weights are there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsc import paper, recipe
from avsc.errors import AvscError
from avsc.part import Part
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
SMOKE_TRAIN = {"epochs": 2, "batch_size": 128, "images_per_second": 1}

# Keys that make a row that row: with another value it would be another system under its name.
FIXED = (
    "train.strategy",
    "train.images",
    "train.acoustic",
    "train.audio_run",
    "audio.feature",
    "visual.model",
    "distill.teacher",
    "model.width",
)


@dataclass(frozen=True)
class Options:
    """Changes to all recipes alike.

    Attributes:
        settings: Settings ``section.key=value``, as ``--set`` has them.
        ve_weights: Weights of the visual encoders, by timm name.
        smoke: Whether to shrink every recipe; see ``smoke_settings``.
        views: Number of views of a bank for rows that train on raw images; None for fresh views.
        seeds: Number of seeds of each row; None for one run with the recipe's seed.
    """

    settings: tuple[str, ...] = ()
    ve_weights: Mapping[str, str] = field(default_factory=dict)
    smoke: bool = False
    views: int | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes:
        name: Name of its recipe and of its folder.
        recipe: Recipe to train with.
        needs: Name of the audio run whose encoder it takes over; None if it takes none.
    """

    name: str
    recipe: Recipe
    needs: str | None = None


@dataclass(frozen=True)
class Request:
    """What is to be reproduced.

    Attributes:
        targets: Tables and figures, of ``TARGETS``.
        only: Words that the recipe of a row must have.
        options: Changes to all recipes.
    """

    targets: tuple[str, ...]
    only: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)

    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs behind all targets, each once, in order."""
        names = [name for target in self.targets for name in recipes_of(target, self.only)]
        return plan_runs(names, self.options)

    def path(self, out: Path, target: str, ending: str) -> Path:
        """The file of a target; a part of a target has a name of its own."""
        return out / f"{'-'.join((target, *self.only))}.{ending}"


def rows_of(target: str, only: Sequence[str] = ()) -> tuple[paper.Row, ...]:
    """The rows of a table whose recipe's name holds every word of ``only``.

    Rows of other people's systems (table 5) have no recipe; they stay unless ``only`` is given.

    Raises:
        AvscError: The target is unknown, or no row has all the words.
    """
    if target not in paper.TABLES:
        raise AvscError(f"unknown target {target!r}", f"one of {', '.join(TARGETS)}")
    rows = tuple(row for row in paper.rows(target) if _has(row.recipe, only))
    if not rows:
        raise _no_row(target, only, [row.recipe for row in paper.rows(target) if row.recipe])
    return rows


def recipes_of(target: str, only: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the recipes behind a table's rows, or behind figure 2.

    Raises:
        AvscError: The target is unknown, or no row has all the words.
    """
    if target != FIGURE_2:
        return tuple(row.recipe for row in rows_of(target, only) if row.recipe)
    found = tuple(name for name in FIGURE_2_RECIPES if _has(name, only))
    if not found:
        raise _no_row(target, only, FIGURE_2_RECIPES)
    return found


def plan_runs(recipes: Iterable[str], options: Options | None = None) -> tuple[PlannedRun, ...]:
    """The runs of recipes, each once, and the audio runs that they need.

    Audio runs come first and runs that need one last: by then the audio runs are likely done.

    Args:
        recipes: Names of files in ``pipelines/recipes``, without their ending.
        options: Changes to all of them.

    Raises:
        AvscError: The options do not fit the recipes.
    """
    options = options or Options()
    _check(options)
    planned: dict[str, PlannedRun] = {}
    for name in recipes:
        audio = _audio_recipe(recipe.load(paper.recipe_path(name)))
        for one in [name, audio] if audio else [name]:
            for run in _of_seeds(_run(one, options), options.seeds):
                planned.setdefault(run.name, run)
    return tuple(sorted(planned.values(), key=_rank))


def share(runs: Sequence[PlannedRun], part: Part | None) -> tuple[PlannedRun, ...]:
    """The runs of one job of an array, in order; every run belongs to exactly one job."""
    return tuple(runs) if part is None else tuple(runs[part.index - 1 :: part.count])


def smoke_settings(whole: Recipe) -> list[str]:
    """Settings that shrink a recipe to one of the same kind that trains in seconds.

    A tiny random encoder of the same family; small images, shared by the frames of a second; two
    epochs. Its numbers show that everything runs, nothing else.
    """
    model = SMOKE_MODELS.get(whole.visual.model, whole.visual.model)
    visual = [f"model={model}", "weights=random", f"image_size={SMOKE_IMAGE_SIZE}"]
    return [
        *(f"visual.{setting}" for setting in visual),
        *(f"train.{key}={value}" for key, value in SMOKE_TRAIN.items()),
    ]


def visual_models() -> tuple[str, ...]:
    """The timm names of the visual encoders of all recipes."""
    names = [name for target in TARGETS for name in recipes_of(target)]
    whole = [recipe.load(paper.recipe_path(name)) for name in dict.fromkeys(names)]
    return tuple(sorted({one.visual.model for one in whole if one.train.strategy != "audio"}))


def _check(options: Options) -> None:
    keys = [setting.partition("=")[0].strip() for setting in options.settings]
    for key in FIXED:
        if key in keys:
            raise AvscError(
                f"--set {key}=...",
                f"a setting that leaves a row of the paper what it is: not {', '.join(FIXED)}",
                "train such a system with `avsc train`",
            )
    unknown = [model for model in options.ve_weights if model not in visual_models()]
    if unknown:
        raise AvscError(
            f"--ve-weights for {', '.join(unknown)}",
            f"a model of the recipes: {', '.join(visual_models())}",
            "write --ve-weights MODEL=PATH, such as resnet50=/w/resnet50_places365.pth.tar",
        )
    for model, where in options.ve_weights.items():
        if where not in ("pretrained", "random") and not Path(where).expanduser().exists():
            raise AvscError(
                f"--ve-weights {model}={where}: there is no such file",
                "a .safetensors or .pth file, or a folder of `avsc pretrain`",
                "check the path",
            )
    if options.smoke and options.ve_weights:
        raise AvscError(
            "--ve-weights with --smoke",
            "one of them: a smoke run has tiny encoders with random weights",
            "leave one of them out",
        )


def _run(name: str, options: Options) -> PlannedRun:
    path = paper.recipe_path(name)
    published = recipe.load(path)
    weights = options.ve_weights.get(published.visual.model)
    changes: list[str] = []
    if options.smoke:
        changes = smoke_settings(published)
    elif weights is not None and published.train.strategy != "audio":
        # A JSON string is a TOML string too: a path that looks like a number stays a path.
        changes = [f"visual.weights={json.dumps(weights, ensure_ascii=False)}"]
    strategy = published.train.strategy
    if options.views and strategy != "audio" and published.train.image_source() == "raw":
        changes.append(f"train.views={options.views}")
    whole = recipe.load(path, [*changes, *options.settings])
    return PlannedRun(name, whole, _audio_recipe(published))


def _audio_recipe(published: Recipe) -> str | None:
    """Name of the audio run whose encoder a row takes over; None if it takes none."""
    joint = published.train.strategy in ("joint", "pipeline")
    needs = joint and published.train.acoustic_source() == "pretrained"
    return f"audio-{published.audio.feature}" if needs else None


def _of_seeds(run: PlannedRun, seeds: int | None) -> list[PlannedRun]:
    """The run, or one of each seed in a folder ``seed-<n>`` of its own."""
    if seeds is None:
        return [run]
    first = run.recipe.train.seed
    return [
        PlannedRun(
            seed_name(run.name, seed),
            run.recipe.model_copy(
                update={"train": run.recipe.train.model_copy(update={"seed": seed})}
            ),
            seed_name(run.needs, seed) if run.needs else None,
        )
        for seed in range(first, first + seeds)
    ]


def seed_name(name: str, seed: int) -> str:
    """Name of the run of one seed of a recipe."""
    return f"{name}/seed-{seed}"


def _rank(run: PlannedRun) -> int:
    if run.recipe.train.strategy == "audio":
        return 0
    return 2 if run.needs else 1


def _has(name: str | None, words: Sequence[str]) -> bool:
    return all(word in (name or "").split("-") for word in words)


def _no_row(target: str, only: Sequence[str], names: Sequence[str]) -> AvscError:
    return AvscError(
        f"no row of {target} has all of: {', '.join(only)}",
        f"words of one of its recipes: {', '.join(names)}",
        "give other words to --only, or leave it out",
    )
