"""Aligned triples (audio frame, image, scene) of a fold (DESIGN section 5), as plain arrays.

Shape legend: C clips of the fold, T triples, U views (an augmented image and the triples that
share it), F frames of a clip, S seconds of a clip.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsc import timebase

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Triples:
    """All triples of a fold, clip after clip, frame after frame.

    Attributes:
        rows: Row of each clip in the store, [C].
        clip: Position of each triple's clip in ``rows``, [T].
        frame: Frame of the clip, or of the second where every second is a segment, [T].
        second: Second of the clip, which is the number of its image, [T].
        label: Index of the scene, [T].
    """

    rows: Ints
    clip: Ints
    frame: Ints
    second: Ints
    label: Ints

    def __len__(self) -> int:
        return len(self.clip)

    def lengths(self) -> Ints:
        """Number of seconds of each clip, [C]."""
        lengths = np.zeros(len(self.rows), np.int64)
        np.maximum.at(lengths, self.clip, self.second + 1)
        return lengths


@dataclass(frozen=True)
class Views:
    """The augmented images of an epoch and the triples that share each of them.

    Attributes:
        clip: Position of each view's clip in the triples' ``rows``, [U].
        second: Second of each view's image, [U].
        bounds: View u belongs to the triples members[bounds[u]:bounds[u + 1]], [U + 1].
        members: Numbers of the triples, view after view, [T].
    """

    clip: Ints
    second: Ints
    bounds: Ints
    members: Ints

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def largest(self) -> int:
        """Largest number of triples that share a view."""
        return int(np.diff(self.bounds).max(initial=0))

    def triples_of(self, views: Ints) -> tuple[Ints, Ints]:
        """The triples of some views, [t], and the position of each one's view in ``views``, [t]."""
        counts = np.diff(self.bounds)[views]
        place = np.repeat(np.arange(len(views)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.members[self.bounds[views][place] + within], place


def training_triples(rows: Ints, labels: Ints, frames: Ints | int) -> Triples:
    """Every frame of every clip with the image of the second that holds the frame's centre.

    Args:
        rows: Row of each clip in the store, [C].
        labels: Index of each clip's scene, [C].
        frames: Number of frames of each clip, [C] or one for all (56 for ten seconds).
    """
    counts = np.broadcast_to(np.asarray(frames, np.int64), len(rows))
    clip, frame = np.nonzero(within(counts, int(counts.max(initial=0))))
    second = timebase.second_of_frames(int(counts.max(initial=0)))[frame]
    return Triples(
        np.asarray(rows, np.int64), clip, frame, second, np.asarray(labels, np.int64)[clip]
    )


def within(counts: Ints, longest: int) -> NDArray[np.bool_]:
    """Which seconds (or frames) of a table of clips are theirs, [C, longest].

    >>> within(np.array([1, 3]), 3).tolist()
    [[True, False, False], [True, True, True]]

    Args:
        counts: Number of seconds (or frames) of each clip, [C].
        longest: Number of columns of the table.
    """
    found: NDArray[np.bool_] = np.arange(longest) < np.asarray(counts)[:, None]
    return found


def views(triples: Triples, images_per_second: int | None) -> Views:
    """Assigns augmented images to triples.

    Where the frames of a second share k views, its j-th frame has view j mod k, so that the frames
    of one view are not neighbours. A second with fewer frames than k has one view per frame.

    Args:
        triples: All triples of a fold.
        images_per_second: Number k of views of a second; None for one view per triple.
    """
    count = len(triples)
    if images_per_second is None:
        every = np.arange(count)
        return Views(triples.clip, triples.second, np.arange(count + 1), every)
    starts = _starts(triples.clip, triples.second)
    lengths = np.diff(np.append(starts, count))
    within = np.arange(count) - np.repeat(starts, lengths)
    view = within % images_per_second
    members = np.lexsort((within, view, triples.second, triples.clip))
    sorted_starts = _starts(triples.clip[members], triples.second[members], view[members])
    first = members[sorted_starts]
    bounds = np.append(sorted_starts, count)
    return Views(triples.clip[first], triples.second[first], bounds, members)


def _starts(*columns: Ints) -> Ints:
    """Where runs of equal rows begin."""
    changes = np.zeros(len(columns[0]), bool)
    changes[:1] = True
    for column in columns:
        changes[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changes)
