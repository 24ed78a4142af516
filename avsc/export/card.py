"""The model card, ``README.md`` beside an exported model, from the template ``model_card.md``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import console
from avsc.dataset import manifests
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.evaluation import evaluation_folder
from avsc.evaluate.scored_fold import FOLD
from avsc.export import weights
from avsc.export.description import Description
from avsc.folds import TRAIN, train_and_test
from avsc.models.sizes import part_sizes
from avsc.recipe_keys import to_toml
from avsc.report import formatting
from avsc.store.reader import Store
from avsc.train.load import Run

if TYPE_CHECKING:
    from avsc.export.int8 import Quantization

TEMPLATE = Path(__file__).with_name("model_card.md")


@dataclass(frozen=True)
class TrainingData:
    """What a run was trained on.

    Attributes:
        store: Name of the store's folder.
        sha256: Digest of the store.
        clip_seconds: Length of the longest clip.
        clips: Number of clips in the training fold; None if the store cannot be opened any more.
        official: Whether they are TAU's official training fold; None if that cannot be told.
    """

    store: str
    sha256: str
    clip_seconds: int
    clips: int | None = None
    official: bool | None = None


def model_card(
    run: Run, description: Description, model: Path, quantization: "Quantization | None" = None
) -> str:
    """The card of an export: Markdown below the metadata that the Hugging Face Hub reads.

    Args:
        run: Run that was exported.
        description: Content of ``config.json``.
        model: File of the model, ``.onnx`` or ``.safetensors``.
        quantization: What quantization of the file cost; None for a file in float32.
    """
    from huggingface_hub import ModelCard, ModelCardData

    audio, visual = description.audio, description.visual
    tower = description.audio_embedding
    inputs = {"audio": audio, "audio_embedding": tower, "image": visual}
    card = ModelCard.from_template(
        ModelCardData(license="other", library_name="avsc", tags=["scene-classification"]),
        template_path=str(TEMPLATE),
        description=description,
        audio=audio,
        visual=visual,
        tower=tower,
        arguments=[name for name, part in inputs.items() if part],
        onnx=model.suffix == ".onnx",
        data=training_data(run),
        scores=scores_of(
            run.path, description.weights_sha256, calibrated=description.temperature is not None
        ),
        quantization=quantization,
        sizes=part_sizes(run.model),
        byte_size=console.byte_size,
        teachers=[
            {"name": Path(one.path).name, "what": one.what, "sha256": one.sha256}
            for one in run.manifest.teachers
        ],
        distill=run.recipe.distill,
        recipe=to_toml(run.recipe).strip(),
        encoder_weights=Path(run.recipe.visual.weights).name,
        tensors=_tensors(model),
        versions=run.manifest.versions,
        loss=formatting.loss,
        per_cent=formatting.per_cent,
        loss_bounds=lambda pair: formatting.loss_bounds(_interval(pair)),
        per_cent_bounds=lambda pair: formatting.per_cent_bounds(_interval(pair)),
    )
    return f"{card}\n"


def scores_of(
    run: Path, weights_sha256: str | None, *, calibrated: bool = False
) -> dict[str, Any] | None:
    """The official scores of a run; None if it has none, or they are of other weights.

    Args:
        run: Folder of the run.
        weights_sha256: Digest of its weights.
        calibrated: Whether the scores with the run's temperature are wanted.
    """
    folder = evaluation_folder(run, None, FOLD, "segment", calibrated=calibrated)
    try:
        found = results.read_metrics(folder)
    except AvscError:
        return None
    return found if found.get("weights_sha256") == weights_sha256 else None


def training_data(run: Run) -> TrainingData:
    """What a run was trained on, as far as its store still says."""
    manifest = run.manifest
    known = (Path(manifest.store).name, manifest.store_sha256, manifest.settings.clip_seconds)
    try:
        store = Store.open(manifest.store)
    except AvscError:
        return TrainingData(*known)
    if store.sha256 != manifest.store_sha256:
        return TrainingData(*known)
    seen = train_and_test(store.clips, run.recipe.train.fold)
    ids = [clip.id for clip in seen if clip.fold == TRAIN]
    return TrainingData(*known, len(ids), manifests.is_official("train", ids))


def _interval(pair: Sequence[float] | None) -> Interval:
    return Interval(*(pair or (math.nan, math.nan)))


def _tensors(model: Path) -> dict[str, list[int]]:
    """Names and shapes of the tensors in a file, but for those of the visual encoder."""
    if model.suffix == ".onnx":
        return {}
    from safetensors import safe_open

    with safe_open(model, "pt") as file:
        names = [name for name in file.keys() if not name.startswith(weights.VISUAL)]  # noqa: SIM118
        return {name: file.get_slice(name).get_shape() for name in names}
