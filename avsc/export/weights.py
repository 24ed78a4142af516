"""The system as safetensors and a description; nothing in it is executed when it is read."""

from pathlib import Path

from torch import Tensor

from avsc import files
from avsc.errors import AvscError
from avsc.export.description import Description, read_description
from avsc.export.system import System
from avsc.models import visual_weights
from avsc.models.own_encoder import untrusted
from avsc.models.scene_model import build_model, renamed
from avsc.models.visual import VisualEncoder
from avsc.models.visual_weights import create_backbone
from avsc.models.weights import State, read_safetensors
from avsc.recipe_sections import VisualRecipe

WEIGHTS = "model.safetensors"
VISUAL = "visual_encoder."  # what the frozen encoder's names begin with
_OLD = {"visual.": VISUAL, "scorer.": ""}  # prefixes of exports of version 0.1


def write_weights(path: Path, system: System, with_encoder: bool) -> None:
    """Writes what was trained, and the visual encoder's backbone if wanted."""
    from safetensors.torch import save

    tensors = _prefixed("", system.model.state_dict())
    if with_encoder and system.visual_encoder is not None:
        tensors |= _prefixed(VISUAL, system.visual_encoder.backbone.state_dict())
    files.write_bytes(path, save(tensors, metadata={"format": "pt"}))


def read_system(folder: Path, ve_weights: str | None = None, *, trust_code: bool = False) -> System:
    """Reads what ``avsc export --format safetensors`` wrote.

    >>> system = read_system(Path("runs/joint/export/safetensors"))  # doctest: +SKIP
    >>> system(audio=frames, image=images)  # [n, 2, B], [n, Z, Z, 3]  # doctest: +SKIP

    Args:
        folder: The export.
        ve_weights: The visual encoder's weights, as ``avsc train`` takes them, for an export
            that does not hold them.
        trust_code: Whether the class that the export names as its acoustic encoder may be
            imported, which runs its code.

    Raises:
        AvscError: The folder is no such export, is damaged, or lacks the encoder.
    """
    description = read_description(folder)
    path = folder / WEIGHTS
    state = _current(read_safetensors(path))
    _require_same(path, description)
    audio = description.audio
    own = None if audio is None else audio.encoder
    tower = description.audio_embedding
    if own is not None and not trust_code:
        raise untrusted(own, folder)
    model = build_model(
        None if audio is None else audio.bands,
        _visual_encoder(folder, description, state, ve_weights),
        len(description.scenes),
        "all" if audio is None else audio.concat,
        stand_ins="stand_ins.audio" in state,
        own=own,
        tower_features=0 if tower is None else tower.features,
        width=description.width,
    )
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(VISUAL)})
    return System(model)


def _visual_encoder(
    folder: Path, description: Description, state: State, ve_weights: str | None
) -> VisualEncoder | None:
    visual = description.visual
    if visual is None:
        return None
    if not visual.included:
        return _from_elsewhere(folder, description, ve_weights)
    backbone = create_backbone(visual.model, visual.image.size)
    held = {k.removeprefix(VISUAL): v for k, v in state.items() if k.startswith(VISUAL)}
    backbone.load_state_dict(held)
    return VisualEncoder(backbone, visual.model, visual.image)


def _current(state: State) -> State:
    """The tensors under today's names."""
    named = {}
    for name, tensor in state.items():
        old = next((prefix for prefix in _OLD if name.startswith(prefix)), "")
        named[_OLD.get(old, "") + name.removeprefix(old)] = tensor
    return renamed(named)


def _from_elsewhere(
    folder: Path, description: Description, ve_weights: str | None
) -> VisualEncoder:
    visual = description.visual
    assert visual is not None
    if ve_weights is None:
        raise AvscError(
            f"{folder} does not hold the weights of {visual.model}",
            "these weights too",
            "pass ve_weights=PATH, or export again without --no-encoder",
        )
    recipe = VisualRecipe(model=visual.model, weights=ve_weights, image_size=visual.image.size)
    encoder = visual_weights.build(recipe)
    if encoder.sha256 != visual.sha256:
        raise AvscError(
            f"{ve_weights} are other weights of {visual.model}: SHA-256 {encoder.sha256[:12]}",
            f"those the run was trained with, {visual.sha256[:12]}",
            "pass the right ones",
        )
    return encoder


def _require_same(path: Path, description: Description) -> None:
    wanted = description.files.get(path.name)
    if wanted != files.sha256_file(path):
        raise AvscError(
            f"{path} is not the file its config.json describes",
            f"a file with the SHA-256 {wanted}",
            "copy the folder again, or export again",
        )


def _prefixed(prefix: str, state: State) -> State:
    return {prefix + name: _contiguous(tensor) for name, tensor in state.items()}


def _contiguous(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
