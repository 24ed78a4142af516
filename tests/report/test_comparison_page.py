"""The page of a comparison: sound, complete, readable on a phone."""

from pathlib import Path

import pytest

from avsc.evaluate.compare import Comparison, compare
from avsc.report.comparison import comparison_page, write_comparison
from tests.evaluate.foreign import a_row_a_clip, write
from tests.report.conftest import NASTY, Show, Tags, assert_shown_without_faults, assert_sound

LOG = (
    '{"epoch": %d, "train_loss": 2.0, "train_accuracy": 0.3, "val_loss": %f, "val_accuracy": 0.5}\n'
)


def _run(folder: Path, seed: int, skill: float) -> Path:
    """What the page needs of a run: its log and its predictions."""
    (folder / "evaluation").mkdir(parents=True)
    write(a_row_a_clip(seed, skill), folder / "evaluation" / "predictions.csv")
    (folder / "log.jsonl").write_text("".join(LOG % (k, 2 / k + seed) for k in (1, 2, 3)))
    return folder


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    runs = [_run(tmp_path / name, k, 2.0 + k) for k, name in enumerate(("first", "second"))]
    for seed in (0, 1):
        _run(tmp_path / "third" / f"seed-{seed}", 5 + seed, 4.0)
    file = write(a_row_a_clip(9), tmp_path / "other.csv")
    return compare([*runs, tmp_path / "third", file])


def test_the_page_is_sound_and_has_all_parts_of_all_systems(found: Comparison) -> None:
    page = comparison_page(found)
    assert_sound(page)
    labels = Tags(page).values("aria-label")
    assert sum("Confusion matrix" in label for label in labels) == 4
    assert sum(label.startswith("Difference of log-losses by scene") for label in labels) == 3
    (curves,) = [label for label in labels if label.startswith("Validation log-loss")]
    assert all(name in curves for name in ("first", "second", "third"))
    assert "other" not in curves
    for system in found.systems:
        assert f"{system.scores.log_loss:.4f}" in page
    assert "Over seeds" in page


def test_predictions_alone_have_no_curves_and_names_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / 'a"><script>alert(1)</script>'
    folder.mkdir(parents=True)
    files = [write(a_row_a_clip(k), folder / f"{k}.csv") for k in (0, 1)]
    odd = tmp_path / "x<b>&.csv"
    odd.write_bytes(files[1].read_bytes())
    page = comparison_page(compare([files[0], odd]))
    assert_sound(page)
    assert "Learning curves" not in page
    assert NASTY not in page
    assert "x<b>" not in page


def test_each_system_gets_a_report_in_a_folder_of_its_own(
    found: Comparison, tmp_path: Path
) -> None:
    main = write_comparison(found, tmp_path / "out")
    assert main == tmp_path / "out" / "comparison.html"
    reports = sorted(path.parent.name for path in (tmp_path / "out").glob("*/report.html"))
    assert reports == ["first", "other", "second", "third"]
    for path in (tmp_path / "out").glob("*/report.html"):
        assert_sound(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_shows_it_without_faults(found: Comparison, show: Show, width: int) -> None:
    assert_shown_without_faults(show(comparison_page(found), width), width)
