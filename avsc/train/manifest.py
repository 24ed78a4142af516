"""The manifest of a checkpoint: its run's data, recipe, encoder, versions and progress."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from avsc import __version__
from avsc.errors import AvscError
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.store import schema
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings

Role = Literal["best", "last"]

# What may change when a run is resumed: nothing that is computed depends on it. Frozen encoders may
# have been moved; that they are the same is checked apart.
_FREE = ("train.threads", "train.checkpoint_minutes")
_PLACES = ("visual.weights", "audio.model")


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EncoderManifest(_Plain):
    """A frozen encoder, of images or of sound, which a checkpoint names and does not hold."""

    model: str
    sha256: str
    features: int


class TeacherManifest(_Plain):
    """A teacher of a distillation.

    Attributes:
        path: Folder of the run, or predictions file.
        what: Its strategy and epoch, or that it is a file, for a person.
        sha256: Digest of what it says: of a run's weights and inputs, or of the file.
    """

    path: str
    what: str
    sha256: str


class Manifest(_Plain):
    """How far a checkpoint is in a training, and by which recipe."""

    epoch: int = 0  # epochs that are complete
    batch: int = 0  # batches done of the next
    best_epoch: int | None = None  # counted from 1
    best_loss: float | None = None
    finished: bool = False
    recipe: Recipe

    def at(self, there: "Manifest") -> Self:
        """The same training, as far as ``there``."""
        names = ("epoch", "batch", "best_epoch", "best_loss", "finished")
        return self.model_copy(update={name: getattr(there, name) for name in names})

    def after_epoch(self, loss: float) -> Self:
        """The training one epoch further, with this validation loss."""
        done = self.epoch + 1
        best = self.best_loss is None or loss < self.best_loss
        best_epoch = done if best else self.best_epoch
        assert best_epoch is not None
        stale = done - best_epoch >= self.recipe.train.patience
        update = {
            "epoch": done,
            "batch": 0,
            "best_epoch": best_epoch,
            "best_loss": loss if best else self.best_loss,
            "finished": stale or done >= self.recipe.train.epochs,
        }
        return self.model_copy(update=update)


class RunManifest(Manifest):
    """What a run is of, and how far a checkpoint is in it."""

    store: str
    store_sha256: str
    schema_version: int
    settings: StoreSettings
    visual: EncoderManifest | None
    scenes: tuple[str, ...]
    world: int
    versions: dict[str, str]
    audio_tower: EncoderManifest | None = None  # the pre-trained audio encoder
    synthetic: bool = False  # whether the store's clips were made by `avsc synth`
    teachers: tuple[TeacherManifest, ...] = ()

    @property
    def bands(self) -> int | None:
        """Bands of an audio frame; None for a system that uses none."""
        if not self.recipe.uses_frames:
            return None
        return self.settings.bank(self.recipe.audio.feature).bands


def new_manifest(
    store: Store,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    world: int,
    *,
    tower: EncoderManifest | None = None,
    teachers: tuple[TeacherManifest, ...] = (),
) -> RunManifest:
    """The manifest of a run before its first step.

    Args:
        store: Store it is trained on.
        recipe: Resolved recipe.
        encoder: Visual encoder; None for a run on sound alone.
        world: Number of processes.
        tower: Pre-trained audio encoder; None for none.
        teachers: Teachers it learns from.
    """
    names = ("torch", "timm", "numpy", "zarr")
    return RunManifest(
        store=_absolute(str(store.place)),
        store_sha256=store.sha256,
        schema_version=schema.VERSION,
        settings=store.settings,
        recipe=recipe,
        visual=None if encoder is None else _visual(encoder),
        scenes=store.scenes,
        world=world,
        audio_tower=tower,
        synthetic=store.is_synthetic,
        teachers=teachers,
        versions={"avsc": __version__} | {name: version(name) for name in names},
    )


def _absolute(place: str) -> str:
    # A run is evaluated from other folders than it was trained in.
    return place if "://" in place else str(Path(place).resolve())


def _visual(encoder: VisualEncoder) -> EncoderManifest:
    return EncoderManifest(model=encoder.name, sha256=encoder.sha256, features=encoder.features)


def parse(manifest: dict[str, Any], where: str) -> RunManifest:
    """Reads a run's manifest.

    Raises:
        AvscError: It is not a run's.
    """
    known = {key: value for key, value in manifest.items() if key in RunManifest.model_fields}
    try:
        return RunManifest.model_validate_json(json.dumps(known))
    except ValidationError as error:
        fault = error.errors()[0]
        raise AvscError(
            f"{where} is no checkpoint of a run: its manifest lacks "
            f"{'.'.join(map(str, fault['loc']))}, or has something else there",
            "a checkpoint that this version of `avsc train` wrote",
            "use the avsc that wrote it, or train again",
        ) from None


def require_same(there: RunManifest, now: RunManifest) -> None:
    """Refuses to resume a run with another store, recipe, schema, encoder or teacher.

    Raises:
        AvscError: Something differs; each difference is named.
    """
    differing = []
    if there.store_sha256 != now.store_sha256:
        differing.append(
            f"store: trained on {there.store} ({there.store_sha256[:12]}), "
            f"asked for {now.store} ({now.store_sha256[:12]})"
        )
        differing += [f"store {line}" for line in schema.difference(there.settings, now.settings)]
    if there.schema_version != now.schema_version:
        differing.append(f"schema: {there.schema_version}, asked for {now.schema_version}")
    differing += difference(there.recipe, now.recipe)
    if there.visual != now.visual:
        differing.append(f"visual encoder: {there.visual}, asked for {now.visual}")
    differing += [
        f"teacher {new.path}: {old.what}, SHA-256 {old.sha256[:12]}, now {new.what}, "
        f"{new.sha256[:12]}"
        for old, new in zip(there.teachers, now.teachers, strict=False)
        if old.sha256 != new.sha256
    ]
    if len(there.teachers) != len(now.teachers):
        differing.append(f"teachers: {len(there.teachers)}, now {len(now.teachers)}")
    if there.audio_tower != now.audio_tower:
        old, new = there.audio_tower, now.audio_tower
        differing.append(f"pre-trained audio encoder: {old}, asked for {new}")
    if differing:
        raise AvscError(
            "the run cannot be resumed with something else than it was begun with:\n  "
            + "\n  ".join(differing),
            "the store, recipe, encoder and teachers it was begun with",
            "leave these options out with --resume, or train into another --out",
        )


def difference(there: Recipe, asked: Recipe) -> list[str]:
    """The recipe's keys that differ and matter, one line each."""
    old, new = there.model_dump(), asked.model_dump()
    return [
        f"{section}.{key}: {values[key]!r}, asked for {new[section][key]!r}"
        for section, values in old.items()
        for key in values
        if values[key] != new[section][key]
        and not _may_change(f"{section}.{key}", values[key], new[section][key])
    ]


def _may_change(key: str, old: object, new: object) -> bool:
    return key in _FREE or (key in _PLACES and None not in (old, new))
