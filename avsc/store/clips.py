"""``clips.csv``: which clip each row of the arrays is."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from avsc.errors import AvscError
from avsc.store import schema

NAMED = 5  # differing clips that a message names


class StoredClip(NamedTuple):
    """One row of ``clips.csv``; what is unknown is empty.

    Attributes:
        id: Name of the clip, unique in the store.
        scene: Name of its scene.
        city: City of the recording.
        location: Number of the place in the city; its clips are cut from one recording.
        fold: Fold, ``train`` or ``test``.
        audio: POSIX path of its WAV file relative to the data set.
        video: POSIX path of its MP4 file relative to the data set.
    """

    id: str
    scene: str
    city: str
    location: str
    fold: str
    audio: str
    video: str


assert StoredClip._fields == schema.CLIP_COLUMNS


def encode(clips: Sequence[StoredClip]) -> bytes:
    """The file's bytes: UTF-8, a header, Unix line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.CLIP_COLUMNS)
    writer.writerows(clips)
    return text.getvalue().encode()


def decode(data: bytes, where: str) -> tuple[StoredClip, ...]:
    """The clips of a file whose SHA-256 was checked.

    Raises:
        AvscError: It has not the columns of a store's ``clips.csv``.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    width = len(schema.CLIP_COLUMNS)
    if not rows or tuple(rows[0]) != schema.CLIP_COLUMNS or any(len(r) != width for r in rows):
        raise AvscError(
            f"{where} is not a store's list of clips",
            f"the columns {','.join(schema.CLIP_COLUMNS)}",
            "prepare the store again",
        )
    return tuple(StoredClip(*row) for row in rows[1:])


def difference(stored: Sequence[StoredClip], requested: Sequence[StoredClip]) -> list[str]:
    """Says in a few lines how two lists of clips differ; empty when they agree."""
    old, new = {clip.id: clip for clip in stored}, {clip.id: clip for clip in requested}
    changed = [
        f"{key} ({_changes(clip, new[key])})"
        for key, clip in old.items()
        if key in new and new[key] != clip
    ]
    lines = [
        _named("only in the store", [key for key in old if key not in new]),
        _named("only asked for", [key for key in new if key not in old]),
        _named("changed", changed),
    ]
    found = [line for line in lines if line]
    if not found and tuple(stored) != tuple(requested):
        found = ["the same clips in another order"]
    return found


def _changes(old: StoredClip, new: StoredClip) -> str:
    fields = zip(schema.CLIP_COLUMNS, old, new, strict=True)
    return ", ".join(f"{name} {a!r}, asked for {b!r}" for name, a, b in fields if a != b)


def _named(title: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{title}: {len(names)} clips: " + "; ".join(names[:NAMED]) + more
