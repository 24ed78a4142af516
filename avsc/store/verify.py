"""Every byte of a store against its checksums; what is damaged is named as finely as it can be.

A partition's record holds the SHA-256 of each shard, which covers every byte. Where that differs,
the index's, the chunks' and the pictures' own checksums say which clip or second was hit.
"""

import hashlib
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.store import metadata, record, schema, shard
from avsc.store.location import Location, read_attributes, read_clips, read_record
from avsc.store.metadata import ZARR_JSON, Attributes
from avsc.store.record import ShardRecord
from avsc.store.schema import ArraySpec, Status
from avsc.store.shard import ShardError


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written.

    Attributes:
        file: The file, as the store's path and the name in it.
        what: What is wrong with it.
        array: The array it belongs to, if to one.
        partition: The partition, if the file belongs to one.
        clip: The clip that was hit (its id, or its row where the list of clips is damaged).
        second: The second of the clip, if a single picture was hit.
    """

    file: str
    what: str
    array: str | None = None
    partition: int | None = None
    clip: str | None = None
    second: int | None = None

    def __str__(self) -> str:
        where = [
            f"{word} {value}"
            for word, value in (
                ("partition", self.partition),
                ("clip", self.clip),
                ("second", self.second),
            )
            if value is not None
        ]
        return f"{self.file}: {self.what}" + (f" ({', '.join(where)})" if where else "")


def verify(place: Path | str, advance: Callable[[], object] = lambda: None) -> list[Damage]:
    """Checks a complete store, byte by byte.

    Args:
        place: The store's folder as ``avsc prepare`` wrote it (not a re-encoded copy).
        advance: Called after each partition.

    Returns:
        Everything that is damaged, missing or does not belong there; empty for a sound store.

    Raises:
        AvscError: There is no store, or its attributes cannot be trusted at all.
    """
    store = Location(str(place))
    if store.folder is None:
        raise AvscError(f"{place} is not a folder", "a folder", "copy the store, or mount it")
    attributes = read_attributes(store)
    specs = schema.array_specs(attributes.clips, attributes.settings)
    ids, found = _clip_ids(store, attributes)
    found += _check_metadata(store, specs, attributes)
    for number in range(schema.partition_count(attributes.clips, attributes.settings)):
        rows = schema.partition_range(number, attributes.clips, attributes.settings)
        found += _Partition(store, number, specs, ids[rows.start : rows.stop]).check()
        advance()
    if not found:
        found += _check_content(store, attributes)
    return found + _strangers(store.folder, specs, attributes)


class _Partition:
    """One partition under examination."""

    def __init__(
        self, store: Location, number: int, specs: tuple[ArraySpec, ...], ids: list[str]
    ) -> None:
        self._store = store
        self._number = number
        self._specs = {spec.name: spec for spec in specs}
        self._ids = ids
        self._tables: dict[str, NDArray[Any]] = {}

    def check(self) -> list[Damage]:
        """What is wrong with the partition's record and shards."""
        status = self._specs[schema.STATUS]
        if not Path(self._store.name(status.shard_name(self._number))).exists():
            return [self._damage(status, "not written")]
        found: list[Damage] = []
        noted: dict[str, ShardRecord] = {}
        try:
            noted = read_record(self._store, self._number).shards
        except AvscError as error:
            file = self._store.name(record.name(self._number))
            found.append(Damage(file, _without(file, error), partition=self._number))
        # The tables first: they say which clips are good and where the pictures lie.
        for spec in sorted(self._specs.values(), key=lambda spec: spec.name not in schema.TABLES):
            found += self._check_shard(spec, noted.get(spec.name))
        return found

    def _check_shard(self, spec: ArraySpec, noted: ShardRecord | None) -> list[Damage]:
        try:
            data = _mapped(Path(self._store.name(spec.shard_name(self._number))))
        except OSError as error:
            return [self._damage(spec, f"cannot be read: {error.strerror}")]
        if noted is not None and data.size != noted.nbytes:
            return [self._damage(spec, f"has {data.size} bytes, expected {noted.nbytes}")]
        body = data.size - shard.index_bytes(spec.chunks)
        try:
            if body < 0:
                raise ShardError(f"has {data.size} bytes, too few for its index")
            extents = shard.decode_index(data[body:], spec.chunks, body)
            found = self._check_body(spec, data, extents.tolist())
        except ShardError as error:
            found = [self._damage(spec, str(error))]
        if (
            not found
            and noted is not None
            and hashlib.sha256(data.data).hexdigest() != noted.sha256
        ):
            found = [self._damage(spec, "what lies outside its checksums is not what was written")]
        return found

    def _check_body(
        self, spec: ArraySpec, data: NDArray[np.uint8], extents: list[list[int]]
    ) -> list[Damage]:
        if spec.name in schema.TABLES:
            return self._check_table(spec, data, extents[0])
        if spec.name == schema.IMAGE_JPEG:
            return self._check_pictures(spec, data)
        return self._check_chunks(spec, data, extents)

    def _check_chunks(
        self, spec: ArraySpec, data: NDArray[np.uint8], extents: list[list[int]]
    ) -> list[Damage]:
        found = []
        for place, clip in enumerate(self._ids):
            offset, nbytes = extents[place]
            if offset < 0:
                if self._is_good(place):
                    found.append(self._damage(spec, "its chunk is missing", clip))
                continue
            try:
                shard.unseal(data[offset : offset + nbytes])
            except ShardError:
                found.append(self._damage(spec, "its chunk does not match its checksum", clip))
        return found

    def _check_table(
        self, spec: ArraySpec, data: NDArray[np.uint8], extent: list[int]
    ) -> list[Damage]:
        offset, nbytes = extent
        if nbytes != spec.chunk_bytes + shard.CRC_BYTES:
            raise ShardError(f"its chunk has {nbytes} bytes, expected {spec.chunk_bytes + 4}")
        values = shard.unseal(data[offset : offset + nbytes])
        self._tables[spec.name] = np.frombuffer(values, spec.dtype).reshape(spec.chunk)
        return []

    def _check_pictures(self, spec: ArraySpec, data: NDArray[np.uint8]) -> list[Damage]:
        found = []
        names = (schema.IMAGE_OFFSET, schema.IMAGE_LENGTH, schema.IMAGE_CRC32C)
        if not all(name in self._tables for name in names):
            return []  # the damaged table is named already, and the SHA-256 covers this shard
        offset, length, crc32c = (self._tables[name].astype(np.int64) for name in names)
        for place, clip in enumerate(self._ids):
            for second in range(offset.shape[1] if self._is_good(place) else 0):
                start = int(offset[place, second])
                picture = data[max(start, 0) : start + int(length[place, second])]
                if shard.crc32c(picture) != crc32c[place, second]:
                    what = "its picture does not match its checksum"
                    found.append(self._damage(spec, what, clip, second))
        return found

    def _is_good(self, place: int) -> bool:
        # Where the status itself is damaged it is named, and SHA-256 alone speaks for the shards.
        status = self._tables.get(schema.STATUS)
        return status is not None and int(status[place]) == Status.GOOD

    def _damage(
        self, spec: ArraySpec, what: str, clip: str | None = None, second: int | None = None
    ) -> Damage:
        file = self._store.name(spec.shard_name(self._number))
        return Damage(file, what, spec.name, self._number, clip, second)


