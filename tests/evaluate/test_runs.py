"""What a run's folder says of itself."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from avsc.evaluate.runs import describe, read_metrics

from avsc.errors import AvscError

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_store: Make, make_run: Make) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "run", make_store(folder / "store.zarr", 12), "audio")


def test_a_run_says_what_it_is_and_how_far(run: Path) -> None:
    told = describe(run)
    assert "audio" in told
    assert "scalogram" in told
    assert "3 of at most 150, finished" in told
    assert "epoch 2: validation log-loss 1.5000, accuracy 60.00 %" in told
    assert "3 min 3 s" in told
    assert "best, last" in told
    assert f"none yet (avsc evaluate {run})" in told


def test_a_run_that_just_began_can_be_described(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[train]\nstrategy = "video"\n')
    told = describe(tmp_path)
    assert "0 of at most 150" in told
    assert "none yet" in told


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AvscError, match=r"no run: it has no config\.toml"):
        describe(tmp_path)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"accuracy": 1}'])
def test_metrics_that_cannot_be_read_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(AvscError, match=r"metrics\.json"):
        read_metrics(tmp_path)


def test_describing_and_comparing_need_no_torch() -> None:
    code = (
        "import sys, avsc.evaluate.runs, avsc.evaluate.compare, avsc.evaluate.evaluation\n"
        "print(sorted({'torch', 'timm', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
