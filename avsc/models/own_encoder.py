"""Somebody's own acoustic encoder: the class that ``audio.encoder`` names.

Shape legend: n audio frames, 2 channels (average, difference), B bands, D features.
"""

import importlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from avsc.errors import AvscError
from avsc.models.acoustic import StandardisedEncoder


class OwnEncoder(StandardisedEncoder):
    """Standardisation before a module of the user's.

    Args:
        bands: Number of bands of a frame.
        encoder: Module from standardised frames, float32 [n, 2, B], to [n, D].
        name: Name of its class, for messages.

    Raises:
        AvscError: The module does not give that.
    """

    def __init__(self, bands: int, encoder: nn.Module, name: str) -> None:
        super().__init__(bands)
        self.encoder = encoder
        self.features = _features(encoder, bands, name)

    def forward(self, audio: Tensor) -> Tensor:
        """Encodes frames as the store has them: float32 [n, 2, B] -> [n, D]."""
        features: Tensor = self.encoder(self.standardised(audio))
        return features


def build_own(name: str, bands: int) -> OwnEncoder:
    """Imports a class and makes an encoder of it. This runs the code of its module.

    Args:
        name: ``package.module:Class``; modules beside the working directory are found too.
        bands: Number of bands, which the constructor gets as ``bands``.

    Raises:
        AvscError: It cannot be imported or made, or it is no encoder of such frames.
    """
    module_name, _, class_name = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # last, so that nothing there hides an installed package
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise AvscError(
            f"audio.encoder {name} cannot be imported: {error}",
            "package.module:Class, of an installed package or of a file here",
            f"check the name, or start where {module_name.partition('.')[0]} is",
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise AvscError(
            f"audio.encoder {name} is {found!r}", "a class derived from torch.nn.Module"
        )
    try:
        encoder = found(bands=bands)
    except TypeError as error:
        raise AvscError(
            f"audio.encoder {name} cannot be made: {error}",
            "a constructor whose one required parameter is `bands`",
            "give the others defaults",
        ) from error
    return OwnEncoder(bands, encoder, name)


def untrusted(name: str, place: Path | str) -> AvscError:
    """The error about a file that names a class, where nobody said that its code may run."""
    return AvscError(
        f"{place} has an acoustic encoder of its maker's own, {name}: to open it runs the code of "
        "that module, so nothing was imported",
        "your consent: a run is data, and data from strangers should run no code",
        "if you know and trust that code, say --trust-code (in Python trust_code=True)",
    )


@torch.no_grad()
def _features(encoder: nn.Module, bands: int, name: str) -> int:
    """Number D of features, found with two frames of zeros."""
    was_training = encoder.training
    try:
        found = encoder.eval()(torch.zeros(2, 2, bands))
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise AvscError(
            f"audio.encoder {name} does not take frames [2, 2, {bands}]: {lines[0]}",
            "a module from float32 [n, 2 channels, bands] to [n, D]",
            "try it on torch.zeros(2, 2, bands)",
        ) from error
    encoder.train(was_training)
    shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2 or not found.shape[1]:
        raise AvscError(
            f"audio.encoder {name} gives {shape} for frames [2, 2, {bands}]",
            "a tensor [2, D]",
            "flatten what is behind the first axis: x.flatten(1)",
        )
    return found.shape[1]
