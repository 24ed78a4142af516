"""Builds a visual encoder: the timm model, its weights and what these expect of an image.

Weights come from timm, from a file, from a folder that ``avsc pretrain`` wrote, or are random.
"""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from avsc import files
from avsc.errors import AvscError
from avsc.models.visual import ImageConfig, VisualEncoder
from avsc.models.weights import State, read_safetensors, read_state, sha256_state
from avsc.network import silence_of
from avsc.recipe_sections import VisualRecipe

FOLDER_WEIGHTS = "model.safetensors"
FOLDER_CONFIG = "config.json"

_BATCH_COUNT = "num_batches_tracked"
_EFFICIENTNET_PYTORCH_STEM = "_conv_stem.weight"  # the first tensor of its files


class _FolderConfig(BaseModel):
    """``config.json`` of a folder of visual weights."""

    format: Literal["avsc-visual-encoder"]
    version: Literal[1]
    model: str
    image: ImageConfig
    sha256: str


def build(recipe: VisualRecipe) -> VisualEncoder:
    """Builds the encoder of a recipe on the CPU; the global random state stays as it is.

    ``weights`` is ``pretrained`` (timm downloads them once), ``random`` (a fixed function of the
    model's name), a ``.safetensors`` or ``.pth`` file, or a folder of ``avsc pretrain``.

    Raises:
        AvscError: timm has no such model, the weights cannot be had, they do not fit the model,
            or the model does not take images of the recipe's size.
    """
    seed = int.from_bytes(hashlib.sha256(recipe.model.encode()).digest()[:7], "little")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, config = _backbone(recipe)
    try:
        return VisualEncoder(backbone, recipe.model, config)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _unfit_size(recipe.model, config.size, error) from error


def _backbone(recipe: VisualRecipe) -> tuple[nn.Module, ImageConfig]:
    if recipe.weights == "pretrained":
        backbone = _download(recipe)
        return backbone, image_config(backbone, recipe.image_size)
    backbone = create_backbone(recipe.model, recipe.image_size)
    config = image_config(backbone, recipe.image_size)
    if recipe.weights != "random":
        path = Path(recipe.weights)
        if path.is_dir():
            state, config = _read_folder(path, recipe)
        else:
            state = read_state(path)
        _fill(backbone, state, recipe, path)
    return backbone, config


def expected_image(recipe: VisualRecipe) -> ImageConfig:
    """What a recipe's encoder expects of an image, without its weights.

    Raises:
        AvscError: timm has no such model, or the folder of weights is another model's.
    """
    import timm

    if Path(recipe.weights).is_dir():
        return _read_folder_config(Path(recipe.weights), recipe)[1]
    known = timm.get_pretrained_cfg(recipe.model) if timm.is_model(_base(recipe.model)) else None
    if known is None:
        return image_config(create_backbone(recipe.model, recipe.image_size), recipe.image_size)
    fields: dict[str, Any] = known.to_dict()  # type: ignore[no-untyped-call]
    return _image_config({"pretrained_cfg": fields}, recipe.image_size)


def image_config(backbone: nn.Module, size: int | None = None) -> ImageConfig:
    """Reads what timm records of a model's weights.

    Args:
        backbone: A timm model.
        size: Side of the images in pixels; None for the side the weights were trained at.
    """
    return _image_config({"model": backbone}, size)


def _image_config(known: dict[str, Any], size: int | None) -> ImageConfig:
    from timm.data.config import resolve_data_config

    data: dict[str, Any] = resolve_data_config({}, **known)  # type: ignore[no-untyped-call]
    return ImageConfig(
        size=size or int(data["input_size"][1]),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=str(data["interpolation"]),
        crop_pct=float(data["crop_pct"]),
        crop_mode=data["crop_mode"],
    )


def create_backbone(
    name: str, image_size: int | None, pretrained: bool = False, state: State | None = None
) -> nn.Module:
    """Makes a timm model without its head.

    Args:
        name: The model's timm name.
        image_size: Side of its images in pixels; None for the side of its weights.
        pretrained: Whether to download timm's weights; random weights otherwise.
        state: Weights that timm loads instead, with the conversions it applies to its own.

    Raises:
        AvscError: timm has no such model or tag, or the model does not take the image size.
    """
    import timm

    base = _base(name)
    if not timm.is_model(base):
        close = difflib.get_close_matches(base, timm.list_models(), n=3)
        raise AvscError(
            f"timm has no model {name!r}",
            "a name that timm.list_models() gives, such as resnet50",
            f"perhaps {', '.join(close)}" if close else "correct visual.model",
        )
    options: dict[str, Any] = {}
    if state is not None:
        # Its head is gone, as the model's: timm then asks for exactly the model's tensors.
        overlay = {"state_dict": state, "custom_load": False, "num_classes": 0, "label_offset": 0}
        options["pretrained_cfg_overlay"] = overlay
    try:
        known = timm.get_pretrained_cfg(name)
        if image_size is not None and known is not None and known.fixed_input_size:
            options["img_size"] = image_size  # transformers are built for one size
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained or state is not None, num_classes=0, **options
        )
    except AssertionError as error:
        raise _unfit_size(name, image_size, error) from error
    except RuntimeError as error:
        if "pretrained tag" not in str(error):
            raise
        raise AvscError(
            f"timm: {error}", "a tag that timm.list_pretrained() gives", "correct visual.model"
        ) from None
    return model


