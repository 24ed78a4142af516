"""The paper's numbers and the recipes that aim at them, from ``pipelines/paper.toml``."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from avsc import recipe as recipes
from avsc.recipe import Recipe
from avsc.resources import resource

TABLES = ("table2", "table3", "table4", "table5")


@dataclass(frozen=True)
class Row:
    """One row of a table of the paper.

    Attributes:
        table: Name of the table, of ``TABLES``.
        system: Name of the system, as the paper has it.
        recipe: Name of its file in ``pipelines/recipes``, without the ending; None for a system of
            other authors.
        log_loss: Log-loss.
        accuracy: Accuracy in per cent.
    """

    table: str
    system: str
    recipe: str | None
    log_loss: float
    accuracy: float


def recipe_path(name: str) -> Path:
    """The file of a recipe, by the name that ``paper.toml`` has for it."""
    return resource(f"pipelines/recipes/{name}.toml")


def rows(table: str) -> tuple[Row, ...]:
    """A table's rows in the paper's order."""
    return tuple(
        Row(table, row["system"], row.get("recipe"), row["log_loss"], row["accuracy"])
        for row in tomllib.loads(resource("pipelines/paper.toml").read_text())[table]
    )


def row_of(recipe: Recipe) -> Row | None:
    """The row of tables 2 to 4 that a recipe reproduces, whatever its weights, seed and hardware.

    None if the recipe is another system.
    """
    for table in TABLES[:3]:
        for row in rows(table):
            if row.recipe is None:
                continue
            published = recipes.load(recipe_path(row.recipe))
            if _identity(recipe, published) == _identity(published, published):
                return row
    return None


def _identity(recipe: Recipe, published: Recipe) -> tuple[object, ...]:
    # Inputs, encoder and optimisation make a system that row. A recipe that leaves the image size
    # to the weights counts as one with the published size.
    train = recipe.train
    audio = None if train.strategy == "video" else (recipe.audio, train.acoustic_source())
    visual = (
        None
        if train.strategy == "audio"
        else (
            recipe.visual.model,
            recipe.visual.image_size or published.visual.image_size,
            train.image_source(),
        )
    )
    schedule = (train.epochs, train.batch_size, train.lr_max, train.lr_min, train.class_weights)
    images_per_second = train.images_per_second
    return audio, visual, schedule, images_per_second
