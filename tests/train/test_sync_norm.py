"""Two processes on CPUs against one with the whole batch."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

WORKER = textwrap.dedent(
    """
    import sys, timm, torch
    import torch.distributed as dist
    from torch import nn
    from timm.layers import BatchNormAct2d
    from avsc.data.sampler import shard_of
    from avsc.train.distributed import joined

    def layers(dims):
        torch.manual_seed(0)
        if dims == 1:
            return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        return nn.Sequential(nn.Conv2d(2, 5, 3), BatchNormAct2d(5), nn.Flatten(), nn.LazyLinear(3))

    with joined("cpu") as ranks:
        for dims, samples in ((1, 11), (1, 2), (1, 3), (2, 7)):
            shape = (samples, 6) if dims == 1 else (samples, 2, 6, 6)
            whole = torch.randn(shape, generator=torch.Generator().manual_seed(1))
            alone, shared = layers(dims), layers(dims)
            for model in (alone, shared):
                torch.manual_seed(2)
                model(whole)  # lazy layers
            shared.load_state_dict(alone.state_dict())
            mine = whole[shard_of(torch.arange(samples), ranks.rank, ranks.world)]
            wrapped = ranks.wrap(shared)
            for _ in range(2):
                for model in (alone, shared):
                    model.zero_grad()
                alone(whole).square().sum().div(samples).backward()
                wrapped(mine).square().sum().mul(ranks.world / samples).backward()
            for (name, one), (_, two) in zip(alone.named_parameters(), shared.named_parameters()):
                torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6, msg=name)
            for name, one in alone.state_dict().items():
                torch.testing.assert_close(one, shared.state_dict()[name], msg=name)
            alone.eval(), shared.eval()
            torch.testing.assert_close(alone(whole), shared(whole))
    print("equal")
    """
)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_normalise_as_one_process_does(tmp_path: Path, world: int) -> None:
    (tmp_path / "worker.py").write_text(WORKER.replace("(1, 2), ", "(1, 2), " * (world == 2)))
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    done = subprocess.run(
        [sys.executable, *launch, str(tmp_path / "worker.py")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal") == world
