"""The processes of a run: one, or as many as ``torchrun`` started.

Each rank encodes and trains on its share of every batch; gradients are averaged, so all weights
stay equal. Rank 0 writes. Batch statistics are those of the whole batch on GPUs (SyncBatchNorm,
which PyTorch has only there) and of a rank's share on CPUs, where rank 0's running means count.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

# Long enough for the slowest rank to compute its share of a fold's embeddings.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Waits until all ranks are here."""
        if self.world > 1:
            dist.barrier()

    def from_first(self, values: list[float], device: torch.device) -> list[float]:
        """Rank 0's values, on every rank."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return [float(value) for value in shared.tolist()]

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over ranks, elementwise; may be ``values`` itself, changed."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module with gradients averaged over ranks."""
        if self.world == 1:
            return module
        if device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(module, device_ids=[device.index])
        return DistributedDataParallel(module)


def from_environment() -> Ranks:
    """The ranks as ``torchrun`` says; one process without it."""
    rank, world, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    return Ranks(rank, world, local)


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Connects the processes for the duration."""
    if ranks.world == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()
