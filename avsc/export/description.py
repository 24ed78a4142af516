"""``config.json`` beside an exported model: its inputs, its output and the run it comes from."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from avsc import __version__, files, timebase
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.models.visual import ImageConfig
from avsc.store.schema import FBankSettings, Feature, ScalogramSettings
from avsc.train.load import Run

CONFIG = "config.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AudioInput(_Part):
    """How an audio frame is computed (see ``avsc.signal.features``).

    Attributes:
        feature: Name of the feature.
        bands: Number of bands.
        settings: Settings of the filter bank.
        concat: Which blocks of the acoustic encoder are concatenated.
        encoder: Class of another acoustic encoder, ``package.module:Class``.
        sample_rate_hz: Sampling rate of the sound.
        window: Number of samples in a frame.
        hop: Number of samples between the beginnings of two frames.
    """

    feature: Feature
    bands: int
    settings: ScalogramSettings | FBankSettings
    concat: Literal["all", "last"]
    encoder: str | None = None
    sample_rate_hz: int = timebase.SAMPLE_RATE_HZ
    window: int = timebase.WINDOW
    hop: int = timebase.HOP


class TowerInput(_Part):
    """The pre-trained audio encoder whose embeddings the model takes, and does not contain.

    Attributes:
        model: Architecture, AST or CLAP.
        folder: Name of the folder that it was loaded from.
        sha256: Digest of its configuration and weights (``avsc.models.audio_tower``).
        features: Number of values in an embedding.
    """

    model: str
    folder: str
    sha256: str
    features: int


class VisualInput(_Part):
    """How an image is prepared, and the encoder that takes it.

    Attributes:
        model: timm name of the encoder.
        sha256: Digest of the encoder's weights.
        features: Number of values in an embedding.
        image: Size and normalisation of an image.
        included: Whether the export contains the encoder's weights.
    """

    model: str
    sha256: str
    features: int
    image: ImageConfig
    included: bool


class Description(_Part):
    """Content of ``config.json``.

    Attributes:
        format: Name of the file format.
        version: Version of the file format.
        avsc: Version of the package that exported.
        run: Name of the run's folder.
        weights_sha256: Digest of the weights in the run's best checkpoint.
        strategy: ``train.strategy`` of the run.
        scenes: Names of the scenes, in the order of the probabilities.
        audio: Input of audio frames; None for a run without an acoustic encoder of its own.
        audio_embedding: Input of embeddings of a pre-trained audio encoder; None for none.
        visual: Visual input; None for a run on sound alone.
        temperature: Temperature that the logits were divided by, inside the model; None for none.
        files: SHA-256 of each model file, by its name.
        width: Factor of the widths of hidden layers.
        quantization: Number format of an ONNX file; None for float32.
    """

    format: Literal["avsc-export"] = "avsc-export"
    version: Literal[1] = 1
    avsc: str = __version__
    run: str
    weights_sha256: str | None
    strategy: str
    scenes: tuple[str, ...]
    audio: AudioInput | None
    visual: VisualInput | None
    files: dict[str, str]
    temperature: float | None = None
    audio_embedding: TowerInput | None = None
    width: float = 1.0
    quantization: Literal["int8"] | None = None


def describe(
    run: Run,
    model: Path,
    included: bool,
    temperature: float | None = None,
    quantization: Literal["int8"] | None = None,
) -> Description:
    """Describes an export of a run.

    Args:
        run: Run that was exported.
        model: File of the model.
        included: Whether that file contains the visual encoder's weights.
        temperature: Temperature that was applied to the run; None for none.
        quantization: Number format of the file; None for float32.
    """
    feature = run.recipe.audio.feature
    settings = run.manifest.settings.bank(feature)
    audio = AudioInput(
        feature=feature,
        bands=settings.bands,
        settings=settings,
        concat=run.recipe.audio.concat,
        encoder=run.recipe.audio.own_class,
    )
    visual = None
    if run.visual_encoder is not None:
        visual = VisualInput(
            model=run.visual_encoder.name,
            sha256=run.visual_encoder.sha256,
            features=run.visual_encoder.features,
            image=run.visual_encoder.config,
            included=included,
        )
    return Description(
        run=run.path.resolve().name,
        weights_sha256=results.weights_sha256(run.path),
        strategy=run.recipe.train.strategy,
        scenes=run.scenes,
        audio=audio if run.uses_frames else None,
        audio_embedding=_tower(run),
        visual=visual,
        files={model.name: files.sha256_file(model)},
        temperature=temperature,
        width=run.recipe.model.width,
        quantization=quantization,
    )


def _tower(run: Run) -> TowerInput | None:
    recorded, folder = run.manifest.audio_tower, run.recipe.audio.model
    if recorded is None or folder is None:
        return None
    return TowerInput(**recorded.model_dump(), folder=Path(folder).name)


def write_description(folder: Path, description: Description) -> None:
    """Writes ``config.json``."""
    # Earlier versions read only what they know.
    absent: dict[str, Any] = {}
    if description.audio_embedding is None:
        absent["audio_embedding"] = True
    if description.temperature is None:
        absent["temperature"] = True
    if description.quantization is None:
        absent["quantization"] = True
    if description.width == 1:
        absent["width"] = True
    if description.audio is not None and description.audio.encoder is None:
        absent["audio"] = {"encoder"}
    content = description.model_dump_json(indent=2, exclude=absent)
    files.write_text(folder / CONFIG, content + "\n")


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
            f"{path} does not describe an export: {reason}",
            "a folder that `avsc export` wrote",
            "check the path, or export again",
        ) from None
