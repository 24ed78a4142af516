"""One partition written once, whole: shards aside and moved, the record, then ``clip/status``."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import BadClipError
from avsc.store import schema, shard
from avsc.store.layout import PartitionRecord, Quarantined, ShardRecord, encode_record, record_name
from avsc.store.location import Location, locate
from avsc.store.schema import ArraySpec, Feature, Status, StoreSettings


@dataclass(frozen=True)
class ClipData:
    """Content of a good clip. S seconds of this clip, F frames, f frames a second, B bands.

    Attributes:
        audio: Frames of the whole clip by feature, float32 [F, 2, B].
        segments: Frames of its one-second segments by feature, float32 [S, f, 2, B].
        jpegs: JPEG files of its pictures, one a second.
        pts_s: Presentation times of those pictures in seconds.
    """

    audio: Mapping[Feature, NDArray[np.float32]]
    segments: Mapping[Feature, NDArray[np.float32]]
    jpegs: Sequence[bytes]
    pts_s: Sequence[float]


class PartitionWriter:
    """Takes a partition's clips in order, one :meth:`add` or :meth:`quarantine` each.

    Features and JPEGs go straight to disk, so that memory holds one clip. Made by
    :func:`write_partition`.
    """

    def __init__(
        self, rows: range, settings: StoreSettings, shards: dict[str, "_ShardFile"]
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._rows = rows
        self._next = rows.start
        self._quarantined: list[Quarantined] = []
        table = (settings.partition_clips, settings.clip_seconds)
        self._offset = np.zeros(table, "<i8")
        self._length = np.zeros(table, "<i4")
        self._crc32c = np.zeros(table, "<u4")
        self._pts_s = np.zeros(table, "<f8")
        self._status = np.zeros(table[0], "|u1")

    def add(self, row: int, clip: ClipData, seconds: int | None = None) -> None:
        """Writes a good clip; behind its end the arrays are NaN.

        Args:
            row: Its row in ``clips.csv``.
            clip: Its data.
            seconds: Number of its seconds; None for the store's ``clip_seconds``.

        Raises:
            BadClipError: It is not what the schema asks for; nothing of it was written.
        """
        arrays = self._checked(clip, seconds)
        place = self._begin(row)
        for name, values in arrays.items():
            self._shards[name].append(shard.seal(values.astype("<f4", order="C").tobytes()))
        self._add_images(place, clip)
        self._status[place] = Status.GOOD

    def quarantine(self, row: int, reason: str) -> None:
        """Leaves a clip out, and says why."""
        place = self._begin(row)
        for spec_name, file in self._shards.items():
            if spec_name != schema.IMAGE_JPEG:
                file.append(None)
        self._quarantined.append(Quarantined(row=row, reason=reason))
        self._status[place] = Status.QUARANTINED

    def _begin(self, row: int) -> int:
        assert row == self._next < self._rows.stop, f"row {row}, expected {self._next}"
        self._next += 1
        return row - self._rows.start

    def _checked(self, clip: ClipData, seconds: int | None) -> dict[str, NDArray[np.float32]]:
        settings = self._settings
        arrays: dict[str, NDArray[np.float32]] = {}
        seconds = settings.clip_seconds if seconds is None else seconds
        frames = timebase.frame_count(seconds * timebase.SAMPLE_RATE_HZ)
        for feature in settings.features:
            frame = (2, settings.bank(feature).bands)
            whole = _shaped(clip.audio[feature], (frames, *frame), feature)
            cut = (seconds, schema.SEGMENT_FRAMES, *frame)
            arrays[schema.audio_array(feature)] = _padded(whole, settings.clip_frames)
            arrays[schema.segment_array(feature)] = _padded(
                _shaped(clip.segments[feature], cut, feature), settings.clip_seconds
            )
        counts = len(clip.jpegs), len(clip.pts_s)
        if counts != (seconds, seconds) or not all(clip.jpegs):
            raise BadClipError(f"{counts[0]} pictures with {counts[1]} times", f"{seconds} of each")
        room = settings.jpeg_capacity - self._shards[schema.IMAGE_JPEG].size
        if (wanted := sum(map(len, clip.jpegs))) > room:
            raise BadClipError(
                f"JPEGs of {wanted} bytes",
                f"at most {room} bytes, what is left of the partition's capacity",
            )
        return arrays

    def _add_images(self, place: int, clip: ClipData) -> None:
        body = self._shards[schema.IMAGE_JPEG]
        for second, jpeg in enumerate(clip.jpegs):
            self._offset[place, second] = body.size
            self._length[place, second] = len(jpeg)
            self._crc32c[place, second] = shard.crc32c(jpeg)
            body.write(jpeg)
        self._pts_s[place] = np.nan
        self._pts_s[place, : len(clip.pts_s)] = clip.pts_s

    def finalize(self) -> dict[str, bytes]:
        """Ends the streamed shards; returns the small arrays' shards, ``clip/status`` last."""
        assert self._next == self._rows.stop, f"rows {self._next} to {self._rows.stop} not written"
        for name, file in self._shards.items():
            if name == schema.IMAGE_JPEG:
                file.cut(schema.JPEG_CHUNK)
            file.end()
        tables = {
            schema.IMAGE_OFFSET: self._offset,
            schema.IMAGE_LENGTH: self._length,
            schema.IMAGE_CRC32C: self._crc32c,
            schema.IMAGE_PTS_S: self._pts_s,
            schema.STATUS: self._status,
        }
        return {name: shard.encode([table.tobytes()], True) for name, table in tables.items()}

    def record(self, partition: int, small: Mapping[str, bytes]) -> PartitionRecord:
        """The record of what was written."""
        shards = {name: file.record() for name, file in self._shards.items()}
        for name, data in small.items():
            sha256 = hashlib.sha256(data).hexdigest()
            shards[name] = ShardRecord(nbytes=len(data), sha256=sha256)
        return PartitionRecord(
            partition=partition, quarantined=tuple(self._quarantined), shards=shards
        )


