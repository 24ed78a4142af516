"""``avsc evaluate`` of a folder of seeds: each seed's run, then their mean."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import files
from avsc.console import say
from avsc.evaluate import results
from avsc.evaluate.compare import Comparison, compare
from avsc.evaluate.evaluation import Result, evaluate
from avsc.evaluate.scored_fold import VALIDATION
from avsc.evaluate.seeds import Spread, seed_folders, trained_seeds
from avsc.evaluate.summary import as_json, known
from avsc.evaluate.temperature import require_calibrated

if TYPE_CHECKING:
    from avsc.evaluate.score import Protocol


# What the evaluations of all seeds have in common.
SHARED = ("protocol", "fold", "quarantined_clips", "store", "versions", "strategy")


@dataclass(frozen=True)
class SeedsResult:
    """What the evaluation of a folder of seeds found.

    Attributes:
        folder: Folder of the mean's ``metrics.json``.
        found: The folder as one system; None for an unlabelled fold and for validation.
    """

    folder: Path
    found: Comparison | None


def evaluate_seeds(
    folder: Path,
    *,
    store: str | None = None,
    fold: str = "test",
    protocol: "Protocol" = "segment",
    device: str = "auto",
    ve_weights: str | None = None,
    out: Path | None = None,
    with_report: bool = True,
    calibrated: bool = False,
    trust_code: bool = False,
) -> SeedsResult:
    """Scores the run of each seed, and writes their mean as ``metrics.json`` of the folder.

    Args:
        folder: Folder with ``seed-<n>/`` runs.
        store: As ``avsc.evaluate.evaluation.evaluate`` takes it, like what follows.
        fold: Name of the fold; ``validation`` has no mean, for each seed holds out other clips.
        protocol: Protocol.
        device: Device.
        ve_weights: Path of the visual encoder's weights.
        out: Folder to write ``seed-<n>/evaluation/`` into instead of the runs.
        with_report: Whether to write ``report.html`` of each seed.
        calibrated: Whether to apply each run's temperature.
        trust_code: Whether the classes that the runs name may be imported.

    Raises:
        AvscError: A run cannot be scored.
    """
    made: list[Result] = []
    runs = trained_seeds(folder)
    if calibrated:
        require_calibrated({folder: runs})
    for run in runs:
        say(f"{run}:")
        made.append(
            evaluate(
                run,
                store=store,
                fold=fold,
                protocol=protocol,
                device=device,
                ve_weights=ve_weights,
                out=None if out is None else out / run.name,
                with_report=with_report,
                calibrated=calibrated,
                trust_code=trust_code,
            )
        )
    base = out or folder
    within = _within(made, [base / run.name for run in runs])
    if made[0].summary is None or fold == VALIDATION:
        return SeedsResult(base / within, None)
    found = compare([base], within=str(within))
    of_first = results.read_metrics(base / runs[0].name / within)
    about = {key: of_first[key] for key in SHARED if key in of_first}
    content = json.dumps(mean_metrics(found) | about, indent=2, allow_nan=False)
    files.write_text(base / within / results.METRICS, content + "\n")
    return SeedsResult(base / within, found)


def _within(made: Sequence[Result], runs: Sequence[Path]) -> Path:
    """The evaluation's folder, relative to each run."""
    (within,) = {
        result.folder.relative_to(run)
        for result, run in zip(made, runs, strict=True)
        if result.folder is not None
    }
    return within


def mean_metrics(found: Comparison) -> dict[str, Any]:
    """Content of ``metrics.json`` of a folder of seeds: their mean, and each seed's scores."""
    (system,) = found.systems
    spread = system.spread or Spread((system.scores.log_loss,), (system.scores.accuracy,))
    return as_json(system.summary) | {
        "seeds": {
            "n": spread.n,
            "runs": [path.name for path in seed_folders(system.path)],
            "log_loss": list(spread.log_loss),
            "accuracy": list(spread.accuracy),
            "log_loss_std": known(spread.log_loss_std),
            "accuracy_std": known(spread.accuracy_std),
        }
    }
