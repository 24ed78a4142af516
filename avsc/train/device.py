"""The device a command runs on, and bit-equal results on request."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from avsc.errors import AvscError


def resolve_device(name: str = "auto", local_rank: int = 0) -> torch.device:
    """The device of that name; ``auto`` is this process's GPU where there is one.

    Raises:
        AvscError: There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", local_rank)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise AvscError(
            f"the device {name!r} cannot be used: {str(error).splitlines()[0]}",
            "auto, cpu, cuda or cuda:N",
            "leave --device out to take what there is",
        ) from None
    return device


@contextmanager
def determinism(wanted: bool, device: torch.device) -> Iterator[None]:
    """Makes every kernel deterministic if wanted; else lets cuDNN choose the fastest."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as cuBLAS asks for
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.benchmark = device.type == "cuda" and not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def tensor_cores(wanted: bool) -> Iterator[None]:
    """Lets products of float32 matrices on a GPU use TF32 (10 bits of mantissa) if wanted."""
    before = torch.get_float32_matmul_precision()
    if wanted:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
