"""Reading of weight files: tensors are loaded, nothing in a file is executed."""

import argparse
import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avsc.errors import AvscError
from avsc.files import mistaken_download

State = dict[str, Tensor]

# The keys that checkpoints keep weights under, in the order in which they are looked for.
_WRAPPERS = ("state_dict_ema", "state_dict", "model", "model_state_dict", "model_ema")


def read_state(path: Path) -> State:
    """Reads named tensors from ``.safetensors``, or from what ``torch.save`` wrote.

    In a training checkpoint the weights may lie under a key such as ``state_dict`` or ``model``.
    Names are returned as they are in the file; wrappers such as DataParallel's ``module.`` are
    part of them.

    Args:
        path: The file.

    Raises:
        AvscError: The file is absent or damaged, holds no named tensors, or holds objects that
            only running its code could restore.
    """
    if not path.is_file():
        raise AvscError(
            f"no weights at {path}",
            "a .safetensors or .pth file, or a folder that `avsc pretrain` wrote",
            "check the path",
        )
    if wrong := mistaken_download(path):
        raise AvscError(
            f"{path} {wrong}",
            "weights",
            "download it again, and see that it is the file itself that comes",
        )
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    return _tensors_of(_load_pickle(path), path)


def read_safetensors(path: Path) -> State:
    """Reads a ``.safetensors`` file.

    Raises:
        AvscError: The file is absent or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise AvscError(
            f"cannot read the weights {path}: {error}", "a whole .safetensors file", "copy it again"
        ) from None


def sha256_state(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values; it does not depend on the format of the file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _load_pickle(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            # latin1 is for strings that Python 2 wrote. PyTorch warns that it ignores it, and
            # does not.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
    except pickle.UnpicklingError as error:
        raise AvscError(
            f"{path} holds more than tensors and was not loaded: {_first_sentence(error)}",
            "weights alone; nothing in the file was run",
            "if you trust where it comes from, save its state_dict as .safetensors and pass that",
        ) from None
    except RuntimeError as error:
        if "TorchScript" not in str(error):
            raise _unreadable(path, error) from None
        raise AvscError(
            f"{path} is a TorchScript archive, a program with weights in it, and was not run",
            "weights alone",
            "if you trust where it comes from, save its state_dict() as .safetensors and pass that",
        ) from None
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> AvscError:
    return AvscError(
        f"cannot read the weights {path}: {_first_sentence(error)}",
        "a file that torch.save wrote, whole",
        "copy it again, or save its state_dict as .safetensors",
    )


def _harmless() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    # Training scripts leave their arguments and an accuracy (a NumPy number) beside the weights.
    # These only build plain values. NumPy 1 had the same function under another name.
    scalar: Callable[..., Any] = np.float64(0).__reduce__()[0]  # type: ignore[assignment]
    return [
        argparse.Namespace,
        np.dtype,
        type(np.dtype(np.float64)),
        type(np.dtype(np.float32)),
        scalar,
        (scalar, "numpy.core.multiarray.scalar"),
    ]


def _tensors_of(content: object, path: Path) -> State:
    while isinstance(content, Mapping) and (key := _wrapper(content)) is not None:
        content = content[key]
    state: State = {}
    if isinstance(content, Mapping):
        state = {str(name): v for name, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise AvscError(
            f"{path} holds no named tensors",
            f"names and tensors, at the top or under {', '.join(_WRAPPERS)}",
            "save the model's state_dict as .safetensors and pass that file",
        )
    return state


def _wrapper(content: Mapping[Any, Any]) -> str | None:
    return next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)


def _first_sentence(error: Exception) -> str:
    # PyTorch's message advises to load without weights_only and to run what the file says.
    text = str(error)
    marker = "WeightsUnpickler error:"
    if marker in text:
        text = text.split(marker, 1)[1]
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