def _base(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def _unfit_size(name: str, size: int | None, error: Exception) -> AvscError:
    import timm

    known = timm.get_pretrained_cfg(name)
    own = known.input_size[-1] if known is not None else 224
    return AvscError(
        f"{name} does not take images of {size} px: {_first_line(error)}",
        "a side that the model's patches and windows divide",
        f"--set visual.image_size={own}, the size of its weights, or a multiple of its patches",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def save_folder(folder: Path, name: str, state: State, config: ImageConfig) -> None:
    """Writes the weights of a headless model as ``--ve-weights`` takes them.

    The folder holds ``model.safetensors`` and ``config.json``: the timm name, what the weights
    expect of an image, and their digest.
    """
    from safetensors.torch import save

    files.write_bytes(folder / FOLDER_WEIGHTS, save({k: v.contiguous() for k, v in state.items()}))
    content = _FolderConfig(
        format="avsc-visual-encoder",
        version=1,
        model=name,
        image=config,
        sha256=sha256_state(state),
    )
    files.write_text(folder / FOLDER_CONFIG, content.model_dump_json(indent=2) + "\n")


def _read_folder_config(folder: Path, recipe: VisualRecipe) -> tuple[str, ImageConfig]:
    """The digest of a folder's weights and what they expect of an image."""
    try:
        content = _FolderConfig.model_validate_json((folder / FOLDER_CONFIG).read_bytes())
    except (OSError, ValidationError) as error:
        raise AvscError(
            f"{folder} is no folder of visual weights: {_first_line(error)}",
            f"{FOLDER_WEIGHTS} and {FOLDER_CONFIG} as `avsc pretrain --out` writes them",
            "pass that folder, or a .safetensors or .pth file",
        ) from None
    if content.model != recipe.model:
        raise AvscError(
            f"{folder} holds weights of {content.model}",
            f"weights of {recipe.model}",
            f"--set visual.model={content.model}",
        )
    return content.sha256, replace(content.image, size=recipe.image_size or content.image.size)


def _read_folder(folder: Path, recipe: VisualRecipe) -> tuple[State, ImageConfig]:
    sha256, image = _read_folder_config(folder, recipe)
    state = read_safetensors(folder / FOLDER_WEIGHTS)
    if sha256_state(state) != sha256:
        raise AvscError(
            f"{folder / FOLDER_WEIGHTS} is not the file that {FOLDER_CONFIG} records",
            f"weights with the digest {sha256}",
            "copy the folder again, or run `avsc pretrain` again",
        )
    return state, image


def _download(recipe: VisualRecipe) -> nn.Module:
    import timm
    from huggingface_hub import constants

    is_offline, silence = constants.HF_HUB_OFFLINE, ""
    if not is_offline:
        # Asked once: the hub's client would ask again for most of a minute.
        silence = silence_of(constants.ENDPOINT)
        constants.HF_HUB_OFFLINE = bool(silence)  # weights that came before are found all the same
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
        why = silence or f"{type(error).__name__}: {_first_line(error)}"
        raise AvscError(
            f"the weights of {recipe.model} could not be downloaded: {why}",
            "a network, or the weights in a file",
            f"fetch model.safetensors from {place} (files of timm models) on a machine that has "
            f"a network, and pass it: --ve-weights /path/to/model.safetensors",
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = is_offline


def _fill(backbone: nn.Module, state: State, recipe: VisualRecipe, path: Path) -> None:
    own = backbone.state_dict()
    head = _head_prefixes(backbone)
    named = _with_timms_names(state, own)
    kept = {k: v for k, v in named.items() if k in own or not k.startswith(head)}
    wrong = [k for k, v in kept.items() if k in own and v.shape != own[k].shape]
    # Files from before PyTorch 0.4.1 do not count batches; evaluation does not ask for it.
    missing = [k for k in own if k not in kept and not k.endswith(_BATCH_COUNT)]
    unknown = [k for k in kept if k not in own]
    if wrong and not missing and not unknown and all("pos" in name for name in wrong):
        # Only the embeddings of positions differ: they were trained at another image size.
        with suppress(RuntimeError):
            kept = create_backbone(recipe.model, recipe.image_size, state=kept).state_dict()
            wrong = []
    if wrong or missing or unknown:
        shapes = [f"{k} is {tuple(kept[k].shape)} not {tuple(own[k].shape)}" for k in wrong]
        faults = [("missing", missing), ("unknown", unknown), ("of another shape", shapes)]
        raise AvscError(
            f"the weights in {path} do not fit {recipe.model}: "
            + "; ".join(f"{len(v)} {what}: {', '.join(v[:3])}" for what, v in faults if v),
            f"the tensors of timm's {recipe.model}",
            "name the model these weights belong to: --set visual.model=NAME",
        )
    backbone.load_state_dict(kept, strict=False)


def _with_timms_names(state: State, own: Mapping[str, Tensor]) -> State:
    """Renames a file's tensors to a model's where that can be told.

    Wrappers put their own prefix before every name (``module.``, Lightning's ``net.``). Files of
    EfficientNet-PyTorch have other names, in the order of timm's model of the same architecture.
    """
    if not any(name.endswith(_EFFICIENTNET_PYTORCH_STEM) for name in state):
        return _without_prefix(state, list(own))
    theirs = _without_prefix(state, [_EFFICIENTNET_PYTORCH_STEM])
    tensors = [v for k, v in theirs.items() if not k.startswith("_fc.") and _BATCH_COUNT not in k]
    names = [name for name in own if not name.endswith(_BATCH_COUNT)]
    return dict(zip(names, tensors, strict=True)) if len(names) == len(tensors) else theirs


def _without_prefix(state: State, names: Sequence[str]) -> State:
    """The tensors under the prefix with which most of the names occur, without that prefix."""
    prefixes = {k.removesuffix(names[0]) for k in state if f".{k}".endswith(f".{names[0]}")}
    for prefix in sorted(prefixes, key=len):
        if sum(prefix + name in state for name in names) > len(names) / 2:
            return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return state


def _head_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    heads = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
