"""Which runs a table needs, with which recipes, and in which order.

Pure, but for reading the recipes and looking whether weights are there.
"""

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

# What makes a row that row: with another value it would be another system under its name.
FIXED = (
    "train.strategy",
    "train.images",
    "train.acoustic",
    "train.audio_run",
    "audio.feature",
    "visual.model",
)


@dataclass(frozen=True)
class Options:
    """What a user changes in all recipes alike.

    Attributes:
        settings: ``section.key=value``, as ``--set`` has them.
        ve_weights: Weights by the visual encoder's model.
        smoke: Shrink every recipe; see ``smoke_settings``.
    """

    settings: tuple[str, ...] = ()
    ve_weights: Mapping[str, str] = field(default_factory=dict)
    smoke: bool = False


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
    rows = tuple(row for row in paper.rows(target) if _has(row.recipe, only))
    if not rows:
        raise _no_row(target, only, [row.recipe for row in paper.rows(target) if row.recipe])
    return rows


def recipes_of(target: str, only: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the recipes behind a table's rows, or behind figure 2.

    Raises:
        AvscError: As for ``rows_of``.
    """
    if target != FIGURE_2:
        return tuple(row.recipe for row in rows_of(target, only) if row.recipe)
    found = tuple(name for name in FIGURE_2_RECIPES if _has(name, only))
    if not found:
        raise _no_row(target, only, FIGURE_2_RECIPES)
    return found


def plan_runs(recipes: Iterable[str], options: Options | None = None) -> tuple[PlannedRun, ...]:
    """The runs behind recipe names, each once, the audio runs that others need before them.

    Runs that need no other come before those that do: by then the audio runs are likely done.

    Args:
        recipes: Names of files in ``pipelines/recipes``, without their ending.
        options: What is changed in all of them.

    Raises:
        AvscError: The options do not fit the recipes.
    """
    options = options or Options()
    _check(options)
    planned: dict[str, PlannedRun] = {}
    for name in recipes:
        run = _run(name, options)
        planned.setdefault(name, run)
        if run.needs:
            planned.setdefault(run.needs, _run(run.needs, options))
    return tuple(sorted(planned.values(), key=_rank))


def share(runs: Sequence[PlannedRun], part: Part | None) -> tuple[PlannedRun, ...]:
    """The runs that one job of an array trains, in order; every run has exactly one job."""
    step = part or Part(1, 1)
    return tuple(runs[step.index - 1 :: step.count])


def smoke_settings(whole: Recipe) -> list[str]:
    """Settings that make of a recipe one of the same kind that trains in seconds.

    A tiny encoder, random, of the same family; small images, shared by the frames of a second;
    two epochs. Its numbers say that the machinery runs, nothing else.
    """
    model = SMOKE_MODELS.get(whole.visual.model, whole.visual.model)
    visual = {"model": model, "weights": "random", "image_size": SMOKE_IMAGE_SIZE}
    train = SMOKE_TRAIN
    return [
        *(f"visual.{key}={value}" for key, value in visual.items()),
        *(f"train.{key}={value}" for key, value in train.items()),
    ]


def visual_models() -> tuple[str, ...]:
    """The visual encoders of all recipes, by their timm names."""
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
    train = published.train
    chosen: list[str] = []
    if train.strategy != "audio" and published.visual.model in options.ve_weights:
        # As TOML, so that a path that looks like a number stays a path.
        chosen = [f"visual.weights={_toml(options.ve_weights[published.visual.model])}"]
    if options.smoke:
        chosen = smoke_settings(published)
    joint = train.strategy in ("joint", "pipeline")
    needs = joint and train.acoustic_source() == "pretrained"
    return PlannedRun(
        name,
        recipe.load(path, [*chosen, *options.settings]),
        f"audio-{published.audio.feature}" if needs else None,
    )


def _toml(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


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
