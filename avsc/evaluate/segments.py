"""The one-second segments of a fold in the order in which they are scored; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.scenes import UNLABELLED
from avsc.store.layout import StoredClip
from avsc.store.schema import Status

EVERY = "all"  # the fold of all clips
EACH = "folds"  # all clips that are in a fold, as cross-validation scores them
SHOWN = 10  # names in a message


@dataclass(frozen=True)
class Segments:
    """The segments of a fold: clip by clip in the store's order, second by second.

    Attributes:
        fold: Name of the fold.
        rows: Rows of the store, one a clip, [K].
        seconds: Number of segments of each clip, [K]; there are n in all.
        names: Names of the segments in ``predictions.csv``, n.
        scenes: Names of the scenes, C.
        labels: Scenes by number, -1 where unknown, [n].
        cities: Cities, n.
        locations: Location keys, ``<city>-<location>``, n.
        quarantined: Number of clips of the fold that are left out because they are quarantined.
    """

    fold: str
    rows: NDArray[np.int64]
    seconds: NDArray[np.int64]
    names: tuple[str, ...]
    scenes: tuple[str, ...]
    labels: NDArray[np.int64]
    cities: tuple[str, ...]
    locations: tuple[str, ...]
    quarantined: int

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self.rows)

    @property
    def labelled(self) -> bool:
        """Whether every segment's scene is known."""
        return bool((self.labels != UNLABELLED).all())

    @property
    def clip(self) -> NDArray[np.int64]:
        """Number of each segment's clip, as in ``rows``, [n]."""
        return np.repeat(np.arange(len(self.rows)), self.seconds)

    @property
    def first(self) -> NDArray[np.int64]:
        """Number of each clip's first segment, [K]."""
        return np.cumsum(self.seconds) - self.seconds

    def only(self, wanted: NDArray[np.bool_]) -> "Segments":
        """The segments of some clips; ``wanted`` says of each, [K]."""
        kept = wanted[self.clip]

        def those(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(compress(values, kept))

        return replace(
            self,
            rows=self.rows[wanted],
            seconds=self.seconds[wanted],
            names=those(self.names),
            labels=self.labels[kept],
            cities=those(self.cities),
            locations=those(self.locations),
        )


def segments_of(
    clips: Sequence[StoredClip],
    status: NDArray[np.uint8],
    seconds: int,
    fold: str,
    scenes: tuple[str, ...],
) -> Segments:
    """The usable segments of a fold; ``all`` has every clip, ``folds`` every clip of a fold.

    A store of the challenge's evaluation edition has neither folds nor labels: there ``test``
    means every clip too, and segments have the names of the sound files, as the challenge
    requires.

    Args:
        clips: Clips of the store.
        status: Status of each clip.
        seconds: Number of seconds of a clip that has no length of its own.
        fold: Name of the fold.
        scenes: Names of the scenes that are told apart, in the order of the probabilities.

    Raises:
        AvscError: The fold has no usable clip, only some of its clips are labelled, or some are of
            none of the scenes.
    """
    no_folds = not any(clip.fold for clip in clips)
    whole = fold == EVERY or (no_folds and fold == "test")
    each = fold == EACH
    mine = [
        row for row, clip in enumerate(clips) if whole or clip.fold == fold or (each and clip.fold)
    ]
    rows = [row for row in mine if status[row] == Status.GOOD]
    if not rows:
        folds = sorted({clip.fold for clip in clips if clip.fold})
        raise AvscError(
            f"the fold {fold!r} has {len(mine)} clips, none of them usable",
            f"a fold with clips; this store has {', '.join(folds) or 'no folds'}",
            "choose another with --fold (all takes every clip), or look at `avsc info STORE`",
        )
    chosen = [clips[row] for row in rows]
    _require_known(chosen, scenes)
    number = {scene: k for k, scene in enumerate(scenes)} | {"": UNLABELLED}
    labels = [number[clip.scene] for clip in chosen]
    _all_or_none_labelled(chosen, labels)
    counts = [clip.seconds or seconds for clip in chosen]
    places = ["-".join(filter(None, (clip.city, clip.location))) for clip in chosen]
    return Segments(
        fold="evaluation" if whole and no_folds else fold,
        rows=np.asarray(rows, np.int64),
        seconds=np.asarray(counts, np.int64),
        names=tuple(
            name for clip, count in zip(chosen, counts, strict=True) for name in _names(clip, count)
        ),
        scenes=scenes,
        labels=np.repeat(np.asarray(labels, np.int64), counts),
        cities=tuple(np.repeat([clip.city for clip in chosen], counts).tolist()),
        locations=tuple(np.repeat(places, counts).tolist()),
        quarantined=len(mine) - len(rows),
    )


def require_labelled(segments: Segments) -> None:
    """Refuses a fold whose scenes are not known.

    Raises:
        AvscError: They are not.
    """
    if not segments.labelled:
        raise AvscError(
            f"the fold {segments.fold!r} has no labels",
            "a labelled fold to score on",
            "choose another with --fold, or another store with --store",
        )


def require_same(one: Segments, other: Segments, first: Path, second: Path) -> None:
    """Refuses two runs that are scored on different segments.

    Args:
        one: Segments of the first run.
        other: Segments of the second run.
        first: Folder of the first run.
        second: Folder of the second run.

    Raises:
        AvscError: The segments or their scenes differ.
    """
    if one.names == other.names and one.scenes == other.scenes:
        return
    raise AvscError(
        f"{first} and {second} are scored on different segments: {len(one.names):,} of "
        f"{len(one.scenes)} scenes (fold {one.fold!r}) and {len(other.names):,} of "
        f"{len(other.scenes)} (fold {other.fold!r})",
        "runs that were trained on one data set and leave the same fold out",
        "name such runs, or a store that all are scored on with --store",
    )


def _names(clip: StoredClip, seconds: int) -> list[str]:
    if not clip.scene and seconds == 1:
        return [clip.audio.rpartition("/")[2]]
    return [f"{clip.id}_{second}" for second in range(seconds)]


def _require_known(clips: Sequence[StoredClip], scenes: tuple[str, ...]) -> None:
    strangers = sorted({clip.scene for clip in clips if clip.scene} - set(scenes))
    if strangers:
        raise AvscError(
            f"clips of {len(strangers)} scenes that the system does not know: "
            f"{', '.join(strangers[:SHOWN])}{', ...' if len(strangers) > SHOWN else ''}",
            f"clips of the {len(scenes)} scenes it tells apart: "
            f"{', '.join(scenes[:SHOWN])}{', ...' if len(scenes) > SHOWN else ''}",
            "train a run on a store with these scenes, or score a store without them",
        )


def _all_or_none_labelled(clips: Sequence[StoredClip], labels: Sequence[int]) -> None:
    without = [clip.id for clip, label in zip(clips, labels, strict=True) if label == UNLABELLED]
    if without and len(without) < len(clips):
        raise AvscError(
            f"{len(without)} of {len(clips)} clips have no scene, such as {without[0]}",
            "a fold in which every clip is labelled, or none",
            "choose another --fold; or write the missing scenes into the data set's table and "
            "prepare it again",
        )
