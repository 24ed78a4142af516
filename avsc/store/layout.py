"""The small files of a store that are not arrays, and how a damaged file is reported.

``zarr.json`` says what the store is (:mod:`avsc.store.metadata`), ``clips.csv`` which clip each row
of the arrays is, and ``partitions/NNNNNN.json`` what one partition holds. A record is written after
the partition's other shards and before ``clip/status``: the reasons of its quarantined clips, and
the size and SHA-256 of each shard, so that every byte of a store, padding and indexes included, is
covered by a digest.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.location import Location
from avsc.store.metadata import ZARR_JSON, Attributes

NAMED = 5  # differing clips that a message names


class StoredClip(NamedTuple):
    """One row of ``clips.csv``; what is unknown is empty.

    Attributes:
        id: Name of the clip, unique in the store.
        scene: Name of its scene.
        city: City of the recording.
        location: Number of the place in the city; its clips are cut from one recording.
        fold: Fold, ``train`` or ``test``.
        audio: POSIX path of the file with its sound relative to the data set; that of the video
            where the sound is its own track.
        video: POSIX path of its video relative to the data set.
        start: Where the clip begins in its files, in seconds.
        seconds: Number of its seconds; None for a clip as long as the store's ``clip_seconds``.
    """

    id: str
    scene: str
    city: str
    location: str
    fold: str
    audio: str
    video: str
    start: float = 0.0
    seconds: int | None = None


assert StoredClip._fields == schema.CLIP_COLUMNS + schema.PIECE_COLUMNS


def have_lengths(clips: Sequence[StoredClip]) -> bool:
    """Whether clips have starts and lengths of their own."""
    return any(clip.start or clip.seconds is not None for clip in clips)


def encode_clips(clips: Sequence[StoredClip]) -> bytes:
    """The file's bytes: UTF-8, a header, Unix line ends.

    Starts and lengths are written where clips have their own.
    """
    width = len(_columns(have_lengths(clips)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(StoredClip._fields[:width])
    writer.writerows(clip[:width] for clip in clips)
    return text.getvalue().encode()


def decode_clips(data: bytes, where: str) -> tuple[StoredClip, ...]:
    """The clips of a file whose SHA-256 was checked.

    Raises:
        AvscError: It has not the columns of a store's ``clips.csv``.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    columns = tuple(rows[0]) if rows else ()
    try:
        if columns not in (_columns(False), _columns(True)):
            raise ValueError
        return tuple(_decoded(row, len(columns)) for row in rows[1:])
    except ValueError:
        raise AvscError(
            f"{where} is not a store's list of clips",
            f"the columns {','.join(schema.CLIP_COLUMNS)}, and perhaps "
            + ",".join(schema.PIECE_COLUMNS),
            "prepare the store again",
        ) from None


def _columns(lengths: bool) -> tuple[str, ...]:
    return schema.CLIP_COLUMNS + (schema.PIECE_COLUMNS if lengths else ())


def _decoded(row: list[str], width: int) -> StoredClip:
    if len(row) != width:
        raise ValueError
    named = len(schema.CLIP_COLUMNS)
    name, scene, city, location, fold, audio, video = row[:named]
    clip = StoredClip(name, scene, city, location, fold, audio, video)
    if width == named:
        return clip
    start, seconds = row[named:]
    return clip._replace(start=float(start), seconds=int(seconds) if seconds else None)


def clips_difference(stored: Sequence[StoredClip], requested: Sequence[StoredClip]) -> list[str]:
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
    fields = zip(StoredClip._fields, old, new, strict=True)
    return ", ".join(f"{name} {a!r}, asked for {b!r}" for name, a, b in fields if a != b)


