"""Two processes that share each batch."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from avsc.data.batch import Batch
from avsc.recipe import Recipe
from avsc.recipe_keys import to_toml
from avsc.train.epoch import Optimization
from avsc.train.log import read_log
from avsc.train.run import train
from tests.train.kept import CHANCE, MakeRecipe, same, weights_of

WORKER = textwrap.dedent(
    """
    import sys, torch
    from pathlib import Path
    from avsc import recipe
    from avsc.train import run
    from avsc.train.epoch import Optimization

    torch.set_num_threads(1)
    store, out, dump, asked = map(Path, sys.argv[1:])
    seen, step = [], Optimization.step

    def noting(self, batch):
        seen.append((batch.number, batch.total, batch.index.tolist()))
        found = step(self, batch)
        content = {"seen": seen, "weights": self.model.module.state_dict()}
        torch.save(content, dump / f"{self.ranks.rank}.pt")
        return found

    Optimization.step = noting
    run.train(store, out, recipe.load(asked), device="cpu")
    """
)


def test_two_ranks_see_disjoint_shards_and_end_with_equal_weights(
    small_store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quick("train.batch_size=32")
    dumped = _torchrun(2, small_store, asked, tmp_path)
    alone: list[list[int]] = []
    step = Optimization.step

    def noting(self: Optimization, batch: Batch) -> torch.Tensor:
        alone.append(batch.index.tolist())
        return step(self, batch)

    monkeypatch.setattr(Optimization, "step", noting)
    train(small_store, tmp_path / "alone", asked, device="cpu")
    shares = [dump["seen"] for dump in dumped]
    for (number, total, first), (_, _, second), both in zip(*shares, alone, strict=True):
        assert not set(first) & set(second), number
        assert sorted(first + second) == sorted(both)
        assert total == len(both)
    trained = [name for name in dumped[0]["weights"] if "running" not in name]
    for name in trained:
        assert torch.equal(dumped[0]["weights"][name], dumped[1]["weights"][name]), name
    assert same(dumped[0]["weights"], weights_of(tmp_path / "run"))  # rank 0 writes
    rows = read_log(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["samples"] == read_log(tmp_path / "alone")[0]["samples"]
    assert rows[-1]["val_loss"] < CHANCE


def test_two_ranks_take_a_batch_that_leaves_one_of_them_a_single_sample(
    small_store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    asked = quick("train.strategy=audio", "train.batch_size=4", "train.epochs=1")
    dumped = _torchrun(2, small_store, asked, tmp_path)
    assert min(len(mine) for dump in dumped for _, _, mine in dump["seen"]) == 1
    assert len(read_log(tmp_path / "run")) == 1


def _torchrun(world: int, store: Path, asked: Recipe, folder: Path) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    (folder / "worker.py").write_text(WORKER)
    (folder / "asked.toml").write_text(to_toml(asked))
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    arguments = [store, folder / "run", folder, folder / "asked.toml"]
    subprocess.run(
        [sys.executable, *launch, str(folder / "worker.py"), *map(str, arguments)],
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]
