"""What a run's folder holds, without opening its weights; and what scores were made with."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import __version__, console, recipe
from avsc.errors import AvscError
from avsc.report import formatting
from avsc.train.log import read_log

if TYPE_CHECKING:
    import torch

CONFIG = "config.toml"
CHECKPOINTS = "checkpoints"
EVALUATION = "evaluation"
METRICS = "metrics.json"
PACKAGES = ("torch", "timm", "numpy", "zarr", "scikit-learn")


def describe(run: Path) -> str:
    """What a run is, how far it is and what it scored, for ``avsc info``.

    Raises:
        AvscError: The folder is no run, or its ``config.toml`` is not a recipe.
    """
    if not (run / CONFIG).is_file():
        raise AvscError(
            f"{run} is no run: it has no {CONFIG}",
            "a folder that `avsc train --out` made",
            "check the path",
        )
    made = recipe.load(run / CONFIG)
    log = read_log(run)
    facts = [
        ("run", str(run)),
        ("strategy", made.train.strategy),
        *_inputs(made),
        ("epochs", _progress(run, made, len(log))),
        *_best(log),
        ("checkpoints", _checkpoints(run)),
        *_evaluations(run),
    ]
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The ``metrics.json`` of an evaluation's folder, such as ``RUN/evaluation``.

    Raises:
        AvscError: It is absent or damaged.
    """
    path = folder / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"log_loss": found["log_loss"], "accuracy": found["accuracy"], **found}
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


def weights_sha256(run: Path) -> str | None:
    """The digest of a run's best weights as its manifest has it; None before the first epoch."""
    files = _manifest(run / CHECKPOINTS / "best").get("files", {})
    found: str | None = files.get("weights.safetensors", {}).get("sha256")
    return found


def current_scores(run: Path) -> dict[str, Any] | None:
    """The official scores of a run that is finished; None if it or its evaluation is not."""
    if not _manifest(run / CHECKPOINTS / "last").get("finished"):
        return None
    try:
        found = read_metrics(run / EVALUATION)
    except AvscError:
        return None
    return found if found.get("weights_sha256") == weights_sha256(run) else None


def versions() -> dict[str, str]:
    """Versions of what scores depend on."""
    own = {"avsc": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in PACKAGES}


def hardware(device: "torch.device | None" = None) -> dict[str, str]:
    """The machine, in words."""
    words = {"system": platform.platform(), "cores": str(os.cpu_count())}
    if device is not None:
        words["device"] = str(device)
        if device.type == "cuda":
            import torch

            words["device"] = f"{device}, {torch.cuda.get_device_name(device)}"
    return words


def _inputs(made: recipe.Recipe) -> list[tuple[str, str]]:
    facts = []
    if made.train.strategy != "video":
        facts.append(("sound", f"{made.audio.feature}, concat {made.audio.concat}"))
    if made.train.strategy != "audio":
        facts.append(("picture", f"{made.visual.model}, weights {made.visual.weights}"))
    return facts


def _progress(run: Path, made: recipe.Recipe, done: int) -> str:
    words = f"{done} of at most {made.train.epochs}"
    finished = _manifest(run / CHECKPOINTS / "last").get("finished")
    if finished:
        return f"{words}, finished"
    if finished is None:
        return words
    return f"{words}, not finished (avsc train ... --resume goes on)"


def _best(log: list[dict[str, float]]) -> list[tuple[str, str]]:
    if not log:
        return []
    best = min(log, key=lambda row: row["val_loss"])
    words = (
        f"epoch {best['epoch']:.0f}: validation log-loss {formatting.loss(best['val_loss'])}, "
        f"accuracy {formatting.per_cent(best['val_accuracy'])} %"
    )
    spent = console.duration(sum(row.get("seconds", 0.0) for row in log))
    return [("best", words), ("time", spent)]


def _checkpoints(run: Path) -> str:
    names = [
        path.name for path in sorted((run / CHECKPOINTS).glob("*")) if not path.name.startswith(".")
    ]
    return ", ".join(names) or "none yet"


def _evaluations(run: Path) -> list[tuple[str, str]]:
    folders = sorted({path.parent for path in (run / EVALUATION).rglob(METRICS)})
    if not folders:
        return [("evaluation", f"none yet (avsc evaluate {run})")]
    facts = []
    for folder in folders:
        found = read_metrics(folder)
        words = (
            f"log-loss {formatting.loss(found['log_loss'])}, "
            f"accuracy {formatting.per_cent(found['accuracy'])} % "
            f"({found.get('n_segments')} segments of the fold {found.get('fold')}, "
            f"protocol {found.get('protocol')})"
        )
        facts.append((str(folder.relative_to(run)), words))
    return facts


def _manifest(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's manifest as it stands; empty where it cannot be read (``avsc train`` says)."""
    try:
        found = json.loads((checkpoint / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
