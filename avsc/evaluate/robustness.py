"""``avsc robustness``: systems with missing, late and swapped sounds and pictures, side by side.

Shape legend: n segments, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc import metrics
from avsc.errors import AvscError
from avsc.evaluate import bootstrap, disturbances
from avsc.evaluate.bootstrap import Interval
from avsc.evaluate.disturbances import OFFSETS_S, SHARES, Disturbance
from avsc.evaluate.evaluation import fold_segments
from avsc.evaluate.seeds import seed_folders, std
from avsc.evaluate.segments import Segments, require_labelled, require_same
from avsc.evaluate.swaps import scene_of
from avsc.evaluate.systems import names_of
from avsc.metrics import Probabilities
from avsc.store.reader import Store
from avsc.train.load import Run


@dataclass(frozen=True)
class Measured:
    """Scores of a system under one disturbance; with seeds their means.

    Attributes:
        log_loss: Log-loss.
        accuracy: Accuracy.
        log_loss_interval: 95 % interval of the log-loss.
        accuracy_interval: 95 % interval of the accuracy.
        log_loss_std: Standard deviation of the log-loss over seeds; None without seeds.
        accuracy_std: Standard deviation of the accuracy over seeds; None without seeds.
    """

    log_loss: float
    accuracy: float
    log_loss_interval: Interval
    accuracy_interval: Interval
    log_loss_std: float | None
    accuracy_std: float | None


@dataclass(frozen=True)
class System:
    """A system under all disturbances.

    Attributes:
        name: Short name.
        path: What the user named.
        strategy: Strategy of its training.
        seeds: Number of seeds.
        gaps: What stands for a missing sound or picture.
        robust: Whether it learnt to do without either modality.
        scores: Scores under each disturbance.
    """

    name: str
    path: Path
    strategy: str
    seeds: int
    gaps: str
    robust: bool
    scores: tuple[Measured, ...]


@dataclass(frozen=True)
class Robustness:
    """Systems under the same disturbances of the same segments.

    Attributes:
        fold: Name of the fold.
        n_segments: Number of segments.
        n_clips: Number of clips.
        scenes: Names of the scenes, C.
        seed: Seed of the draws.
        disturbances: The disturbances; the first is none.
        systems: The systems.
    """

    fold: str
    n_segments: int
    n_clips: int
    scenes: tuple[str, ...]
    seed: int
    disturbances: tuple[Disturbance, ...]
    systems: tuple[System, ...]


def robustness(
    paths: Sequence[Path],
    *,
    store: str | None = None,
    fold: str = "test",
    shares: Sequence[float] = SHARES,
    offsets_s: Sequence[int] | None = None,
    seed: int = 0,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
) -> Robustness:
    """Scores systems on the same segments, disturbed in the same ways.

    Args:
        paths: Folders of runs, or of seeds.
        store: Path or address of the store to score on; None for the one the runs were trained on.
        fold: Name of the fold, as ``evaluate`` takes it.
        shares: Shares of missing seconds.
        offsets_s: Distances from sound to picture in seconds; None for 1, 2, 4 and 8, as far as
            clips are longer.
        seed: Seed of the draws.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the classes that the runs name may be imported.

    Raises:
        AvscError: A run or the store cannot be used, or the runs are of different segments.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise AvscError("a run is named twice", "each system once", "leave one of them out")
    common: Segments | None = None
    planned: tuple[Disturbance, ...] = ()
    systems: list[System] = []
    for name, path in zip(names_of(paths), paths, strict=True):
        of_seeds: list[list[Probabilities]] = []
        for member in seed_folders(path) or [path]:
            run = Run.open(member, device, ve_weights=ve_weights, trust_code=trust_code)
            opened = Store.open(store or run.manifest.store)
            segments = fold_segments(run, opened, fold)
            if common is None:
                require_labelled(segments)
                common = segments
                planned = disturbances.plan(shares, _offsets(common, offsets_s))
            require_same(common, segments, paths[0], member)
            of_seeds.append(disturbances.disturbed(run, opened, segments, planned, seed))
        assert common is not None
        systems.append(
            System(
                name,
                path,
                run.recipe.train.strategy,
                len(of_seeds),
                disturbances.gaps(run),
                disturbances.is_robust(run),
                _measure(of_seeds, planned, common, seed),
            )
        )
    assert common is not None
    return Robustness(
        common.fold,
        len(common.names),
        common.n_clips,
        common.scenes,
        seed,
        planned,
        tuple(systems),
    )


def _offsets(segments: Segments, offsets_s: Sequence[int] | None) -> Sequence[int]:
    """The offsets that were asked for, or the usual ones that are shorter than the clips."""
    if offsets_s is not None:
        return offsets_s
    return [offset for offset in OFFSETS_S if offset < segments.seconds.max()]


def _measure(
    members: Sequence[Sequence[Probabilities]],
    planned: Sequence[Disturbance],
    segments: Segments,
    seed: int,
) -> tuple[Measured, ...]:
    """The scores of a system, whose seeds' probabilities are given, under each disturbance."""
    heard = scene_of(segments)[disturbances.all_swapped(segments, seed).sound_of][segments.clip]
    found = []
    for k, one in enumerate(planned):
        labels = heard if one.kind == "heard" else segments.labels
        of_seeds = [member[k] for member in members]
        sums = bootstrap.mean_location_sums(of_seeds, labels, segments.locations)
        bounds = bootstrap.intervals(sums)
        losses = [metrics.log_loss(shares, labels) for shares in of_seeds]
        right = [metrics.accuracy(shares, labels) for shares in of_seeds]
        found.append(
            Measured(
                float(np.mean(losses)),
                float(np.mean(right)),
                bounds.log_loss,
                bounds.accuracy,
                std(losses) if len(losses) > 1 else None,
                std(right) if len(right) > 1 else None,
            )
        )
    return tuple(found)
