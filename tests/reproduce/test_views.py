import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsc.evaluate.results import read_metrics
from avsc.reproduce.plan import Options, Request
from avsc.reproduce.reproduce import reproduce
from tests.reproduce.conftest import SMOKE


def test_rows_of_raw_images_take_views_and_others_stay() -> None:
    runs = Request(("table2", "table4"), options=Options(views=16)).runs()
    for run in runs:
        train = run.recipe.train
        raw = train.strategy != "audio" and train.image_source() == "raw"
        assert train.views == (16 if raw else None), run.name
    assert {run.recipe.train.views for run in runs} == {16, None}


def test_each_seed_needs_the_audio_run_of_its_own_seed() -> None:
    runs = Request(("table4",), options=Options(seeds=3)).runs()
    assert len(runs) == 3 * len(Request(("table4",)).runs())
    names = {run.name for run in runs}
    for run in runs:
        assert run.name.endswith(f"/seed-{run.recipe.train.seed}")
        if run.needs:
            assert run.needs in names
            assert run.needs.rpartition("/")[2] == run.name.rpartition("/")[2]


def test_a_table_of_seeds_from_one_bank_says_so(small_store: Path, tmp_path: Path) -> None:
    options = replace(SMOKE, views=2, seeds=2)
    request = Request(("table2",), ("video", "resnet50"), options)
    reproduce(request, small_store, tmp_path, device="cpu")
    text = request.path(tmp_path, "table2", "csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(text.splitlines())
    page = request.path(tmp_path, "table2", "md").read_text()
    runs = tmp_path / "runs" / "video-resnet50"
    found = [read_metrics(runs / f"seed-{seed}" / "evaluation")["log_loss"] for seed in (0, 1)]
    assert float(row["log_loss"]) == pytest.approx(np.mean(found), abs=1e-6)
    assert "bank of 2 views" in page
    assert "±" in page