def _named(title: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{title}: {len(names)} clips: " + "; ".join(names[:NAMED]) + more


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Quarantined(_Model):
    """A clip that could not be used, and why."""

    row: int
    reason: str


class ShardRecord(_Model):
    """Size and SHA-256 of a shard's file."""

    nbytes: int
    sha256: str


class PartitionRecord(_Model):
    """Content of one partition; ``shards`` is keyed by array name."""

    partition: int
    quarantined: tuple[Quarantined, ...]
    shards: dict[str, ShardRecord]


def record_name(partition: int) -> str:
    """The record's file, relative to the store.

    >>> record_name(7)
    'partitions/000007.json'
    """
    return f"{schema.RECORDS}/{partition:06d}.json"


def encode_record(record: PartitionRecord) -> bytes:
    """The record's file; it carries its own digest."""
    fields = record.model_dump(mode="json")
    return metadata.render({**fields, "sha256": metadata.digest(fields)})


def decode_record(data: bytes, where: str) -> PartitionRecord:
    """The record in a file's bytes.

    Raises:
        AvscError: It was altered or damaged.
    """
    try:
        fields: dict[str, Any] = json.loads(data)
        if fields.pop("sha256") != metadata.digest(fields):
            raise ValueError("its digest does not match")
        return PartitionRecord.model_validate_json(json.dumps(fields))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AvscError(
            f"{where} was altered or damaged: {str(error).splitlines()[0]}",
            "the record of a partition that `avsc prepare` wrote",
            f"delete {where} and run the same `avsc prepare` again",
        ) from None


def content_sha256(files: Iterable[bytes]) -> str:
    """One digest of a whole store's content, from the bytes of its records in order."""
    digests = (hashlib.sha256(data).hexdigest() for data in files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read_attributes(store: Location) -> Attributes:
    """The store's attributes.

    Raises:
        AvscError: It is no store, of another version, or its attributes are damaged.
    """
    try:
        data = store.read(ZARR_JSON)
    except OSError as error:
        raise AvscError(
            f"no store at {store.place}: {error}",
            "a folder or address that `avsc prepare` wrote to",
            "check it, or run `avsc prepare DATASET STORE` first",
        ) from None
    return metadata.parse_store(data, store.name(ZARR_JSON))


def read_clips(store: Location, attributes: Attributes) -> tuple[StoredClip, ...]:
    """The clips, one a row of the arrays.

    Raises:
        AvscError: ``clips.csv`` is missing or is not the one the store was begun with.
    """
    where = store.name(schema.CLIPS_CSV)
    try:
        data = store.read(schema.CLIPS_CSV)
    except OSError as error:
        raise _other_clips(
            where, f"cannot be read: {error.strerror or error}", attributes
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != attributes.clips_csv_sha256:
        raise _other_clips(where, f"was altered or damaged: its SHA-256 is {found}", attributes)
    clips = decode_clips(data, where)
    if len(clips) != attributes.clips:
        raise _other_clips(where, f"lists {len(clips)} clips", attributes)
    return clips


def read_record(store: Location, partition: int) -> PartitionRecord:
    """The record of a written partition.

    Raises:
        AvscError: The record is missing or damaged.
    """
    where = store.name(record_name(partition))
    try:
        record = decode_record(store.read(record_name(partition)), where)
    except OSError as error:
        raise damage(where, f"cannot be read: {error.strerror or error}") from None
    if record.partition != partition:
        raise damage(where, f"it is the record of partition {record.partition}")
    return record


def _other_clips(where: str, what: str, attributes: Attributes) -> AvscError:
    return AvscError(
        f"{where} {what}",
        f"the {attributes.clips} clips the store was begun with, SHA-256 "
        f"{attributes.clips_csv_sha256}",
        "restore the file from a copy, or prepare the store again",
    )


def damage(path: Path | str, what: str) -> AvscError:
    """The error that names a damaged file and says how to have it made anew."""
    return AvscError(
        f"{path}: {what}",
        "the file that `avsc prepare` wrote",
        "delete that file if it is there and run the same `avsc prepare` again: only its partition "
        "is made anew (`avsc verify` lists everything that is damaged)",
    )
