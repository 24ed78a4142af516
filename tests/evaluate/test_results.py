"""The scores that a run's folder holds."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.evaluate.results import current_metrics, is_finished, read_metrics, weights_sha256


@pytest.mark.parametrize("content", [None, "{", "[]", '{"accuracy": 1}'])
def test_metrics_that_cannot_be_read_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(AvscError) as caught:
        read_metrics(tmp_path)
    assert str(tmp_path / "metrics.json") in caught.value.got


def test_scores_are_current_only_while_they_are_of_the_best_weights(
    tmp_path: Path, make_store: Callable[..., Path], make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path / "run", make_store(tmp_path / "store.zarr", 12), "audio")
    assert is_finished(run)
    assert current_metrics(run) is None  # not evaluated
    scores = {"log_loss": 1.0, "accuracy": 0.5, "weights_sha256": weights_sha256(run)}
    (run / "evaluation").mkdir()
    place = run / "evaluation" / "metrics.json"
    place.write_text(json.dumps(scores))
    assert current_metrics(run) == scores
    place.write_text(json.dumps(scores | {"weights_sha256": "0" * 64}))
    assert current_metrics(run) is None


def test_a_run_without_a_checkpoint_has_neither_weights_nor_scores(tmp_path: Path) -> None:
    assert (weights_sha256(tmp_path), is_finished(tmp_path)) == (None, None)
    assert current_metrics(tmp_path) is None


def test_describing_and_comparing_need_no_torch() -> None:
    code = (
        "import sys, avsc.evaluate.compare, avsc.evaluate.evaluation, avsc.report.pages\n"
        "import avsc.report.info, avsc.report.tables\n"
        "heavy = {'torch', 'timm', 'sklearn', 'matplotlib', 'jinja2', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
