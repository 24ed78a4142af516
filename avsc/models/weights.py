"""Weight files read without trusting them: tensors come in, nothing in the file is executed."""

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

State = dict[str, Tensor]

_WRAPPERS = ("state_dict_ema", "state_dict", "model")  # the keys checkpoints keep weights under
_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile


def read_state(path: Path) -> State:
    """Reads named tensors from ``.safetensors``, or from what ``torch.save`` wrote.

    Training checkpoints are taken apart: the weights may lie under ``state_dict`` or ``model``,
    and names may begin with ``module.``, as in the Places365 files of CSAIL.

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
    """A digest of names, types, shapes and values: the same whatever file they came in."""
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
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise AvscError(
            f"cannot read the weights {path}: {_first_sentence(error)}",
            "a file that torch.save wrote, whole",
            "copy it again, or save its state_dict as .safetensors",
        ) from None


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
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    named = isinstance(content, Mapping) and len(content) > 0
    if not named or not all(isinstance(value, Tensor) for value in content.values()):  # type: ignore[attr-defined]
        raise AvscError(
            f"{path} holds no weights that can be told apart",
            "names and tensors, at the top or under state_dict or model",
            "save the model's state_dict as .safetensors",
        )
    assert isinstance(content, Mapping)
    state = {str(name): value for name, value in content.items()}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _first_sentence(error: Exception) -> str:
    # PyTorch's message advises to load without weights_only and to run what the file says.
    text = str(error)
    marker = "WeightsUnpickler error:"
    if marker in text:
        text = text.split(marker, 1)[1]
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
