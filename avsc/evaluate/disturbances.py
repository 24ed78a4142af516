"""Missing, late and swapped sounds and pictures, and a run's answers to them.

Every run is given the same seconds: which ones lack a modality, and whose sound a clip has, are
functions of a seed and of the number of the segment or clip. A run is encoded once.

What stands for a missing sound or picture: the embedding that the run learnt for it; for a run that
learnt none, the mean embedding of its validation clips; a run of one modality that lacks it answers
with equal probabilities.

Shape legend: n segments, C scenes, A and D features of sound and picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc.data import rng
from avsc.evaluate import score
from avsc.evaluate.condition import NAMES, Modality, has_stand_in, picture_numbers
from avsc.evaluate.encoded import Encoded, learnt
from avsc.evaluate.scored_fold import VALIDATION, fold_segments, own_store
from avsc.evaluate.segments import Segments
from avsc.evaluate.swaps import Swaps, draw_swaps
from avsc.metrics import Probabilities
from avsc.store.reader import Store
from avsc.train.load import Run

Floats = NDArray[np.float32]

Kind = Literal["recorded", "audio", "image", "offset", "swapped", "heard"]
SHARES = (0.25, 0.5, 0.75, 1.0)
OFFSETS_S = (1, 2, 4, 8)
WORDS: dict[Kind, str] = {
    "recorded": "as recorded",
    "audio": "no sound",
    "image": "no image",
    "offset": "image",
    "swapped": "swap: image",
    "heard": "swap: sound",
}


@dataclass(frozen=True)
class Disturbance:
    """How segments differ from what was recorded.

    Attributes:
        kind: ``recorded``: in nothing; ``audio``, ``image``: a share of them lacks it;
            ``offset``: the picture is that of another second; ``swapped``: the sound is of a clip
            of another scene, and the scene of the picture counts; ``heard``: the same, and that of
            the sound counts.
        amount: Share of segments that lack the modality, or the offset in seconds.
    """

    kind: Kind
    amount: float = 0.0

    def words(self) -> str:
        """A name for a person, so short that five systems stand beside it at 80 columns."""
        if self.kind in ("audio", "image") and self.amount < 1:
            return f"{WORDS[self.kind]} {100 * self.amount:g}"
        if self.kind == "offset":
            return f"{WORDS[self.kind]} {self.amount:+g} s"
        return WORDS[self.kind]


def plan(shares: Sequence[float], offsets_s: Sequence[int]) -> tuple[Disturbance, ...]:
    """The disturbances: none, shares of missing seconds, offsets, swapped sounds.

    Args:
        shares: Shares of missing seconds, above 0 and up to 1.
        offsets_s: Distances from sound to picture in seconds.
    """
    kinds: tuple[Kind, Kind] = ("audio", "image")
    missing = [Disturbance(kind, share) for kind in kinds for share in sorted(set(shares))]
    late = [Disturbance("offset", offset) for offset in sorted(set(offsets_s) - {0})]
    return (
        Disturbance("recorded"),
        *missing,
        *late,
        Disturbance("swapped"),
        Disturbance("heard"),
    )


def missing(segments: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Whether each segment lacks a modality, [n]; those of a smaller share are among them."""
    if share >= 1:
        return np.ones(segments, np.bool_)
    return rng.generator(seed, 0, rng.Purpose.MISSING).random(segments) < share


def disturbed(
    run: Run,
    store: Store,
    segments: Segments,
    disturbances: Sequence[Disturbance],
    seed: int,
) -> list[Probabilities]:
    """A run's probabilities under each disturbance, [n, C] each."""
    encoded = score.encode(run, store, segments)
    stand_ins = _stand_ins(run, store)
    recorded = encoded.probabilities()
    without: dict[str, Probabilities] = {
        name: _without(encoded, name, recorded, stand_ins) for name in ("audio", "image")
    }
    swapped = encoded.probabilities(sounds=all_swapped(segments, seed).sounds())
    found = []
    for one in disturbances:
        if one.kind in ("audio", "image"):
            gone = missing(len(recorded), one.amount, seed)
            found.append(np.where(gone[:, None], without[one.kind], recorded))
        elif one.kind == "offset":
            numbers = picture_numbers(segments.seconds, int(one.amount))
            found.append(encoded.probabilities(pictures=numbers))
        else:
            found.append(recorded if one.kind == "recorded" else swapped)
    return found


def _without(
    encoded: Encoded,
    modality: Modality,
    recorded: Probabilities,
    stand_ins: dict[Modality, Floats],
) -> Probabilities:
    """The probabilities of segments that all lack a modality, [n, C]."""
    run = encoded.run
    uses = {"audio": run.uses_audio, "image": run.uses_images}
    if not uses[modality]:
        return recorded
    if sum(uses.values()) == 1:
        return np.full(recorded.shape, 1 / recorded.shape[1])
    return encoded.probabilities(replaced={modality: stand_ins[modality]})


def _stand_ins(run: Run, store: Store) -> dict[Modality, Floats]:
    """What stands for a missing sound or picture: learnt, or the mean of validation clips."""
    if not (run.uses_audio and run.uses_images):
        return {}
    modalities: tuple[Modality, Modality] = ("audio", "image")
    found = {name: value for name in modalities if (value := learnt(run, name)) is not None}
    if len(found) == len(modalities):
        return found
    own = own_store(run, store)
    return score.encode(run, own, fold_segments(run, own, VALIDATION)).means() | found


def all_swapped(segments: Segments, seed: int) -> Swaps:
    """Each clip with the sound of a clip of another scene."""
    return draw_swaps(segments, seed, 1.0)


def is_robust(run: Run) -> bool:
    """Whether a run of two modalities learnt to do without either."""
    return run.uses_audio and run.uses_images and not _unlearnt(run)


def gaps(run: Run) -> str:
    """What stands for a missing sound or picture of a run, for a person."""
    if not (run.uses_audio and run.uses_images):
        own, other = ("sound", "pictures") if run.uses_audio else ("pictures", "sound")
        return f"{own} alone: equal probabilities without, never uses {other}"
    lacking = _unlearnt(run)
    if not lacking:
        return "learnt stand-ins"
    words = f"mean embedding of its validation clips for missing {' and '.join(lacking)}"
    return words if len(lacking) > 1 else f"{words}, a learnt stand-in for the other"


def _unlearnt(run: Run) -> list[str]:
    return [word for name, word in NAMES.items() if not has_stand_in(run, name)]
