"""Each evaluation has its own folder, and `avsc info RUN` lists them."""

from collections.abc import Callable
from pathlib import Path

from avsc.evaluate.evaluation import evaluate
from avsc.report.info import run_facts

Make = Callable[..., Path]


def test_other_stores_folds_and_protocols_do_not_replace_each_other(
    tmp_path: Path, small_store: Path, make_store: Make, make_run: Make
) -> None:
    run = make_run(tmp_path / "video", small_store, "video")
    other = make_store(tmp_path / "other.zarr", 30, clip_seconds=2, seed=4)
    third = make_store(tmp_path / "b" / "other.zarr", 40, clip_seconds=2, seed=5)
    made = [
        evaluate(run, device="cpu", with_report=False),
        evaluate(run, store=str(other), device="cpu", with_report=False),
        evaluate(run, store=str(third), device="cpu", with_report=False),
        evaluate(run, fold="train", device="cpu", with_report=False),
        evaluate(run, fold="validation", device="cpu", with_report=False),
        evaluate(run, protocol="context", device="cpu", with_report=False),
    ]
    folders = {str(result.folder) for result in made}
    assert len(folders) == len(made)
    assert made[0].folder == run / "evaluation"
    listed = [(name, text) for name, text in run_facts(run) if name.startswith("evaluation")]
    assert {str(run / name) for name, _ in listed} == folders
    assert sum(str(other) in text for _, text in listed) == 1
    assert sum(str(third) in text for _, text in listed) == 1
