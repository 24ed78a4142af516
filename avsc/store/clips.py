"""``clips.csv``: which clip each row of the arrays is."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from avsc.errors import AvscError
from avsc.store import schema

NAMED = 5  # how many differing clips a message names


class StoredClip(NamedTuple):
    """One row of ``clips.csv``; what is unknown is empty.

    Attributes:
        id: The clip's name, unique in the store.
        scene: One of the ten.
        city: Where it was recorded.
        location: Which place in the city.
        fold: ``train`` or ``test``.
        audio: The WAV it came from, relative to the data set.
        video: The MP4 it came from, likewise.
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


def difference(there: Sequence[StoredClip], asked: Sequence[StoredClip]) -> list[str]:
    """How two lists of clips differ, a few lines; empty when they agree."""
    old, new = {clip.id: clip for clip in there}, {clip.id: clip for clip in asked}
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
    if not found and tuple(there) != tuple(asked):
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
