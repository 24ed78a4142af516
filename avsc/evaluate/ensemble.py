"""Ensembles: means of several systems' probabilities, their weights equal, given or fitted.

Shape legend: k systems, n rows, C scenes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate.labels import Labels
from avsc.evaluate.predictions import PREDICTIONS, Predictions, read_predictions, write_predictions
from avsc.evaluate.results import EVALUATION
from avsc.evaluate.scored_fold import VALIDATION
from avsc.evaluate.seeds import seed_folders
from avsc.evaluate.systems import System, labels_of, load_systems
from avsc.metrics import SMALLEST_PROBABILITY, Probabilities
from avsc.metrics import Labels as SceneNumbers

Mean = Literal["arithmetic", "geometric"]
Weights = NDArray[np.float64]
FEWEST_CLIPS = 10


def combine(probabilities: Probabilities, weights: Weights, mean: Mean) -> Probabilities:
    """The mean of systems, rows summing to 1, [n, C].

    Args:
        probabilities: Probabilities of the systems, [k, n, C].
        weights: Weight of each system; they sum to 1, [k].
        mean: Arithmetic, or geometric (a probability of 0 of one system nearly vetoes a scene).
    """
    if mean == "arithmetic":
        total = np.tensordot(weights, probabilities, axes=1)
    else:
        logarithms = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
        scaled = np.tensordot(weights, logarithms, axes=1)
        total = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(total / total.sum(axis=1, keepdims=True), np.float64)


def fit_weights(probabilities: Probabilities, labels: SceneNumbers, mean: Mean) -> Weights:
    """The weights with the least log-loss (mean of the class-wise values), [k].

    Args:
        probabilities: Probabilities of the systems, [k, n, C].
        labels: Scene of each row, [n].
        mean: Mean that the weights are for.
    """
    from scipy.optimize import minimize
    from scipy.special import softmax

    def loss(free: Weights) -> float:
        return metrics.log_loss(combine(probabilities, softmax(free), mean), labels)

    found = minimize(loss, np.zeros(len(probabilities)), method="L-BFGS-B", bounds=None)
    return np.asarray(softmax(found.x), np.float64)


def ensemble(
    paths: Sequence[Path],
    out: Path,
    *,
    mean: Mean = "arithmetic",
    weights: Sequence[float] | Literal["equal", "fit"] = "equal",
    validation: Sequence[Path] = (),
) -> Weights:
    """Writes the mean of systems as a predictions file.

    Args:
        paths: Paths of runs, folders of seeds (the mean of their seeds), evaluation folders or
            predictions files, two or more, all of the same rows.
        out: File to write.
        mean: Arithmetic or geometric mean.
        weights: One weight a system, ``equal``, or ``fit`` for those with the least log-loss on
            validation predictions.
        validation: Validation predictions of each system in the same order, for ``fit``; by
            default those that ``avsc evaluate RUN --fold validation`` wrote into each run.

    Returns:
        The weights, summing to 1, [k].

    Raises:
        AvscError: The systems differ in rows or scenes, weights are not usable, or there are no
            validation predictions, or they are of clips that the ensemble is of.
    """
    systems = load_systems(paths)
    first = systems[0].first
    probabilities = np.stack([_mean_of_seeds(s, first.row_keys(), first.scenes) for s in systems])
    if weights == "equal":
        used = np.full(len(paths), 1 / len(paths))
    elif weights == "fit":
        files = list(validation) or [_validation_of(path) for path in paths]
        used = _fitted(files, paths, set(first.clips), mean)
    else:
        used = _given([float(weight) for weight in weights], len(paths))
    mixed = combine(probabilities, used, mean)
    _write_new(out, first, mixed)
    return used


def _given(weights: Sequence[float], systems: int) -> Weights:
    values = np.asarray(weights, np.float64)
    if len(values) != systems or not np.isfinite(values).all() or (values < 0).any():
        raise AvscError(
            f"weights {', '.join(f'{one:g}' for one in weights)} for {systems} systems",
            "one weight of 0 or more for each system",
            "write them in the order of the systems, such as --weights 0.5,0.3,0.2",
        )
    if values.sum() <= 0:
        raise AvscError("weights that are all 0", "a positive one", "raise one of them")
    return np.asarray(values / values.sum(), np.float64)


def _fitted(files: Sequence[Path], paths: Sequence[Path], scored: set[str], mean: Mean) -> Weights:
    """Weights fitted on the clips that are in the validation predictions of every system."""
    if len(files) != len(paths):
        raise AvscError(
            f"{len(files)} validation predictions for {len(paths)} systems",
            "one for each system, in the same order",
            "repeat --validation for each system",
        )
    read = [_members(path) for path in files]
    everything = [member for members in read for member in members]
    keys = set(everything[0].row_keys()).intersection(*(m.row_keys() for m in everything[1:]))
    order = [key for key in everything[0].row_keys() if key in keys]
    common = {clip for clip, _ in order}
    overlap = sorted(common & scored)
    if overlap:
        raise AvscError(
            f"{len(overlap):,} validation clips are among those that the ensemble is of, such as "
            f"{overlap[0]}",
            "weights fitted on other clips than those that are scored",
            "give validation predictions with --validation",
        )
    if len(common) < FEWEST_CLIPS:
        raise AvscError(
            f"{len(common)} clips are in the validation predictions of every system",
            f"{FEWEST_CLIPS} or more: clips that no system was trained on",
            "train the systems with the same train.seed and train.val_fraction, which hold out the "
            "same clips, or use equal weights",
        )
    scenes = everything[0].scenes
    known = labels_of(System("validation", files[0], tuple(read[0])))
    labels = _numbers(order, known, scenes)
    of_systems = [
        _mean_of_seeds(System("", path, tuple(members)), order, scenes)
        for path, members in zip(files, read, strict=True)
    ]
    return fit_weights(np.stack(of_systems), labels, mean)


def _numbers(
    order: Sequence[tuple[str, int]], known: Labels, scenes: Sequence[str]
) -> SceneNumbers:
    number = {scene: k for k, scene in enumerate(scenes)}
    return np.array([number[known.clips[clip].scene] for clip, _ in order], np.int64)


def _members(path: Path) -> list[Predictions]:
    if path.is_file():
        return [read_predictions(path)]
    folders = seed_folders(path) or [path]
    return [read_predictions(_validation_of(folder)) for folder in folders]


def _validation_of(run: Path) -> Path:
    """The validation predictions of a run; a folder of seeds is itself, for it has several."""
    if seed_folders(run):
        return run
    path = run / EVALUATION / f"{VALIDATION}-segment" / PREDICTIONS
    if run.is_file() or not path.is_file():
        raise AvscError(
            f"{run} has no validation predictions",
            "predictions that weights can be fitted on",
            "give them with --validation FILE, one for each system"
            if run.is_file()
            else f"make them first: avsc evaluate {run} --fold {VALIDATION}",
        )
    return path


def _mean_of_seeds(
    system: System, order: Sequence[tuple[str, int]], scenes: Sequence[str]
) -> Probabilities:
    return np.asarray(
        np.mean([member.in_order(order, scenes) for member in system.members], axis=0)
    )


def _write_new(out: Path, first: Predictions, mixed: Probabilities) -> None:
    """Writes the file, unless another content is there already."""
    if out.is_dir():
        raise AvscError(f"{out} is a folder", "a file to write", "name one with --out")
    if out.is_file():
        there = read_predictions(out)
        same = there.names == first.names and there.scenes == first.scenes
        if not (same and np.array_equal(there.probabilities, mixed)):
            raise AvscError(
                f"{out} is there already, with other content",
                "a new file",
                "choose another --out, or remove it",
            )
    write_predictions(out, first.names, mixed, first.scenes)
