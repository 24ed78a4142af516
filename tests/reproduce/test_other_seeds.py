"""Seeds that a table would not be of are refused before anything is done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from avsc.errors import AvscError
from avsc.part import Part
from avsc.reproduce.dry_run import dry_run
from avsc.reproduce.plan import Options, Request
from avsc.reproduce.reproduce import reproduce
from avsc.reproduce.status import require_seeds, run_folder
from tests.reproduce.conftest import SMOKE

if TYPE_CHECKING:
    from tests.reproduce.conftest import Trainer


def _request(seeds: int | None, target: str = "table2", only: tuple[str, ...] = ()) -> Request:
    return Request((target,), only, replace(SMOKE, seeds=seeds))


def _make(out: Path, recipe: str, *seeds: int) -> Path:
    for seed in seeds:
        (run_folder(out, recipe) / f"seed-{seed}").mkdir(parents=True)
    return run_folder(out, recipe)


def _dry(request: Request, store: Path, out: Path) -> None:
    dry_run(request, store, out)


def _start(request: Request, store: Path, out: Path) -> None:
    reproduce(request, store, out, device="cpu")


def _part(request: Request, store: Path, out: Path) -> None:
    reproduce(request, store, out, part=Part(1, 2), device="cpu")


@pytest.mark.parametrize("begin", [_dry, _start, _part])
def test_fewer_seeds_than_there_are_is_said_before_the_work(
    begin: Callable[[Request, Path, Path], None],
    small_store: Path,
    trainer: "Trainer",
    tmp_path: Path,
) -> None:
    first = _make(tmp_path, "audio-fbank", 0, 1, 2)
    second = _make(tmp_path, "video-resnet50", 1, 7)
    with pytest.raises(AvscError) as caught:
        begin(_request(2), small_store, tmp_path)
    lines = caught.value.got.splitlines()[1:]
    assert [line.partition(":")[0].strip() for line in lines] == [str(first), str(second)]
    assert "seed-2" in lines[0]
    assert "seed-7" in lines[1]
    assert "seed-1" not in caught.value.got
    assert not trainer.trained


def test_one_run_and_folders_of_seeds_do_not_stand_for_each_other(tmp_path: Path) -> None:
    folder = _make(tmp_path, "audio-fbank", 0, 1)
    with pytest.raises(AvscError) as caught:
        require_seeds(_request(None), tmp_path)
    assert f"{folder}: seed-0, seed-1" in caught.value.got
    assert "--seeds N" in caught.value.remedy
    (run_folder(tmp_path, "audio-scalogram")).mkdir()
    (run_folder(tmp_path, "audio-scalogram") / "config.toml").touch()
    with pytest.raises(AvscError) as caught:
        require_seeds(_request(2), tmp_path)
    (line,) = caught.value.got.splitlines()[1:]
    assert str(run_folder(tmp_path, "audio-scalogram")) in line
    assert "leave --seeds out" in caught.value.remedy


def test_seeds_that_no_row_is_the_mean_of_do_not_matter(tmp_path: Path) -> None:
    _make(tmp_path, "audio-scalogram", 0, 1, 2, 3)  # of table 2; table 4 takes encoders of some
    _make(tmp_path, "pipeline-scalogram-effnetv2s", 0)
    for request in (_request(2, "table4"), _request(4), _request(5), _request(2, "fig2")):
        require_seeds(request, tmp_path)
    require_seeds(_request(2, only=("fbank",)), tmp_path)
    later = Options((*SMOKE.settings, "train.seed=1"), smoke=True, seeds=2)
    with pytest.raises(AvscError) as caught:
        require_seeds(Request(("table2",), options=later), tmp_path)
    assert "seed-0" in caught.value.got
