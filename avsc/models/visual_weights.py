"""Builds a visual encoder: the timm model, its weights and what these expect of an image.

Weights come from timm, from a file, from a folder that ``avsc pretrain`` wrote, or are random.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avsc import files
from avsc.errors import AvscError
from avsc.models.visual import ImageConfig, VisualEncoder
from avsc.models.weights import State, read_safetensors, read_state, sha256_state
from avsc.recipe import VisualRecipe

FOLDER_FORMAT = "avsc-visual-encoder"
FOLDER_VERSION = 1
FOLDER_WEIGHTS = "model.safetensors"
FOLDER_CONFIG = "config.json"


def build(recipe: VisualRecipe) -> VisualEncoder:
    """Builds the encoder a recipe names, on the CPU.

    ``weights`` is ``pretrained`` (timm downloads them once), ``random`` (a fixed function of the
    model's name), a ``.safetensors`` or ``.pth`` file, or a folder of ``avsc pretrain``.

    Raises:
        AvscError: timm has no such model, the weights cannot be had, or they do not fit it.
    """
    source = recipe.weights
    if source == "pretrained":
        backbone = _download(recipe)
        return VisualEncoder(backbone, recipe.model, image_config(backbone, recipe.image_size))
    backbone = _random_backbone(recipe)
    config = image_config(backbone, recipe.image_size)
    if source != "random":
        path = Path(source)
        if path.is_dir():
            state, config = _read_folder(path, recipe)
        else:
            state = read_state(path)
        _fill(backbone, state, recipe.model, path)
    return VisualEncoder(backbone, recipe.model, config)


def image_config(backbone: nn.Module, size: int | None = None) -> ImageConfig:
    """Reads what timm records of a model's weights; ``size`` overrides its side."""
    from timm.data.config import resolve_data_config

    data: dict[str, Any] = resolve_data_config({}, model=backbone)  # type: ignore[no-untyped-call]
    return ImageConfig(
        size=size or int(data["input_size"][1]),
        mean=tuple(data["mean"]),
        deviation=tuple(data["std"]),
        interpolation=str(data["interpolation"]),
        crop_pct=float(data["crop_pct"]),
    )


def create_backbone(name: str, image_size: int | None, pretrained: bool = False) -> nn.Module:
    """Makes a timm model by name without its head; random weights unless ``pretrained``.

    Raises:
        AvscError: timm has no such model or tag.
    """
    import timm

    base = name.split(".", maxsplit=1)[0]
    if not timm.is_model(base):
        close = difflib.get_close_matches(base, timm.list_models(), n=3)
        raise AvscError(
            f"timm has no model {name!r}",
            "a name that timm.list_models() gives, such as resnet50",
            f"perhaps {', '.join(close)}" if close else "correct visual.model",
        )
    size: dict[str, Any] = {}
    try:
        known = timm.get_pretrained_cfg(name)
        if image_size is not None and known is not None and known.fixed_input_size:
            size = {"img_size": image_size}  # transformers are built for one size
        model: nn.Module = timm.create_model(name, pretrained, num_classes=0, **size)
    except RuntimeError as error:
        if "pretrained tag" not in str(error):
            raise
        raise AvscError(
            f"timm: {error}", "a tag that timm.list_pretrained() gives", "correct visual.model"
        ) from None
    return model


def save_folder(folder: Path, name: str, state: State, config: ImageConfig) -> None:
    """Writes the weights of a headless model as ``--ve-weights`` takes them.

    The folder holds ``model.safetensors`` and ``config.json``: the timm name, what the weights
    expect of an image, and their digest.
    """
    from safetensors.torch import save

    files.write_bytes(folder / FOLDER_WEIGHTS, save({k: v.contiguous() for k, v in state.items()}))
    content = {
        "format": FOLDER_FORMAT,
        "version": FOLDER_VERSION,
        "model": name,
        "image": asdict(config),
        "sha256": sha256_state(state),
    }
    files.write_text(folder / FOLDER_CONFIG, json.dumps(content, indent=2) + "\n")


def _read_folder(folder: Path, recipe: VisualRecipe) -> tuple[State, ImageConfig]:
    path = folder / FOLDER_CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (FOLDER_FORMAT, FOLDER_VERSION):
            raise ValueError(f"format {content['format']!r}, version {content['version']!r}")
        image = content["image"]
        config = ImageConfig(
            size=recipe.image_size or int(image["size"]),
            mean=tuple(image["mean"]),
            deviation=tuple(image["deviation"]),
            interpolation=str(image["interpolation"]),
            crop_pct=float(image["crop_pct"]),
        )
        name, sha256 = str(content["model"]), str(content["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AvscError(
            f"{folder} is no folder of visual weights: {type(error).__name__}: {error}",
            f"{FOLDER_WEIGHTS} and {FOLDER_CONFIG} as `avsc pretrain --out` writes them",
            "pass that folder, or a .safetensors or .pth file",
        ) from None
    if name != recipe.model:
        raise AvscError(
            f"{folder} holds weights of {name}",
            f"weights of {recipe.model}",
            f"--set visual.model={name}",
        )
    state = read_safetensors(folder / FOLDER_WEIGHTS)
    if sha256_state(state) != sha256:
        raise AvscError(
            f"{folder / FOLDER_WEIGHTS} is not what {FOLDER_CONFIG} records",
            f"weights with the digest {sha256}",
            "copy the folder again, or run `avsc pretrain` again",
        )
    return state, config


def _random_backbone(recipe: VisualRecipe) -> nn.Module:
    seed = int.from_bytes(hashlib.sha256(recipe.model.encode()).digest()[:7], "little")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_backbone(recipe.model, recipe.image_size)


def _download(recipe: VisualRecipe) -> nn.Module:
    import timm

    try:
        return create_backbone(recipe.model, recipe.image_size, pretrained=True)
    except AvscError:
        raise
    except Exception as error:
        # Whatever the hub's client, the network or a proxy may raise; there is no common base.
        wanted = timm.get_pretrained_cfg(recipe.model)
        assert wanted is not None
        if not wanted.has_weights:
            raise AvscError(
                f"timm has no trained weights for {recipe.model}",
                "a model with weights, or weights of your own",
                "--ve-weights FILE, or --ve-weights random",
            ) from None
        place = f"https://huggingface.co/{wanted.hf_hub_id}"
        raise AvscError(
            f"the weights of {recipe.model} could not be downloaded: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            "a network, or the weights in a file",
            f"fetch model.safetensors from {place} (files of timm models) on a machine that has "
            f"a network, and pass it: --ve-weights /path/to/model.safetensors",
        ) from error


def _fill(backbone: nn.Module, state: Mapping[str, Tensor], name: str, path: Path) -> None:
    own = backbone.state_dict()
    head = _head_prefixes(backbone)
    kept = {k: v for k, v in state.items() if k in own or not k.startswith(head)}
    wrong = [
        f"{k} is {tuple(v.shape)} not {tuple(own[k].shape)}"
        for k, v in kept.items()
        if k in own and v.shape != own[k].shape
    ]
    # Files from before PyTorch 0.4.1 do not count batches; evaluation does not ask for it.
    missing = [k for k in own if k not in kept and not k.endswith("num_batches_tracked")]
    unknown = [k for k in kept if k not in own]
    if wrong or missing or unknown:
        faults = [("missing", missing), ("unknown", unknown), ("of another shape", wrong)]
        raise AvscError(
            f"the weights in {path} do not fit {name}: "
            + "; ".join(f"{len(v)} {what}: {', '.join(v[:3])}" for what, v in faults if v),
            f"the tensors of timm's {name}",
            "name the model these weights belong to: --set visual.model=NAME",
        )
    backbone.load_state_dict(kept, strict=False)


def _head_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    heads = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
