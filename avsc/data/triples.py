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
    """All triples of a fold, clip after clip, frame after frame."""

    rows: Ints  # [C] the store's row of each clip
    clip: Ints  # [T] position in ``rows``
    frame: Ints  # [T] frame of the clip, or of the second where each is a segment of its own
    second: Ints  # [T] second of the clip, and so its image
    label: Ints  # [T]

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True)
class Views:
    """The augmented images of an epoch and the triples that see each of them."""

    clip: Ints  # [U] position in the triples' ``rows``
    second: Ints  # [U]
    bounds: Ints  # [U + 1] view u has members[bounds[u]:bounds[u + 1]]
    members: Ints  # [T] triples

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def largest(self) -> int:
        """The most triples that share a view."""
        return int(np.diff(self.bounds).max(initial=0))

    def triples_of(self, views: Ints) -> tuple[Ints, Ints]:
        """The triples of some views, [t], and for each its place in ``views``, [t]."""
        counts = np.diff(self.bounds)[views]
        place = np.repeat(np.arange(len(views)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.members[self.bounds[views][place] + within], place


def training_triples(rows: Ints, labels: Ints, frames: int) -> Triples:
    """Every frame of every clip with the image of the second that holds the frame's centre.

    Args:
        rows: The clips' rows in the store, [C].
        labels: Their scenes' indices, [C].
        frames: Frames of a clip (56 for ten seconds).
    """
    return _product(rows, labels, np.arange(frames), timebase.second_of_frames(frames))


def segment_triples(rows: Ints, labels: Ints, seconds: int, segment_frames: int) -> Triples:
    """Every frame of every one-second segment with its second's image: the segment protocol."""
    frame = np.tile(np.arange(segment_frames), seconds)
    return _product(rows, labels, frame, np.repeat(np.arange(seconds), segment_frames))


def _product(rows: Ints, labels: Ints, frame: Ints, second: Ints) -> Triples:
    clips, per_clip = len(rows), len(frame)
    clip = np.repeat(np.arange(clips), per_clip)
    return Triples(
        np.asarray(rows, np.int64),
        clip,
        np.tile(frame, clips),
        np.tile(second, clips),
        np.asarray(labels, np.int64)[clip],
    )


def views(triples: Triples, images_per_second: int | None) -> Views:
    """Shares out the images: one a triple, or ``images_per_second`` views of every second.

    Where a second's frames share k views, its j-th frame sees view j mod k, so that frames of one
    view lie apart. A second with fewer frames than k has one view a frame.
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
