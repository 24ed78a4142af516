"""One temperature for a run's logits, fitted on its validation clips and kept in the run.

Softmax of logits / T: T above 1 makes over-confident probabilities milder; the order of the scenes
of a frame stays. [Guo et al., On Calibration of Modern Neural Networks, ICML 2017.]

Shape legend: m samples (frames), n segments, C scenes.
"""

import copy
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsc import files, metrics
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.metrics import Labels, Probabilities

if TYPE_CHECKING:
    from avsc.train.load import Run

CALIBRATION = "calibration.json"
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibrated:
    """Content of ``RUN/calibration.json``.

    Attributes:
        temperature: Temperature T.
        weights_sha256: Digest of the weights it belongs to.
        clips: Ids of the clips it was fitted on.
        n_segments: Number of their segments.
        log_loss: Log-loss on these, before and after.
        ece: Calibration error on these, before and after.
    """

    temperature: float
    weights_sha256: str | None
    clips: tuple[str, ...]
    n_segments: int
    log_loss: tuple[float, float]
    ece: tuple[float, float]


def segment_shares(
    logits: NDArray[np.float64], segment: NDArray[np.int64], n: int, temperature: float
) -> Probabilities:
    """Each segment's probabilities: the mean over its samples of softmax(logits / T), [n, C].

    Args:
        logits: Logits of the samples, [m, C].
        segment: Each sample's segment, [m].
        n: Number of segments.
        temperature: Temperature T.
    """
    from scipy.special import softmax

    shares = softmax(logits / temperature, axis=1)
    total = np.zeros((n, logits.shape[1]))
    np.add.at(total, segment, shares)
    return total / np.bincount(segment, minlength=n)[:, None]


def fit_temperature(
    logits: NDArray[np.float64], segment: NDArray[np.int64], labels: Labels
) -> float:
    """The temperature from 0.05 to 20 with the least log-loss (mean of the class-wise values).

    Args:
        logits: Logits of the samples, [m, C].
        segment: Each sample's segment, [m].
        labels: Scene of each segment, [n].
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        shares = segment_shares(logits, segment, len(labels), float(np.exp(logarithm)))
        return metrics.log_loss(shares, labels)

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def write_calibration(run: Path, fitted: Calibrated) -> Path:
    """Writes ``calibration.json`` into a run's folder."""
    path = run / CALIBRATION
    files.write_text(path, json.dumps(asdict(fitted), indent=2) + "\n")
    return path


def has_calibration(run: Path) -> bool:
    """Whether a run keeps a temperature."""
    return (run / CALIBRATION).is_file()


def read_calibration(run: Path) -> Calibrated:
    """The temperature that a run keeps.

    Raises:
        AvscError: There is none, it is damaged, or it belongs to other weights.
    """
    path = run / CALIBRATION
    expected, remedy = "a temperature fitted on these weights", f"avsc calibrate {run}"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        fitted = Calibrated(
            **found
            | {name: tuple(found[name]) for name in ("clips", "log_loss", "ece")}
            | {"temperature": float(found["temperature"])}
        )
    except FileNotFoundError:
        raise AvscError(
            f"{run} is not calibrated: it has no {CALIBRATION}", expected, remedy
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AvscError(f"{path} is damaged: {error}", expected, remedy) from None
    if not LOWEST / 2 < fitted.temperature < HIGHEST * 2:
        raise AvscError(f"{path}: temperature {fitted.temperature}", expected, remedy)
    if fitted.weights_sha256 != results.weights_sha256(run):
        raise AvscError(f"{path} belongs to other weights of the run", expected, remedy)
    return fitted


def require_unseen(fitted: Calibrated, clips: Iterable[str], run: Path) -> None:
    """Refuses to score calibrated probabilities on the clips that the temperature was fitted on.

    Raises:
        AvscError: Some of the clips are among these.
    """
    seen = sorted(set(fitted.clips) & set(clips))
    if seen:
        raise AvscError(
            f"{len(seen):,} of the scored clips are those that the temperature of {run} was fitted "
            f"on, such as {seen[0]}",
            "clips that are no validation clips of the run",
            "score the test fold, or leave --calibrated out",
        )


def own_temperature(run: Path, clips: Iterable[str]) -> float:
    """The temperature that a run keeps, for clips that it was not fitted on.

    Args:
        run: Folder of the run.
        clips: Ids of the clips that are scored.

    Raises:
        AvscError: The run keeps none, or one that was fitted on some of the clips.
    """
    fitted = read_calibration(run)
    require_unseen(fitted, clips, run)
    return fitted.temperature


def require_calibrated(systems: Mapping[Path, Sequence[Path]]) -> None:
    """Refuses trained runs that keep no temperature, all at once.

    Args:
        systems: Folder of each system, a run or a folder of seeds, and of its runs.

    Raises:
        AvscError: Some of the runs are not calibrated.
    """
    without = {
        folder: left
        for folder, runs in systems.items()
        if (left := [str(r) for r in runs if results.weights_sha256(r) and not has_calibration(r)])
    }
    if without:
        raise AvscError(
            f"not calibrated: {', '.join(run for left in without.values() for run in left)}",
            f"a temperature of each run, in RUN/{CALIBRATION}",
            "; ".join(f"avsc calibrate {shlex.quote(str(folder))}" for folder in without),
        )


def with_temperature(run: "Run", temperature: float) -> "Run":
    """The run with its logits divided by a temperature: it is in the last layer's weights."""
    import torch

    from avsc.models.scene_model import AudioVisualModel

    model = run.model
    classifier = copy.deepcopy(model.classifier)
    last = classifier[-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
    scaled = AudioVisualModel(
        model.acoustic_encoder,
        model.visual_encoder,
        classifier,
        tower_features=model.tower_features,
    )
    scaled.stand_ins = model.stand_ins
    return replace(run, model=scaled.eval())
