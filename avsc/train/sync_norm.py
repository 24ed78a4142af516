"""Batch normalisation over the batches of all ranks on CPUs, where PyTorch has none.

The mean and the variance of a batch are those of the samples of all ranks, as in one process, so
that a recipe learns the same on any number of ranks; a rank may even have a single sample.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class SyncedBatchNorm(_BatchNorm):
    """A batch normalisation with the parameters and buffers of another one.

    Args:
        norm: The layer whose place it takes; timm's with an activation among them.
        group: Processes whose batches are normalised together.
    """

    def __init__(self, norm: _BatchNorm, group: dist.ProcessGroup) -> None:
        super().__init__(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.drop = getattr(norm, "drop", nn.Identity())  # what timm's layers do behind it
        self.act = getattr(norm, "act", nn.Identity())
        self.train(norm.training)
        self._group = group

    def forward(self, x: Tensor) -> Tensor:
        """Normalises [n, C] or [n, C, ...] over all axes but the second, and over all ranks."""
        if self.training:
            mean, variance, count = self._statistics(x)
            self._track(mean, variance, count)
        else:
            assert self.running_mean is not None
            assert self.running_var is not None
            mean, variance = self.running_mean, self.running_var
        normalised = (x - _like(mean, x)) * _like(torch.rsqrt(variance + self.eps), x)
        if self.affine:
            normalised = normalised * _like(self.weight, x) + _like(self.bias, x)
        return self.act(self.drop(normalised))  # type: ignore[no-any-return]

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance [C] over all ranks, and the number of values behind each."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        here = torch.tensor([x.numel() / x.shape[1]], dtype=x.dtype)
        summed = _summed(torch.cat([x.sum(axes), here]), self._group)
        count = summed[-1].detach()
        mean = summed[:-1] / count
        squares = (x - _like(mean, x)).square().sum(axes)
        return mean, _summed(squares, self._group) / count, count

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(unbiased, share)

    def _check_input_dim(self, x: Tensor) -> None:
        del x  # any


def synchronise(module: nn.Module) -> None:
    """Has every batch normalisation of a module normalise over all ranks."""
    # A group of its own, so that nothing is mixed up with the averaging of gradients.
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, SyncedBatchNorm(child, group))


def _like(values: Tensor, x: Tensor) -> Tensor:
    """Values of each channel, shaped to go with [n, C, ...]."""
    return values.reshape(1, -1, *[1] * (x.dim() - 2))


def _summed(values: Tensor, group: dist.ProcessGroup) -> Tensor:
    """The sum over ranks, through which gradients flow."""
    summed: Tensor = all_reduce(values, group=group)  # type: ignore[no-untyped-call]
    return summed
