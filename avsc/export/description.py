"""``config.json`` beside an exported model: what it takes, what it gives, where it comes from."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from avsc import __version__, files, timebase
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.models.visual import ImageConfig
from avsc.store.schema import FBankSettings, Feature, ScalogramSettings
from avsc.train.load import LoadedRun

CONFIG = "config.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AudioInput(_Part):
    """How an audio frame is computed (see ``avsc.signal.features``)."""

    feature: Feature
    bands: int
    settings: ScalogramSettings | FBankSettings
    concat: Literal["all", "last"]
    sample_rate_hz: int = timebase.SAMPLE_RATE_HZ
    window: int = timebase.WINDOW
    hop: int = timebase.HOP


class VisualInput(_Part):
    """How an image is brought to size, and the encoder that sees it."""

    model: str
    sha256: str
    features: int
    image: ImageConfig
    included: bool  # whether the export holds the encoder's weights


class Description(_Part):
    """The whole file."""

    format: Literal["avsc-export"] = "avsc-export"
    version: Literal[1] = 1
    avsc: str = __version__
    run: str
    weights_sha256: str | None  # of the run's checkpoint
    strategy: str
    scenes: tuple[str, ...]
    audio: AudioInput | None
    visual: VisualInput | None
    files: dict[str, str]  # name -> SHA-256


def describe(run: LoadedRun, model: Path, included: bool) -> Description:
    """Describes an export of a run.

    Args:
        run: The run.
        model: The file that was written.
        included: Whether it holds the visual encoder's weights.
    """
    feature = run.recipe.audio.feature
    settings = run.facts.settings.bank(feature)
    audio = AudioInput(
        feature=feature, bands=settings.bands, settings=settings, concat=run.recipe.audio.concat
    )
    seen = None
    if run.visual is not None:
        seen = VisualInput(
            model=run.visual.name,
            sha256=run.visual.sha256,
            features=run.visual.features,
            image=run.visual.config,
            included=included,
        )
    return Description(
        run=run.path.resolve().name,
        weights_sha256=results.weights_sha256(run.path),
        strategy=run.recipe.train.strategy,
        scenes=run.scenes,
        audio=audio if run.listens else None,
        visual=seen,
        files={model.name: files.sha256_file(model)},
    )


def write_description(folder: Path, description: Description) -> None:
    """Writes ``config.json``."""
    files.write_text(folder / CONFIG, description.model_dump_json(indent=2) + "\n")


def read_description(folder: Path) -> Description:
    """Reads ``config.json``.

    Raises:
        AvscError: It is absent, damaged or of another version.
    """
    path = folder / CONFIG
    try:
        return Description.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        reason = str(error).replace("\n", " ")
        raise AvscError(
            f"{path} is no description of an export: {reason}",
            "a folder that `avsc export` wrote",
            "check the path, or export again",
        ) from None
