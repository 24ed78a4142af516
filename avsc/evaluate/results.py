"""The evaluations that a run's folder holds, read without its weights."""

import json
from pathlib import Path
from typing import Any

from avsc.errors import AvscError
from avsc.evaluate.bootstrap import FEWEST_LOCATIONS

CHECKPOINTS = "checkpoints"
EVALUATION = "evaluation"
AGREEMENT = "agreement"
METRICS = "metrics.json"


def read_metrics(folder: Path) -> dict[str, Any]:
    """The ``metrics.json`` of an evaluation's folder, such as ``RUN/evaluation``.

    Raises:
        AvscError: The file is absent or damaged.
    """
    path = folder / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found = {"log_loss": found["log_loss"], "accuracy": found["accuracy"], **found}
    except OSError as error:
        raise AvscError(
            f"cannot read {path}: {error.strerror}",
            "the scores that `avsc evaluate` writes",
            f"score the run first: avsc evaluate {folder.parent}",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise AvscError(
            f"{path} is damaged: {error}", "the scores of an evaluation", "evaluate again"
        ) from None
    if found.get("n_locations", FEWEST_LOCATIONS) < FEWEST_LOCATIONS and "intervals" in found:
        # Files made before have numbers there, which say nothing.
        unknown = dict.fromkeys(("log_loss", "accuracy", "log_loss_micro", "accuracy_micro"))
        found["intervals"] = found["intervals"] | unknown
    return found


def read_agreement(folder: Path) -> dict[str, Any]:
    """The ``metrics.json`` that `avsc agree` wrote into a folder.

    Raises:
        AvscError: The file is damaged.
    """
    path = folder / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        scores = {unit: {"f1": found[unit]["f1"], **found[unit]} for unit in ("segments", "clips")}
        return {"fold": found["fold"], "swaps": found["swaps"], **found, **scores}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AvscError(
            f"{path} is damaged: {error}", "the scores of `avsc agree`", "run `avsc agree` again"
        ) from None


def current_metrics(run: Path) -> dict[str, Any] | None:
    """The official scores of a finished run; None if it is not finished or not evaluated since."""
    if not is_finished(run):
        return None
    try:
        found = read_metrics(run / EVALUATION)
    except AvscError:
        return None
    return found if found.get("weights_sha256") == weights_sha256(run) else None


def weights_sha256(run: Path) -> str | None:
    """The SHA-256 of a run's best weights from their manifest; None before the first epoch."""
    files = checkpoint_manifest(run, "best").get("files", {})
    found: str | None = files.get("weights.safetensors", {}).get("sha256")
    return found


def is_finished(run: Path) -> bool | None:
    """Whether a run's training is finished; None where no checkpoint can be read."""
    finished: bool | None = checkpoint_manifest(run, "last").get("finished")
    return finished


def checkpoint_manifest(run: Path, checkpoint: str) -> dict[str, Any]:
    """A checkpoint's manifest, unchecked; empty where it cannot be read (`avsc train` says why)."""
    path = run / CHECKPOINTS / checkpoint / "manifest.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
