"""Recipes: what a run trains and how (DESIGN section 3), from TOML and ``--set``.

The defaults are the paper's joint optimisation (section 3 of the paper) wherever it says.
"""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from avsc.errors import AvscError

Strategy = Literal["joint", "pipeline", "audio", "video"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AudioRecipe(_Section):
    """The acoustic encoder's input and shape."""

    feature: Literal["scalogram", "fbank"] = "scalogram"
    concat: Literal["all", "last"] = "all"  # which blocks' outputs the linear layers see


class VisualRecipe(_Section):
    """The frozen visual encoder."""

    model: str = "efficientnetv2_rw_s.ra2_in1k"  # a timm name
    weights: str = "pretrained"  # or "random", or a file
    image_size: int | None = Field(default=None, ge=16, le=2048)  # None: the weights' own


class TrainRecipe(_Section):
    """Optimisation, streams and hardware."""

    strategy: Strategy = "joint"
    images: Literal["raw", "embedding"] | None = None  # None: as the strategy has it
    acoustic: Literal["trainable", "pretrained"] | None = None  # None: as the strategy has it
    audio_run: str | None = None  # the run a pretrained acoustic encoder comes from
    epochs: int = Field(default=150, ge=1)
    batch_size: int = Field(default=256, ge=4)
    lr_max: float = Field(default=1e-2, gt=0)
    lr_min: float = Field(default=1e-5, ge=0)
    restart_epochs: int = Field(default=10, ge=1)  # length of the first cosine cycle
    restart_factor: int = Field(default=2, ge=1)  # each cycle is this much longer than the last
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    patience: int = Field(default=30, ge=1)  # epochs without a better validation loss
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    val_split: Literal["location", "clip"] = "location"
    cache: Literal["auto", "device", "host", "none"] = "auto"
    images_per_second: int | None = Field(default=None, ge=1)  # None: one an audio frame
    precision: Literal["auto", "float32", "bf16"] = "auto"
    channels_last: bool | None = None  # None: the visual encoder on CUDA only
    compile: bool | None = None  # likewise
    deterministic: bool = False
    threads: int | None = Field(default=None, ge=1)  # None: one a core
    checkpoint_minutes: float = Field(default=10.0, gt=0)  # between those within an epoch

    @model_validator(mode="after")
    def _agrees(self) -> "TrainRecipe":
        if self.lr_min > self.lr_max:
            raise ValueError(f"lr_min {self.lr_min} is above lr_max {self.lr_max}")
        if self.strategy == "audio" and self.images:
            raise ValueError("the strategy audio has no images: leave `images` out")
        if self.acoustic and self.strategy in ("audio", "video"):
            raise ValueError(
                f"`acoustic` is for joint and pipeline, not for the strategy {self.strategy}"
            )
        return self

    def image_source(self) -> Literal["raw", "embedding"]:
        """Where the picture enters: as a raw image or as a stored embedding (section 3.3)."""
        return self.images or ("embedding" if self.strategy == "pipeline" else "raw")

    def acoustic_source(self) -> Literal["trainable", "pretrained"]:
        """Whether the acoustic encoder is trained here or comes frozen from an audio run."""
        return self.acoustic or ("pretrained" if self.strategy == "pipeline" else "trainable")


class AugmentRecipe(_Section):
    """Augmentation of raw training images; each sample draws its own."""

    crop_scale_min: float = Field(default=0.35, gt=0, le=1)  # RandomResizedCrop's area; 1 is off
    crop_ratio_max: float = Field(default=4 / 3, ge=1)
    flip: float = Field(default=0.5, ge=0, le=1)  # probability
    brightness: float = Field(default=0.2, ge=0, le=1)
    contrast: float = Field(default=0.2, ge=0, le=1)
    saturation: float = Field(default=0.2, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)  # turns about the grey axis


class Recipe(_Section):
    """A whole run."""

    audio: AudioRecipe = AudioRecipe()
    visual: VisualRecipe = VisualRecipe()
    train: TrainRecipe = TrainRecipe()
    augment: AugmentRecipe = AugmentRecipe()


def load(path: Path | None = None, settings: Sequence[str] = ()) -> Recipe:
    """Reads a recipe file (all defaults without one) and applies ``section.key=value`` settings.

    Raises:
        AvscError: The file cannot be read, is not TOML, or a key or value is not a recipe's.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        tree = _read_toml(path)
    for setting in settings:
        _apply(tree, setting)
    return parse(tree, str(path) if path else "--set")


def parse(tree: dict[str, Any], where: str) -> Recipe:
    """Checks a recipe's tree; ``where`` is named in the message.

    Raises:
        AvscError: A key or value is not a recipe's.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        faults = [_fault_words(fault) for fault in error.errors()]
        raise AvscError(
            f"the recipe from {where} is not valid: " + "; ".join(faults),
            "the keys and values of a recipe",
            "compare with pipelines/*.toml; `avsc train --help` names the sections",
        ) from None


def _fault_words(fault: ErrorDetails) -> str:
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        section = str(fault["loc"][0])
        known = Recipe.model_fields[section].annotation if len(fault["loc"]) > 1 else Recipe
        names = ", ".join(getattr(known, "model_fields", {}))
        return f"there is no key {key}; there are {names}"
    return f"{key}: {fault['msg']}, got {fault['input']!r}"


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML that ``load`` reads back to an equal recipe."""
    lines = []
    for section, values in recipe.model_dump().items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_toml_value(v)}" for key, v in values.items() if v is not None]
        lines.append("")
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AvscError(
            f"cannot read the recipe {path}: {error.strerror}", "a TOML file", "check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AvscError(
            f"{path} is not TOML: {error}", "sections such as [train]", "correct the file"
        ) from None


def _apply(tree: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and name):
        raise AvscError(
            f"--set {setting}", "section.key=value", "for example --set train.epochs=20"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string: shells eat quotes
    there = tree.setdefault(section, {})
    if not isinstance(there, dict):
        raise AvscError(f"{section} = {there!r} in the recipe", f"a section [{section}]")
    there[name] = value


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # JSON's escapes are all escapes of a TOML basic string, which has DEL escaped as well.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
