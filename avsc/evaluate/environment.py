"""The software and the machine that scores were made with."""

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from avsc import __version__

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "timm", "numpy", "zarr", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of the packages on which scores depend."""
    own = {"avsc": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in PACKAGES}


def hardware(device: "torch.device | None" = None) -> dict[str, str]:
    """Names of the machine's parts.

    Args:
        device: Device of the models; None where there were none.
    """
    parts = {"system": platform.platform(), "cores": str(os.cpu_count())}
    if device is not None:
        parts["device"] = str(device)
        if device.type == "cuda":
            import torch

            parts["device"] = f"{device}, {torch.cuda.get_device_name(device)}"
    return parts
