"""The answers of runs by sound alone and by pictures alone, seed by seed.

One run gives both where it learnt stand-ins for both modalities; else a run on sound and a run on
pictures do. Folders of seeds give a pair for each seed.

Shape legend: n segments, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.agreement import agreement
from avsc.evaluate.condition import NAMES, Modality, has_stand_in
from avsc.evaluate.encoded import Encoded, learnt
from avsc.evaluate.scored_fold import VALIDATION, fold_segments, own_store
from avsc.evaluate.seeds import trained_seeds
from avsc.evaluate.segments import Segments, require_same
from avsc.evaluate.swaps import Swaps
from avsc.metrics import Probabilities
from avsc.store.reader import Store
from avsc.train.load import Run

OTHER: dict[Modality, Modality] = {"audio": "image", "image": "audio"}
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Members(NamedTuple):
    """The folders of a run, or of two, with one seed."""

    seed: str  # name of the seed's folder, such as seed-0; empty outside folders of seeds
    runs: tuple[Path, ...]


def members_of(paths: Sequence[Path]) -> list[Members]:
    """One run or two as they are named; of folders of seeds, the runs of each seed.

    Args:
        paths: Folder of a run or of seeds; or two of them.

    Raises:
        AvscError: The seeds of two folders do not pair.
    """
    of_seeds = [{path.name: path for path in trained_seeds(folder)} for folder in paths]
    if not any(of_seeds):
        return [Members("", tuple(paths))]
    if not all(of_seeds):
        alone, many = (k for k, _ in sorted(enumerate(of_seeds), key=lambda pair: len(pair[1])))
        raise AvscError(
            f"{paths[many]} has {len(of_seeds[many])} runs, one for each seed, and {paths[alone]} "
            "is not such a folder",
            "two folders of the same seeds, or two runs",
            f"name the run of one seed, such as {next(iter(of_seeds[many].values()))}",
        )
    both = set(of_seeds[0]).intersection(*of_seeds)
    unpaired = [str(path) for one in of_seeds for name, path in one.items() if name not in both]
    if unpaired:
        raise AvscError(
            f"seeds without a partner of the same number: {', '.join(unpaired)}",
            f"the same seeds in {' and '.join(map(str, paths))}",
            "train the seeds that are missing, or name one run of each folder",
        )
    return [Members(name, tuple(one[name] for one in of_seeds)) for name in of_seeds[0]]


@dataclass(frozen=True)
class Answers:
    """The answers of each modality alone.

    Attributes:
        segments: Segments that both are of.
        sound: Probabilities by the sound, [n, C].
        picture: Probabilities by the picture, [n, C].
    """

    segments: Segments
    sound: Probabilities
    picture: Probabilities

    def agreement(self, swaps: Swaps, classes: Ints | None) -> Floats:
        """The agreement of each segment's picture with the sound it is given, [n]."""
        return agreement(self.sound[swaps.sounds()], self.picture, classes)


@dataclass(frozen=True)
class Pair:
    """A run that answers by sound alone, and one that answers by pictures alone: often the same.

    Attributes:
        ear: Run that answers by sound.
        eye: Run that answers by pictures.
        stores: Store that each is scored on.
    """

    ear: Run
    eye: Run
    stores: tuple[Store, Store]

    def segments(self, fold: str) -> tuple[Segments, Segments]:
        """The segments of a fold in the store of each run; of validation, those both held out.

        Raises:
            AvscError: The runs have other segments in the fold.
        """
        stores = self._stores_of(fold)
        first = fold_segments(self.ear, stores[0], fold)
        if self.eye is self.ear:
            return first, first
        other = fold_segments(self.eye, stores[1], fold)
        if fold == VALIDATION:
            both = set(first.names) & set(other.names)
            if not both:
                raise AvscError(
                    f"{self.ear.path} and {self.eye.path} held out different clips of the training "
                    "fold",
                    "runs that held out some of the same clips, on which the threshold is chosen",
                    "train both with the same train.seed, val_fraction and val_split on one store",
                )
            first, other = _only(first, both), _only(other, both)
        require_same(first, other, self.ear.path, self.eye.path)
        return first, other

    def answers(self, segments: tuple[Segments, Segments]) -> Answers:
        """The answers of both on what ``segments`` gave.

        Raises:
            AvscError: Something in a store is damaged.
        """
        stores = self._stores_of(segments[0].fold)
        encoded = score.encode(self.ear, stores[0], segments[0])
        sound = _alone(encoded, "audio")
        if self.eye is not self.ear:
            encoded = score.encode(self.eye, stores[1], segments[1])
        return Answers(segments[0], sound, _alone(encoded, "image"))

    def _stores_of(self, fold: str) -> tuple[Store, Store]:
        """The stores of a fold: validation clips are of each run's own."""
        if fold != VALIDATION:
            return self.stores
        return own_store(self.ear, self.stores[0]), own_store(self.eye, self.stores[1])


def open_pair(
    paths: Sequence[Path],
    store: str | None,
    device: str,
    *,
    ve_weights: str | None,
    trust_code: bool,
) -> Pair:
    """Opens one run or two, in any order.

    Args:
        paths: Folders of one run or of two.
        store: Path or address of the store to score on; None for the one each was trained on.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the classes that the runs name may be imported.

    Raises:
        AvscError: A run or a store cannot be opened, or the runs cannot answer by one modality
            alone.
    """
    runs = [Run.open(p, device, ve_weights=ve_weights, trust_code=trust_code) for p in paths]
    for ear, eye in ((runs[0], runs[-1]), (runs[-1], runs[0])):
        if _can_do_with(ear, "audio") and _can_do_with(eye, "image"):
            if ear.scenes != eye.scenes:
                raise AvscError(
                    f"{ear.path} and {eye.path} tell other scenes apart",
                    "runs of the same scenes",
                    "train both on one store",
                )
            first, other = (Store.open(store or run.manifest.store) for run in (ear, eye))
            return Pair(ear, eye, (first, other))
    raise AvscError(
        "; ".join(f"{run.path}: {_needs(run)}" for run in runs),
        "a run that learnt to do with sound alone and with pictures alone, or one run for each",
        "avsc agree AUDIO_RUN VIDEO_RUN --out DIR; or train one: avsc train ... "
        "--set train.drop_audio=0.25 --set train.drop_image=0.25",
    )


def _can_do_with(run: Run, modality: Modality) -> bool:
    """Whether a run can answer by a modality alone."""
    uses = {"audio": run.uses_audio, "image": run.uses_images}
    return uses[modality] and (not all(uses.values()) or has_stand_in(run, OTHER[modality]))


def _needs(run: Run) -> str:
    if not run.uses_images:
        return "uses sound alone"
    if not run.uses_audio:
        return "uses pictures alone"
    able = [NAMES[one] for one in OTHER if _can_do_with(run, one)]
    return f"can do with {able[0]} alone only" if len(able) == 1 else "needs sound and pictures"


def _only(segments: Segments, names: set[str]) -> Segments:
    """The segments of the clips whose first segment is among some names."""
    return segments.only(np.array([segments.names[k] in names for k in segments.first]))


def _alone(encoded: Encoded, modality: Modality) -> Probabilities:
    """The probabilities by one modality alone, [n, C]."""
    other = OTHER[modality]
    stand_in = learnt(encoded.run, other)
    return encoded.probabilities(replaced={} if stand_in is None else {other: stand_in})
