"""Recordings cut into clips of whole seconds; pure.

A recording begins at the first second half way through which there is a picture, and ends where
sound or pictures end. What is left under a second is not used. A recording longer than a clip is
cut into several, all of its location.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avsc import timebase
from avsc.dataset.recordings import Recording
from avsc.media.probe import Probe
from avsc.store.layout import StoredClip

HALF_S = 0.5  # of a second, where its picture is taken
SHORTEST_S = 1


@dataclass(frozen=True)
class Cut:
    """The clips of some recordings.

    Attributes:
        clips: The clips, in the order of the recordings; the fold is still that of the listing.
        unused_s: Seconds at the recordings' ends that are not used.
        refused: Reasons by id of the recordings that will be refused. Each has one clip of a
            second, so that the store names it with its reason.
    """

    clips: tuple[StoredClip, ...]
    unused_s: float
    refused: dict[str, str]


def cut(
    recordings: Sequence[Recording], probes: Mapping[str, Probe | str], clip_seconds: int
) -> Cut:
    """Cuts recordings into clips.

    Args:
        recordings: The recordings.
        probes: The headers of each by id, or the reason why it cannot be used.
        clip_seconds: Length of a clip in seconds; the last one of a recording may be shorter.
    """
    clips: list[StoredClip] = []
    refused: dict[str, str] = {}
    unused_s = 0.0
    for recording in recordings:
        found = probes[recording.id]
        if isinstance(found, str):
            refused[recording.id] = found
            clips.append(_clip(recording, recording.start_s, SHORTEST_S, several=False))
            continue
        start_s, end_s = _span(recording, found)
        seconds = math.floor(end_s - start_s + timebase.LENGTH_TOLERANCE_S)
        if reason := _too_short(recording, found, seconds, end_s - start_s):
            refused[recording.id] = reason
            clips.append(_clip(recording, recording.start_s, SHORTEST_S, several=False))
            continue
        unused_s += max(end_s - start_s - seconds, 0.0)
        for first in range(0, seconds, clip_seconds):
            length = min(clip_seconds, seconds - first)
            clips.append(_clip(recording, start_s + first, length, seconds > clip_seconds))
    return Cut(tuple(clips), unused_s, refused)


def _span(recording: Recording, found: Probe) -> tuple[float, float]:
    end_s = found.end_s if recording.end_s is None else min(recording.end_s, found.end_s)
    late_s = max(0.0, found.pictures.start_s - HALF_S - recording.start_s)
    return recording.start_s + math.ceil(late_s), end_s


def _too_short(recording: Recording, found: Probe, seconds: int, length_s: float) -> str:
    end_s = recording.end_s
    if end_s is not None and end_s > found.end_s + timebase.LENGTH_TOLERANCE_S:
        return f"it lasts {found.end_s:.2f} s, and its end is given as {end_s:g} s"
    if seconds >= SHORTEST_S:
        return ""
    if recording.start_s:
        return f"it lasts {found.end_s:.2f} s, and its start is given as {recording.start_s:g} s"
    return f"it lasts {max(length_s, 0):.2f} s (expected a second of sound and pictures at least)"


def _clip(recording: Recording, start_s: float, seconds: int, several: bool) -> StoredClip:
    return StoredClip(
        f"{recording.id}+{start_s:g}" if several else recording.id,
        recording.scene,
        "",
        recording.location,
        recording.fold or "",
        recording.audio,
        recording.video,
        round(start_s, 6),
        seconds,
    )
