"""Where a store is, and the small files in it that are not arrays."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from avsc.errors import AvscError
from avsc.store import clips as clip_list
from avsc.store import metadata, record, schema
from avsc.store.clips import StoredClip
from avsc.store.damage import damage
from avsc.store.metadata import ZARR_JSON, Attributes
from avsc.store.record import PartitionRecord


@dataclass(frozen=True)
class Location:
    """A folder, or a URL that fsspec understands."""

    place: str

    @property
    def folder(self) -> Path | None:
        """The folder, if the store is in one."""
        return None if "://" in self.place else Path(self.place)

    def name(self, file: str) -> str:
        """A file of the store, as messages name it."""
        return f"{self.place}/{file}"

    def read(self, file: str) -> bytes:
        """The bytes of a file of the store.

        Raises:
            OSError: It is not there, or cannot be read.
        """
        if self.folder is not None:
            return (self.folder / file).read_bytes()
        import fsspec

        with fsspec.open(self.name(file), "rb") as opened:
            return bytes(opened.read())


def read_attributes(store: Location) -> Attributes:
    """The store's attributes.

    Raises:
        AvscError: It is no store, of another version, or its attributes are damaged.
    """
    try:
        data = store.read(ZARR_JSON)
    except (OSError, ImportError, ValueError) as error:
        raise AvscError(
            f"no store at {store.place}: {error}",
            "a folder that `avsc prepare` made",
            "check the path, or run `avsc prepare DATASET STORE` first",
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
        raise _other_clips(where, f"cannot be read: {error.strerror}", attributes) from None
    found = hashlib.sha256(data).hexdigest()
    if found != attributes.clips_csv_sha256:
        raise _other_clips(where, f"was altered or damaged: its SHA-256 is {found}", attributes)
    clips = clip_list.decode(data, where)
    if len(clips) != attributes.clips:
        raise _other_clips(where, f"lists {len(clips)} clips", attributes)
    return clips


def read_record(store: Location, partition: int) -> PartitionRecord:
    """The record of a written partition.

    Raises:
        AvscError: The record is missing or damaged.
    """
    where = store.name(record.name(partition))
    try:
        noted = record.decode(store.read(record.name(partition)), where)
    except OSError as error:
        raise damage(where, f"cannot be read: {error.strerror}") from None
    if noted.partition != partition:
        raise damage(where, f"it is the record of partition {noted.partition}")
    return noted


def _other_clips(where: str, what: str, attributes: Attributes) -> AvscError:
    return AvscError(
        f"{where} {what}",
        f"the {attributes.clips} clips the store was begun with, SHA-256 "
        f"{attributes.clips_csv_sha256}",
        "restore the file from a copy, or prepare the store again",
    )
