"""The processes of a run: one, or as many as ``torchrun`` started.

Each rank encodes and trains on its share of every batch; gradients are averaged, so all weights
stay equal. Rank 0 writes. Batch statistics are those of the whole batch, as in one process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avsc.train.device import resolve_device
from avsc.train.sync_norm import synchronise

# Long enough for the slowest rank to compute its share of a fold's embeddings.
TIMEOUT = timedelta(hours=6)


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run.

    Attributes:
        rank: Number of this process.
        world: Number of processes.
        device: Device of this process.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Waits until all ranks are here."""
        if self.world > 1:
            dist.barrier()

    def from_first(self, values: list[float]) -> list[float]:
        """Rank 0's values, on every rank."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return [float(value) for value in shared.tolist()]

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over ranks, elementwise; may be ``values`` itself, changed."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over ranks."""
        if self.world == 1:
            return module
        if self.device.type == "cuda":
            # timm's, which keeps the activations that are part of its own layers.
            module = convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(module, device_ids=[self.device.index])
        synchronise(module)
        return DistributedDataParallel(module)


def world_size() -> int:
    """Number of processes that ``torchrun`` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Connects the processes that ``torchrun`` started; one process without it.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: There is no such device.
    """
    rank, local = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
    ranks = Ranks(rank, world_size(), resolve_device(device, local))
    if ranks.world == 1:
        yield ranks
        return
    if ranks.device.type == "cuda":
        torch.cuda.set_device(ranks.device)
    dist.init_process_group("nccl" if ranks.device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
