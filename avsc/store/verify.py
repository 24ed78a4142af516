"""Every byte of a store against its checksums; the damaged files and clips are named.

A partition's record holds the size and SHA-256 of each of its shards, padding and index included.
Where one differs, the checksums inside the shard say which clips were hit.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.layout import (
    PartitionRecord,
    content_sha256,
    read_attributes,
    read_clips,
    read_record,
    record_name,
)
from avsc.store.location import Location, locate
from avsc.store.mapped import MappedArray
from avsc.store.metadata import ZARR_JSON, Attributes
from avsc.store.schema import ArraySpec
from avsc.store.shard import crc32c
from avsc.store.unreachable import UnreachableStoreError


@dataclass(frozen=True)
class Damage:
    """One file that is not as it was written.

    Attributes:
        file: Path of the file.
        what: What is wrong with it.
        array: Name of the array it belongs to, if to one.
        partition: Number of the partition it belongs to, if to one.
        clips: Ids of the clips that were hit; empty where that cannot be told.
    """

    file: str
    what: str
    array: str | None = None
    partition: int | None = None
    clips: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = [] if self.partition is None else [f"partition {self.partition}"]
        where += [f"clip {clip}" for clip in self.clips]
        return f"{self.file}: {self.what}" + (f" ({', '.join(where)})" if where else "")


def verify(place: Path | str, advance: Callable[[], object] = lambda: None) -> list[Damage]:
    """Checks a complete store, byte by byte.

    Args:
        place: Folder or address of the store as ``avsc prepare`` wrote it (not a re-encoded copy).
        advance: Function called after each partition.

    Returns:
        Everything that is damaged, missing or does not belong there; empty for a sound store.

    Raises:
        AvscError: There is no store, or its attributes cannot be trusted at all.
    """
    store = locate(place)
    attributes = read_attributes(store)
    specs = schema.array_specs(attributes.clips, attributes.settings)
    partitions = range(schema.partition_count(attributes.clips, attributes.settings))
    documents = _documents(specs, attributes)
    found = [
        Damage(store.name(file), "is not the metadata that `avsc prepare` wrote")
        for file, document in documents.items()
        if not _holds(store, file, metadata.render(document))
    ]
    try:
        ids = [clip.id for clip in read_clips(store, attributes)]
    except AvscError as error:
        found.append(_small_file(store.name(schema.CLIPS_CSV), error))
        ids = [f"row {row}" for row in range(attributes.clips)]
    with ThreadPoolExecutor() as pool:
        for damaged in pool.map(lambda number: _check(store, attributes, number, ids), partitions):
            found += damaged
            advance()
    if not found:
        found += _check_content(store, attributes, partitions)
    expected = {*documents, schema.CLIPS_CSV, schema.SYNTHETIC, *map(record_name, partitions)}
    expected |= {spec.shard_name(number) for spec in specs for number in partitions}
    return found + _strangers(store, expected)


def _check(store: Location, attributes: Attributes, number: int, ids: list[str]) -> list[Damage]:
    """What is wrong with one partition."""
    specs = {s.name: s for s in schema.array_specs(attributes.clips, attributes.settings)}
    status = specs[schema.STATUS].shard_name(number)
    if not store.has(status):
        return [Damage(store.name(status), "not written", schema.STATUS, number)]
    try:
        noted = read_record(store, number)
    except UnreachableStoreError:
        raise
    except AvscError as error:
        return [_small_file(store.name(record_name(number)), error, number)]
    rows = schema.partition_range(number, attributes.clips, attributes.settings)
    bad = {clip.row for clip in noted.quarantined}
    good = [row for row in rows if row not in bad]
    found = []
    for spec in specs.values():
        file = spec.shard_name(number)
        if what := _difference(store, file, noted, spec.name):
            hit = sorted(set(_hit(store.folder, specs, spec.name, good)) if store.folder else ())
            clips = tuple(ids[row] for row in hit) if len(hit) < len(good) else ()
            found.append(Damage(store.name(file), what, spec.name, number, clips))
    return found


def _small_file(file: str, error: AvscError, partition: int | None = None) -> Damage:
    return Damage(file, error.got.removeprefix(file).lstrip(": "), partition=partition)


def _difference(store: Location, file: str, noted: PartitionRecord, array: str) -> str:
    """What tells a shard from its record; empty when it is what was written."""
    expected = noted.shards.get(array)
    if expected is None:
        return f"is not in {record_name(noted.partition)}"
    try:
        size = store.sizes([file]).get(file)
        if size is not None and size != expected.nbytes:
            return f"has {size} bytes, expected {expected.nbytes}"
        if store.sha256(file) != expected.sha256:
            return f"is not what was written: its SHA-256 is not {expected.sha256}"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


def _hit(folder: Path, specs: dict[str, ArraySpec], array: str, good: list[int]) -> Iterator[int]:
    """The rows of a damaged shard's good clips that do not match their own checksums."""
    if array in schema.TABLES:
        return  # one chunk for all clips
    if array == schema.IMAGE_JPEG:
        yield from _hit_pictures(folder, specs, good)
        return
    for row in good:
        try:
            MappedArray(folder, specs[array]).take(np.array([row]))
        except AvscError:
            yield row


def _hit_pictures(folder: Path, specs: dict[str, ArraySpec], good: list[int]) -> Iterator[int]:
    names = (schema.IMAGE_OFFSET, schema.IMAGE_LENGTH, schema.IMAGE_CRC32C)
    partition = good[0] // specs[schema.IMAGE_OFFSET].shard[0] if good else 0
    try:
        body = MappedArray(folder, specs[schema.IMAGE_JPEG]).map_body(partition)
        tables = [MappedArray(folder, specs[name]).take(np.array(good)) for name in names]
    except AvscError:
        return  # a damaged index or table tells no clips apart
    for row, *pictures in zip(good, *(table.astype(np.int64) for table in tables), strict=True):
        for offset, length, checksum in zip(*pictures, strict=True):
            if crc32c(body[offset : offset + length]) != checksum:
                yield row


def _documents(specs: Sequence[ArraySpec], attributes: Attributes) -> dict[str, metadata.Document]:
    """What every ``zarr.json`` of the store must be."""
    documents = {ZARR_JSON: metadata.store_document(attributes)}
    for spec in specs:
        documents[f"{spec.group}/{ZARR_JSON}"] = metadata.group_document({})
        documents[f"{spec.name}/{ZARR_JSON}"] = metadata.array_document(spec)
    return documents


def _holds(store: Location, file: str, data: bytes) -> bool:
    try:
        return store.read(file) == data
    except OSError:
        return False


def _check_content(store: Location, attributes: Attributes, partitions: range) -> list[Damage]:
    if not attributes.complete:
        return [Damage(store.name(ZARR_JSON), "the store was never marked complete")]
    content = content_sha256(store.read(record_name(number)) for number in partitions)
    if content == attributes.content_sha256:
        return []
    what = "these are not the partitions that were there at the end"
    return [Damage(store.name(schema.RECORDS), what)]


def _strangers(store: Location, expected: set[str]) -> list[Damage]:
    """Files that are none of the store's; names that begin with a dot are left alone."""
    return [
        Damage(store.name(name), "does not belong to the store")
        for name in store.listing()
        if name not in expected and not any(part.startswith(".") for part in name.split("/"))
    ]
