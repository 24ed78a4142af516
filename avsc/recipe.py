"""Recipes: what a run trains and how (DESIGN section 3), from TOML and ``--set``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from avsc import recipe_files, recipe_keys
from avsc.recipe_augment import AugmentAudioRecipe, AugmentRecipe
from avsc.recipe_sections import (
    AudioRecipe,
    DistillRecipe,
    ModelRecipe,
    Section,
    TrainRecipe,
    VisualRecipe,
)


class Recipe(Section):
    """A whole run: what is trained and how; ``avsc recipe`` explains every key.

    >>> Recipe(train={"strategy": "audio", "epochs": 20})
    Recipe(train.strategy='audio', train.epochs=20)

    Raises:
        AvscError: A key or value is not a recipe's.
    """

    audio: AudioRecipe = AudioRecipe()
    visual: VisualRecipe = VisualRecipe()
    model: ModelRecipe = ModelRecipe()
    train: TrainRecipe = TrainRecipe()
    distill: DistillRecipe = DistillRecipe()
    augment: AugmentRecipe = AugmentRecipe()
    augment_audio: AugmentAudioRecipe = AugmentAudioRecipe()

    def __init__(self, **sections: Any) -> None:  # noqa: ANN401  pydantic checks them
        try:
            super().__init__(**sections)
        except ValidationError as error:
            raise recipe_keys.not_valid(Recipe, "Python", error) from None

    # So pydantic validates a recipe by its schema, without this constructor.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="after")
    def _agrees(self) -> "Recipe":
        if self.train.strategy == "video" and self.augment_audio.is_on:
            raise ValueError(
                f"augment_audio ({self.augment_audio}) is for sound, which the strategy video has "
                "not: leave these keys out"
            )
        if not self.audio.uses_frames and self.augment_audio.is_on:
            raise ValueError(
                f"augment_audio ({self.augment_audio}) changes audio frames, which "
                "audio.encoder = pretrained does without: leave these keys out"
            )
        if not self.audio.uses_frames and (self.train.acoustic or self.train.audio_run):
            raise ValueError(
                "audio.encoder = pretrained stands in the place of the acoustic encoder: leave "
                "train.acoustic and train.audio_run out, or set audio.encoder = both (beside ae) "
                "or your own class"
            )
        return self

    @property
    def uses_frames(self) -> bool:
        """Whether the system hears audio frames, by an acoustic encoder."""
        return self.train.strategy != "video" and self.audio.uses_frames

    def __repr__(self) -> str:
        usual = dict(_flat(Recipe()))
        changed = [f"{key}={value!r}" for key, value in _flat(self) if usual[key] != value]
        return f"Recipe({', '.join(changed)})"

    __str__ = __repr__


def load(source: Path | str | None = None, settings: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and applies single settings.

    Args:
        source: Path of a TOML file, or name of a shipped recipe; None for the default.
        settings: Texts ``section.key=value``, of which the last wins. The section may be left out
            where one section alone has the key.

    Raises:
        AvscError: The recipe cannot be read, is not TOML, or a key or value is not a recipe's.
    """
    tree = {} if source is None else recipe_files.read(recipe_files.find(source))
    for setting in settings:
        recipe_keys.apply(Recipe, tree, setting)
    return parse(tree, str(source) if source else "--set")


def parse(tree: dict[str, Any], where: str) -> Recipe:
    """Checks a recipe's tree of sections, keys and values.

    Args:
        tree: Content of a recipe file.
        where: Name of its source in the error message.

    Raises:
        AvscError: A key or value is not a recipe's.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise recipe_keys.not_valid(Recipe, where, error) from None


def _flat(recipe: Recipe) -> Iterator[tuple[str, object]]:
    for section, values in recipe.model_dump().items():
        for key, value in values.items():
            yield f"{section}.{key}", value
