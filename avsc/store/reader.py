"""A store opened for reading: what is missing or damaged is named, never returned as zeros.

Shape legend: n rows asked for, N clips, S seconds and F frames of the longest clip, f frames a
second, B bands. What lies behind the end of a shorter clip is NaN.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.finalize import describe, unfinished
from avsc.store.layout import damage, read_attributes, read_clips, read_record
from avsc.store.location import Location, locate
from avsc.store.mapped import MappedArray
from avsc.store.metadata import ZARR_JSON
from avsc.store.schema import ArraySpec, Feature, Status
from avsc.store.shard import crc32c
from avsc.store.through_zarr import ZarrArray, ZarrBytes, open_group

if TYPE_CHECKING:
    from avsc.data.triple_dataset import TripleDataset
    from avsc.recipe import Recipe

Rows = Sequence[int] | NDArray[np.integer[Any]]

NAMED = 10  # quarantined clips that a message names
MAPS = 512  # partitions mapped at once; each holds one file descriptor


class Store:
    """A prepared data set.

    Arrays that lie on disk with exactly our codecs are mapped; all others are read by zarr-python,
    with the same results. Any number of threads may read at once.

    Attributes:
        place: Folder or address of the store, as the user gave it.
        settings: Settings with which the store was made.
        clips: Clips in the order of the arrays' rows.
        scenes: Scenes of the data set, in the order of all tables of probabilities.
        is_complete: Whether the store was marked complete.
        sha256: Digest of the store's clips, settings and content.
        is_synthetic: Whether its clips were made by `avsc synth`.
        content_sha256: Digest of the content alone; empty until complete.
    """

    def __init__(self, store: Location) -> None:
        attributes = read_attributes(store)
        self.place = store.place
        self.settings = attributes.settings
        self.clips = read_clips(store, attributes)
        self.scenes = attributes.scenes
        self.is_complete = attributes.complete
        self.sha256 = attributes.sha256
        self.content_sha256 = attributes.content_sha256
        self._location = store
        self.is_synthetic = store.has(schema.SYNTHETIC)
        specs = schema.array_specs(len(self.clips), self.settings)
        self._arrays = _open_arrays(store, specs)
        self._status = self._read_status()
        # Single items of bytes and lists are got much faster than those of arrays.
        self._status_bytes = self._status.tobytes()
        self._run = self.settings.partition_clips
        self._seconds = [clip.seconds or self.settings.clip_seconds for clip in self.clips]
        # Bounded, so that a store of very many partitions cannot use up the file descriptors. A
        # map that is dropped lives on until the last view of it is gone.
        self._images = lru_cache(maxsize=MAPS)(self._open_images)

    @classmethod
    def open(cls, place: Path | str | Location, complete: bool = True) -> "Store":
        """Opens a store.

        Args:
            place: Folder of the store, or an address that fsspec understands.
            complete: Whether to refuse a store that lacks partitions.

        Raises:
            AvscError: It is no store, its metadata or list of clips is damaged, or it is
                incomplete; the message says how to go on.
        """
        store = cls(locate(place))
        if complete:
            store._require_complete()
        return store

    def __repr__(self) -> str:
        kinds = ", ".join(self.settings.features)
        lacks = "" if self.is_complete else ", incomplete"
        return (
            f"Store({self.place!r}: {len(self.clips):,} clips of {len(self.scenes)} scenes, "
            f"{kinds}{lacks})"
        )

    def __reduce__(self) -> "tuple[Any, tuple[str, str]]":
        """Pickles by place: another process opens the store anew and maps its files itself."""
        return _reopened, (self._location.absolute().place, self.sha256)

    @property
    def partitions(self) -> int:
        """Number of partitions that the store has when it is complete."""
        return schema.partition_count(len(self.clips), self.settings)

    def status(self) -> NDArray[np.uint8]:
        """Status of each clip, one of ``schema.Status``, uint8 [N]."""
        return self._status.copy()

    def seconds(self, rows: Rows | None = None) -> NDArray[np.int64]:
        """Number of seconds of some clips or of all, [n]."""
        every = np.array(self._seconds, np.int64)
        return every if rows is None else every[np.asarray(rows, np.int64)]

    def frames(self, rows: Rows | None = None) -> NDArray[np.int64]:
        """Number of audio frames of some clips or of all, [n]."""
        count = timebase.frame_count
        seconds = self.seconds(rows)
        return np.array([count(s * timebase.SAMPLE_RATE_HZ) for s in seconds.tolist()], np.int64)

    def reasons(self) -> dict[str, str]:
        """Why clips were quarantined, by clip id.

        Raises:
            AvscError: The record of a partition is missing or damaged.
        """
        written = self._status != Status.ABSENT
        partitions = np.unique(np.flatnonzero(written) // self.settings.partition_clips)
        store = self._location
        records = store.each(lambda partition: read_record(store, partition), partitions.tolist())
        given = {clip.row: clip.reason for record in records for clip in record.quarantined}
        rows = np.flatnonzero(self._status == Status.QUARANTINED).tolist()
        return {self.clips[row].id: given.get(row, "no reason was recorded") for row in rows}

    def dataset(
        self,
        fold: str = "train",
        recipe: "Recipe | None" = None,
        *,
        epoch: int = 0,
        audio_model: Path | str | None = None,
    ) -> "TripleDataset":
        """A fold's aligned triples for PyTorch: (frame, image, label), see ``TripleDataset``.

        Args:
            fold: ``train``, which are the clips that a run of the recipe trains on;
                ``validation``, those of the training fold that it holds out; ``test``; or ``all``.
            recipe: Recipe with feature, image size, split and augmentation; None for the default.
            epoch: Number of the epoch, of which the augmentation of ``train`` is a function.
            audio_model: Folder of a pre-trained audio encoder, whose embeddings of sound become a
                fourth part of each item; None for triples. The recipe's ``audio.model`` adds none.

        Raises:
            AvscError: The store lacks the feature, the fold has no good clip, the recipe augments
                sound, which is for the batches of ``avsc train``, or the encoder has not encoded
                the sound of all clips of the fold (``avsc embed``).
        """
        from avsc.data.triple_dataset import open_dataset

        return open_dataset(self, fold, recipe, epoch, audio_model)

    def audio(self, feature: Feature, rows: Rows) -> NDArray[np.float32]:
        """The frames of whole clips, checksums verified, float32 [n, F, 2, B].

        Raises:
            AvscError: The store has not that feature, a clip is not good, or a shard is damaged.
        """
        return self._take(self._feature_array(schema.audio_array(feature)), rows)

    def segments(self, feature: Feature, rows: Rows) -> NDArray[np.float32]:
        """The frames of one-second segments, checksums verified, float32 [n, S, f, 2, B].

        Raises:
            AvscError: The store has not that feature, a clip is not good, or a shard is damaged.
        """
        return self._take(self._feature_array(schema.segment_array(feature)), rows)

    def pts_s(self, rows: Rows) -> NDArray[np.float64]:
        """When each second's picture was shown, in seconds, float64 [n, S].

        Raises:
            AvscError: A clip is not good, or a shard is damaged.
        """
        return self._take(schema.IMAGE_PTS_S, rows)

    def jpeg(self, row: int, second: int) -> memoryview:
        """The JPEG file of one second of a clip, its checksum verified.

        Raises:
            AvscError: The clip is not good, or its picture is missing or damaged; clip, second
                and file are named.
        """
        if not (0 <= row < len(self.clips) and 0 <= second < self._seconds[row]):
            raise IndexError(f"second {second} of row {row}")
        if self._status_bytes[row] != Status.GOOD:
            raise self._not_good(row)
        partition, within = divmod(row, self._run)
        images = self._images(partition)
        offset = images.offset[within][second]
        jpeg = images.body[offset : offset + images.length[within][second]]
        if crc32c(jpeg) != images.crc32c[within][second]:
            file = self._arrays[schema.IMAGE_JPEG].path(partition)
            what = f"the picture of clip {self.clips[row].id}, second {second}, is damaged"
            raise damage(file, what)
        return jpeg.data

    def _take(self, name: str, rows: Rows) -> NDArray[Any]:
        wanted = np.asarray(rows, np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self.clips):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {len(self.clips)}")
        bad = wanted[self._status[wanted] != Status.GOOD]
        if bad.size:
            raise self._not_good(int(bad[0]))
        return self._arrays[name].take(wanted)

    def _feature_array(self, name: str) -> str:
        if name not in self._arrays:
            raise AvscError(
                f"{self.place} has no {name}",
                f"one of the features it was prepared with: {', '.join(self.settings.features)}",
                "choose one of these, or prepare another store with --features",
            )
        return name

    def _not_good(self, row: int) -> AvscError:
        became = Status(int(self._status[row])).name.lower()
        return AvscError(
            f"{self.place}: clip {self.clips[row].id} (row {row}) is {became}",
            "a good clip",
            "leave it out (`avsc info` lists such clips), or run the same `avsc prepare` again",
        )

    def _read_status(self) -> NDArray[np.uint8]:
        run, total = self.settings.partition_clips, len(self.clips)
        array = self._arrays[schema.STATUS]
        written = np.array(self._location.each(array.is_written, range(self.partitions)), bool)
        rows = np.flatnonzero(np.repeat(written, run)[:total])
        status = np.zeros(total, np.uint8)
        status[rows] = array.take(rows)
        if status.max(initial=0) > max(Status):
            row = int(np.argmax(status))
            raise damage(array.path(row // run), f"row {row} has the status {status[row]}")
        return status

    def _require_complete(self) -> None:
        missing = self._missing()
        if self.is_complete and not missing:
            return
        expected = "a store that `avsc prepare` ran through to the end"
        remedy = "run the same `avsc prepare` again; what is complete is kept"
        if missing:
            lacks = f"{len(missing)} of {self.partitions} partitions: {describe(missing)}"
        elif bad := self.reasons():
            lacks = f"{len(bad)} of {len(self.clips)} clips, which are quarantined:\n  "
            lacks += "\n  ".join(f"{clip}: {reason}" for clip, reason in [*bad.items()][:NAMED])
            lacks += f"\n  ... and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
            remedy = (
                f"to do without them, run the same `avsc prepare` with --max-bad {len(bad)}; or"
                " mend their files and run it with --retry-bad"
            )
        else:
            lacks = "only its last step"
        raise AvscError(f"{self.place} is incomplete; it lacks {lacks}", expected, remedy)

    def _missing(self) -> dict[int, str]:
        folder = self._location.folder
        if folder is not None and all(isinstance(a, MappedArray) for a in self._arrays.values()):
            return unfinished(folder)
        # A copy with other codecs has files of other sizes; its statuses must do.
        rows = np.flatnonzero(self._status == Status.ABSENT)
        return dict.fromkeys((rows // self.settings.partition_clips).tolist(), "not written")

    def _open_images(self, partition: int) -> "_Images":
        rows = schema.partition_range(partition, len(self.clips), self.settings)
        taken = np.arange(rows.start, rows.stop)
        table = {
            name: self._arrays[name].take(taken)
            for name in (schema.IMAGE_OFFSET, schema.IMAGE_LENGTH, schema.IMAGE_CRC32C)
        }
        offset, length = table[schema.IMAGE_OFFSET], table[schema.IMAGE_LENGTH].astype(np.int64)
        good = self._status[taken] == Status.GOOD
        body = self._arrays[schema.IMAGE_JPEG].map_body(partition)
        ends = np.cumsum(length.ravel())
        # The writer lays pictures back to back: anything else would point outside or elsewhere.
        seconds = np.array(self._seconds)[taken]
        shown = good[:, None] & (np.arange(self.settings.clip_seconds) < seconds[:, None])
        expected = np.where(shown, (ends - length.ravel()).reshape(length.shape), 0)
        positive = (length > 0) == shown
        if not positive.all() or (length < 0).any() or not np.array_equal(offset, expected):
            file = self._arrays[schema.IMAGE_OFFSET].path(partition)
            raise damage(file, "its offsets and image/length do not describe pictures in a row")
        if ends[-1] > body.size:
            file = self._arrays[schema.IMAGE_JPEG].path(partition)
            raise damage(file, f"it holds {body.size} bytes of pictures, expected {ends[-1]}")
        return _Images(body, offset.tolist(), length.tolist(), table[schema.IMAGE_CRC32C].tolist())


def _reopened(place: str, sha256: str) -> Store:
    store = Store(locate(place))
    if store.sha256 != sha256:
        raise AvscError(
            f"{place} has changed since it was opened in another process",
            "the same store",
            "start again when `avsc prepare` has ended",
        )
    return store


@dataclass(frozen=True)
class _Images:
    """The pictures of a partition."""

    body: NDArray[np.uint8] | ZarrBytes
    offset: list[list[int]]  # [clip of the partition][second]
    length: list[list[int]]
    crc32c: list[list[int]]


def _open_arrays(store: Location, specs: Sequence[ArraySpec]) -> dict[str, MappedArray | ZarrArray]:
    arrays: dict[str, MappedArray | ZarrArray] = {}
    group = None
    for spec in specs:
        if store.folder is not None and _is_ours(store, spec):
            arrays[spec.name] = MappedArray(store.folder, spec)
        else:
            if group is None:
                group = open_group(store)
            arrays[spec.name] = ZarrArray(store, group, spec)
    return arrays


def _is_ours(store: Location, spec: ArraySpec) -> bool:
    """Whether an array's metadata are word for word what we write."""
    name = f"{spec.name}/{ZARR_JSON}"
    try:
        return bool(json.loads(store.read(name)) == metadata.array_document(spec))
    except OSError as error:
        raise damage(store.name(name), f"cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise damage(store.name(name), "it is not JSON") from None
