"""``avsc agree``: finds the seconds whose sound and picture do not tell the same scene.

The answers are a run's own: scored with sound alone and with pictures alone, where it learnt
stand-ins for both; or those of a run on sound and a run on pictures. The threshold is chosen on
validation clips whose sounds are swapped in the same manner, and never on what is scored. Of
several seeds, each has its own answers and threshold; segments and swaps are the same.

Shape legend: n segments, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.evaluate import environment
from avsc.evaluate.agreement import (
    Detection,
    clip_means,
    detect,
    fit_threshold,
    mean_detection,
)
from avsc.evaluate.agreement_files import Agreed, write, write_mean
from avsc.evaluate.answers import Answers, Pair, members_of, open_pair
from avsc.evaluate.results import AGREEMENT, weights_sha256
from avsc.evaluate.scored_fold import FOLD, VALIDATION
from avsc.evaluate.segments import Segments, require_labelled, require_same
from avsc.evaluate.swap_lists import listed_swaps, read_lines
from avsc.evaluate.swaps import Swaps, draw_swaps, scene_of
from avsc.evaluate.systems import names_of
from avsc.store.reader import Store

SHARE = 0.5
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Swapping:
    """How sounds are swapped.

    Attributes:
        share: Share of the clips whose sounds are swapped, where there is no list.
        seed: Seed of the swaps.
        swaps: Path of a list of swaps, see ``avsc.evaluate.swap_lists``; None for none.
        sounds: Path of a list of the clips whose sounds are drawn; None for all of the fold.
    """

    share: float = SHARE
    seed: int = 0
    swaps: Path | None = None
    sounds: Path | None = None

    def draw(self, segments: Segments, store: Store) -> tuple[Swaps, Ints | None]:
        """The swaps of a fold, and the class of each scene, [C], where the list has classes."""
        if self.swaps is None:
            return draw_swaps(segments, self.seed, self.share), None
        lines = read_lines(self.swaps, store)
        sounds = [] if self.sounds is None else read_lines(self.sounds, store)
        return listed_swaps(lines, sounds, segments, store, self.seed)

    def words(self) -> str:
        """What is swapped, for a person."""
        what = f"{100 * self.share:g} % of the clips" if self.swaps is None else self.swaps.name
        return f"{what}, seed {self.seed}"

    def folder_words(self) -> list[str]:
        """Words of a folder's name for other swaps than the usual ones; none for these."""
        share = [] if self.share == SHARE else [f"share{self.share:g}"]
        listed = share if self.swaps is None else [self.swaps.stem]
        return listed + ([f"seed{self.seed}"] if self.seed else [])


HALF = Swapping()


@dataclass(frozen=True)
class Task:
    """What is to be found in the seconds of a fold.

    Attributes:
        segments: Segments of the fold.
        swaps: Whose sound each clip has.
        classes: Class of each scene, [C], where a list has classes; None for the scenes.
        swapping: How the sounds were swapped.
    """

    segments: Segments
    swaps: Swaps
    classes: Ints | None
    swapping: Swapping

    @property
    def n_classes(self) -> int:
        """Number of scenes, or of the classes that the list has for them."""
        return len(self.segments.scenes) if self.classes is None else int(self.classes.max()) + 1

    @property
    def swapped(self) -> Bools:
        """Whether each segment is swapped, [n]."""
        return np.repeat(self.swaps.swapped, self.swaps.seconds)

    def thresholds(self, held_out: Answers) -> tuple[float, float]:
        """The thresholds for seconds and for clips, from validation clips with swapped sounds."""
        of_clip = scene_of(held_out.segments)
        classes = None if self.classes is None else self.classes[of_clip]
        share = float(self.swaps.swapped.mean())
        swaps = draw_swaps(held_out.segments, self.swapping.seed, share, classes)
        _require_some(swaps, held_out.segments)
        scores = held_out.agreement(swaps, self.classes)
        return (
            fit_threshold(scores, np.repeat(swaps.swapped, swaps.seconds)),
            fit_threshold(clip_means(scores, swaps.seconds), swaps.swapped),
        )

    def detections(self, scores: Floats, thresholds: tuple[float, float]) -> tuple[Detection, ...]:
        """The detection of swapped seconds, and of swapped clips by the means of their seconds."""
        places = np.array(self.segments.locations)
        means = clip_means(scores, self.swaps.seconds)
        of_clips = places[self.segments.first].tolist()
        return (
            detect(scores, self.swapped, thresholds[0], places.tolist()),
            detect(means, self.swaps.swapped, thresholds[1], of_clips),
        )


