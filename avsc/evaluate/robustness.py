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
from avsc.evaluate.scored_fold import fold_segments
from avsc.evaluate.seeds import seed_folders, std, trained_seeds
from avsc.evaluate.segments import Segments, require_labelled, require_same
from avsc.evaluate.swaps import scene_of
from avsc.evaluate.systems import names_of
from avsc.evaluate.temperature import own_temperature, require_calibrated, with_temperature
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
        temperatures: Temperature of each seed's run, by which its logits were divided; none where
            the runs were taken as they are.
        scores: Scores under each disturbance.
    """

    name: str
    path: Path
    strategy: str
    seeds: int
    gaps: str
    robust: bool
    temperatures: tuple[float, ...]
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


@dataclass(frozen=True)
class Plan:
    """What every system is given.

    Attributes:
        segments: Segments that are scored.
        disturbances: The disturbances; the first is none.
        seed: Seed of the draws.
    """

    segments: Segments
    disturbances: tuple[Disturbance, ...]
    seed: int

    def found(self, systems: Sequence[System]) -> Robustness:
        """All systems side by side."""
        return Robustness(
            self.segments.fold,
            len(self.segments.names),
            self.segments.n_clips,
            self.segments.scenes,
            self.seed,
            self.disturbances,
            tuple(systems),
        )

    def measure(self, of_seeds: Sequence[Sequence[Probabilities]]) -> tuple[Measured, ...]:
        """The scores under each disturbance, of each seed's probabilities."""
        sound_of = disturbances.all_swapped(self.segments, self.seed).sound_of
        heard = scene_of(self.segments)[sound_of][self.segments.clip]
        found = []
        for k, one in enumerate(self.disturbances):
            labels = heard if one.kind == "heard" else self.segments.labels
            answers = [seed[k] for seed in of_seeds]
            sums = bootstrap.mean_location_sums(answers, labels, self.segments.locations)
            bounds = bootstrap.intervals(sums)
            losses = [metrics.log_loss(shares, labels) for shares in answers]
            right = [metrics.accuracy(shares, labels) for shares in answers]
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
    calibrated: bool = False,
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
        calibrated: Whether to divide each run's logits by the temperature that ``avsc calibrate``
            keeps in it, under every disturbance.

    Raises:
        AvscError: A run or the store cannot be used, the runs are of different segments, or some
            are not calibrated or were calibrated on these.
    """
    members = [trained_seeds(path) or [path] for path in paths]
    _require_usable(paths, members, calibrated)
    plan: Plan | None = None
    systems: list[System] = []
    for name, path, runs in zip(names_of(paths), paths, members, strict=True):
        of_seeds: list[list[Probabilities]] = []
        temperatures: list[float] = []
        for member in runs:
            run = Run.open(member, device, ve_weights=ve_weights, trust_code=trust_code)
            opened = Store.open(store or run.manifest.store)
            segments = fold_segments(run, opened, fold)
            if plan is None:
                plan = _plan(segments, shares, offsets_s, seed)
            require_same(plan.segments, segments, paths[0], member)
            if calibrated:
                clips = [opened.clips[row].id for row in segments.rows]
                temperatures.append(own_temperature(member, clips))
                run = with_temperature(run, temperatures[-1])
            of_seeds.append(disturbances.disturbed(run, opened, segments, plan.disturbances, seed))
        assert plan is not None
        systems.append(_system(name, path, run, temperatures, plan.measure(of_seeds)))
    assert plan is not None
    return plan.found(systems)


def _system(
    name: str, path: Path, run: Run, temperatures: Sequence[float], scores: tuple[Measured, ...]
) -> System:
    """A system, of whose seeds ``run`` is one."""
    return System(
        name,
        path,
        run.recipe.train.strategy,
        max(len(seed_folders(path)), 1),
        disturbances.gaps(run),
        disturbances.is_robust(run),
        tuple(temperatures),
        scores,
    )


def _require_usable(
    paths: Sequence[Path], members: Sequence[Sequence[Path]], calibrated: bool
) -> None:
    """Refuses systems before any work.

    Raises:
        AvscError: A system is named twice, or runs are to be calibrated and are not.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise AvscError("a run is named twice", "each system once", "leave one of them out")
    if calibrated:
        require_calibrated(dict(zip(paths, members, strict=True)))


def _plan(
    segments: Segments, shares: Sequence[float], offsets_s: Sequence[int] | None, seed: int
) -> Plan:
    """What every system is given; by default offsets that are shorter than the clips."""
    require_labelled(segments)
    if offsets_s is None:
        offsets_s = [offset for offset in OFFSETS_S if offset < segments.seconds.max()]
    return Plan(segments, disturbances.plan(shares, offsets_s), seed)