class _ShardFile:
    """A shard written chunk by chunk to a file aside."""

    def __init__(self, file: IO[bytes], chunks: int) -> None:
        self._file = file
        self._chunks = chunks
        self._extents: list[shard.Extent | None] = []
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self.size += len(data)

    def append(self, chunk: bytes | None) -> None:
        self._extents.append(None if chunk is None else (self.size, len(chunk)))
        if chunk is not None:
            self.write(chunk)

    def cut(self, chunk: int) -> None:
        """Makes what was written into whole chunks, the last one padded with zeros."""
        padding = -self.size % chunk
        # A hole: it reads as zeros and takes no space on most file systems.
        self._file.seek(padding, os.SEEK_CUR)
        self._sha256.update(bytes(padding))
        self.size += padding
        self._extents = [(start, chunk) for start in range(0, self.size, chunk)]

    def end(self) -> None:
        missing = self._chunks - len(self._extents)
        self.write(shard.encode_index(self._extents + [None] * missing))

    def record(self) -> ShardRecord:
        return ShardRecord(nbytes=self.size, sha256=self._sha256.hexdigest())


@contextmanager
def write_partition(
    place: Path | str | Location, clips: int, settings: StoreSettings, partition: int
) -> Iterator[PartitionWriter]:
    """Writes one partition; leaving the block moves it into place, an exception drops it.

    The bytes depend on the clips' data alone. A partition that exists is replaced; its status is
    removed first, so that a crash leaves it absent, never half old and half new.

    Args:
        place: Folder or address of the store.
        clips: Number of clips in the store.
        settings: Settings of the store.
        partition: Number of the partition.

    Raises:
        AvscError: The disk is full, or the store cannot be written to.
    """
    store = locate(place)
    specs = {spec.name: spec for spec in schema.array_specs(clips, settings)}
    for name in (record_name(partition), *(s.shard_name(partition) for s in specs.values())):
        store.remove_leftovers(name)
    with store.explain_errors(), ExitStack() as aside:
        shards = {
            name: _open_aside(aside, store, spec, partition)
            for name, spec in specs.items()
            if name not in schema.TABLES
        }
        rows = schema.partition_range(partition, clips, settings)
        writer = PartitionWriter(rows, settings, shards)
        yield writer
        small = writer.finalize()
        content = encode_record(writer.record(partition, small))
        # Before any shard is replaced.
        store.remove(specs[schema.STATUS].shard_name(partition))
        aside.close()
        status = small.pop(schema.STATUS)
        for name, data in small.items():
            store.write(specs[name].shard_name(partition), data)
        store.write(record_name(partition), content)
        store.write(specs[schema.STATUS].shard_name(partition), status)


def _open_aside(aside: ExitStack, store: Location, spec: ArraySpec, partition: int) -> _ShardFile:
    file = aside.enter_context(store.open_aside(spec.shard_name(partition)))
    return _ShardFile(file, spec.chunks)


def _padded(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    missing = length - len(values)
    if missing == 0:
        return values
    return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1), constant_values=np.nan)


def _shaped(
    values: NDArray[np.float32], shape: tuple[int, ...], feature: Feature
) -> NDArray[np.float32]:
    if values.shape != shape:
        raise BadClipError(f"{feature} of shape {list(values.shape)}", f"{list(shape)}")
    if not np.isfinite(values).all():
        raise BadClipError(f"{feature} has values that are not finite", "finite features")
    return values