def agree(
    runs: Sequence[Path],
    *,
    out: Path | None = None,
    store: str | None = None,
    fold: str = FOLD,
    swapping: Swapping = HALF,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
) -> Agreed:
    """Scores how well swapped sounds are found, and writes ``agreement.csv`` and ``metrics.json``.

    Args:
        runs: Folder of a run that learnt stand-ins for both modalities; or of two runs, one that
            can do with sound alone, one with pictures alone. Folders of seeds are scored seed by
            seed.
        out: Folder of the files; None for one in the run's folder.
        store: Path or address of the store; None for the one the run was trained on.
        fold: Name of the fold, as ``evaluate`` takes it.
        swapping: How sounds are swapped.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the classes that the runs name may be imported.

    Raises:
        AvscError: The runs, the store or the list cannot be used, or seeds do not pair.
    """
    title = " and ".join(names_of([path.resolve() for path in runs]))
    task: Task | None = None
    found: list[Agreed] = []
    for seed, members in members_of(runs):
        pair = open_pair(members, store, device, ve_weights=ve_weights, trust_code=trust_code)
        segments = pair.segments(fold)
        if task is None:
            task = _task(segments[0], pair.stores[0], swapping)
        require_same(task.segments, segments[0], runs[0], members[0])
        part = _part(pair, fold, swapping)
        folder = out / seed if out is not None else members[0] / AGREEMENT / part
        found.append(_find(pair, segments, task, folder=folder, title=title, seed=seed))
    assert task is not None
    for one in found:
        write(one, task.segments, task.swaps)
    if not seed:
        return found[0]
    mean = _mean(found, task, out or runs[0] / AGREEMENT / part)
    write_mean(mean)
    return mean


def _task(segments: Segments, store: Store, swapping: Swapping) -> Task:
    """The task of a fold in a store.

    Raises:
        AvscError: The fold has no labels, or the swaps leave nothing to be told apart.
    """
    require_labelled(segments)
    swaps, classes = swapping.draw(segments, store)
    _require_some(swaps, segments)
    return Task(segments, swaps, classes, swapping)


def _find(
    pair: Pair,
    segments: tuple[Segments, Segments],
    task: Task,
    *,
    folder: Path,
    title: str,
    seed: str,
) -> Agreed:
    """What one run, or two, find; the threshold is chosen first, on other clips."""
    held_out = pair.segments(VALIDATION)
    _require_unseen(task.segments, held_out[0])
    thresholds = task.thresholds(pair.answers(held_out))
    scores = pair.answers(segments).agreement(task.swaps, task.classes)
    seconds, clips = task.detections(scores, thresholds)
    return Agreed(
        folder=folder,
        title=title,
        seed=seed,
        fold=task.segments.fold,
        source=task.swapping.words(),
        n_classes=task.n_classes,
        segments=seconds,
        clips=clips,
        scores=scores,
        swapped=task.swapped,
        about={
            "runs": {
                name: {"path": str(run.path.resolve()), "weights_sha256": weights_sha256(run.path)}
                for name, run in (("sound", pair.ear), ("picture", pair.eye))
            },
            "store": {"path": pair.stores[0].place, "sha256": pair.stores[0].sha256},
            "versions": environment.versions(),
        },
    )


def _mean(seeds: Sequence[Agreed], task: Task, folder: Path) -> Agreed:
    """The mean of several seeds; its intervals are those of the mean."""
    places = np.array(task.segments.locations)
    scores = [one.scores for one in seeds]
    means = [clip_means(some, task.swaps.seconds) for some in scores]
    of_clips = places[task.segments.first].tolist()
    return replace(
        seeds[0],
        folder=folder,
        seed="",
        segments=mean_detection(
            [one.segments for one in seeds], scores, task.swapped, places.tolist()
        ),
        clips=mean_detection([one.clips for one in seeds], means, task.swaps.swapped, of_clips),
        scores=np.concatenate(scores),
        swapped=np.tile(task.swapped, len(seeds)),
        about=seeds[0].about
        | {"runs": {name: _runs(seeds, name) for name in seeds[0].about["runs"]}},
        seeds=tuple(seeds),
    )


def _runs(seeds: Sequence[Agreed], name: str) -> dict[str, Any]:
    """The folder of the seeds' runs, and the digest of each one's weights."""
    runs = [one.about["runs"][name] for one in seeds]
    return {
        "path": str(Path(runs[0]["path"]).parent),
        "weights_sha256": [run["weights_sha256"] for run in runs],
    }


def _require_unseen(scored: Segments, chosen_on: Segments) -> None:
    both = set(scored.names) & set(chosen_on.names)
    if both:
        raise AvscError(
            f"{len(both):,} seconds of the fold {scored.fold!r} are of the validation clips, such "
            f"as {min(both)}",
            "other clips than those on which the threshold is chosen",
            "score the test fold",
        )


def _require_some(swaps: Swaps, segments: Segments) -> None:
    swapped = int(swaps.swapped.sum())
    if 0 < swapped < segments.n_clips:
        return
    raise AvscError(
        f"{swapped} of {segments.n_clips} clips of the fold {segments.fold!r} are swapped",
        "some clips with the sound of another scene, and some as they were recorded",
        "another --share or list, or a fold of more clips",
    )


def _part(pair: Pair, fold: str, swapping: Swapping) -> str:
    """The folder of other scores than the usual ones, within the run's; empty for these."""
    store = pair.stores[0]
    words = [] if store.sha256 == pair.ear.manifest.store_sha256 else [store.sha256[:8]]
    words += [] if fold == FOLD else [fold]
    return "-".join([*words, *swapping.folder_words()])