def _without(file: str, error: AvscError) -> str:
    return error.got.removeprefix(file).lstrip(": ")


def _mapped(file: Path) -> NDArray[np.uint8]:
    with file.open("rb") as opened:
        if file.stat().st_size == 0:
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ), np.uint8)


def _clip_ids(store: Location, attributes: Attributes) -> tuple[list[str], list[Damage]]:
    try:
        return [clip.id for clip in read_clips(store, attributes)], []
    except AvscError as error:
        file = store.name(schema.CLIPS_CSV)
        rows = [f"row {row}" for row in range(attributes.clips)]
        return rows, [Damage(file, _without(file, error))]


def _check_metadata(
    store: Location, specs: tuple[ArraySpec, ...], attributes: Attributes
) -> list[Damage]:
    expected = {ZARR_JSON: metadata.store_document(attributes)}
    for spec in specs:
        expected[f"{spec.group}/{ZARR_JSON}"] = metadata.group_document({})
        expected[f"{spec.name}/{ZARR_JSON}"] = metadata.array_document(spec)
    return [
        Damage(store.name(file), "is not the metadata that `avsc prepare` wrote")
        for file, document in expected.items()
        if not _holds(store, file, document)
    ]


def _holds(store: Location, file: str, document: metadata.Document) -> bool:
    try:
        return store.read(file) == metadata.render(document)
    except OSError:
        return False


def _check_content(store: Location, attributes: Attributes) -> list[Damage]:
    if not attributes.complete:
        return [Damage(store.name(ZARR_JSON), "the store was never marked complete")]
    partitions = range(schema.partition_count(attributes.clips, attributes.settings))
    content = record.content_sha256(store.read(record.name(number)) for number in partitions)
    if content == attributes.content_sha256:
        return []
    return [
        Damage(
            store.name(schema.RECORDS), "these are not the partitions that were there at the end"
        )
    ]


def _strangers(folder: Path, specs: tuple[ArraySpec, ...], attributes: Attributes) -> list[Damage]:
    """Files that are none of the store's; names that begin with a dot are left alone."""
    partitions = range(schema.partition_count(attributes.clips, attributes.settings))
    expected = {ZARR_JSON, schema.CLIPS_CSV, *map(record.name, partitions)}
    for spec in specs:
        expected |= {f"{spec.name}/{ZARR_JSON}", f"{spec.group}/{ZARR_JSON}"}
        expected |= {spec.shard_name(number) for number in partitions}
    found = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if not hidden and not file.is_dir() and name.as_posix() not in expected:
            found.append(Damage(str(file), "does not belong to the store"))
    return found
