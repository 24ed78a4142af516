"""The last step: it names the partitions that are missing, or marks the store complete."""

from pathlib import Path

from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.layout import (
    content_sha256,
    read_attributes,
    read_clips,
    read_record,
    record_name,
)
from avsc.store.location import Location, locate
from avsc.store.metadata import ZARR_JSON, Attributes
from avsc.store.unreachable import UnreachableStoreError

NAMED = 5  # partitions that a message names


def unfinished(place: Path | str | Location) -> dict[int, str]:
    """The partitions that must still be written, and what of each is missing.

    Only sizes and ``clip/status`` are looked at; ``verify`` reads every byte.

    Raises:
        AvscError: ``place`` is no store.
    """
    store = locate(place)
    attributes = read_attributes(store)
    specs = schema.array_specs(attributes.clips, attributes.settings)
    partitions = range(schema.partition_count(attributes.clips, attributes.settings))
    sizes = store.sizes(spec.shard_name(p) for p in partitions for spec in specs)
    found = store.each(lambda p: _missing(store, specs, p, sizes), partitions)
    return {partition: what for partition, what in enumerate(found) if what}


def mark_complete(place: Path | str | Location) -> str:
    """Marks the store complete; returns the digest of its content.

    Raises:
        AvscError: Partitions are missing; some are named.
    """
    store = locate(place)
    missing = unfinished(store)
    attributes = read_attributes(store)
    clips = len(read_clips(store, attributes))
    total = schema.partition_count(clips, attributes.settings)
    if missing:
        raise AvscError(
            f"{store.place} lacks {len(missing)} of {total} partitions: {describe(missing)}",
            "every partition written",
            "run the same `avsc prepare` again; what is complete is kept",
        )
    content = content_sha256(store.each(store.read, [record_name(p) for p in range(total)]))
    _replace(store, attributes, complete=True, content_sha256=content)
    return content


def mark_incomplete(place: Path | str | Location) -> None:
    """Removes the mark before a partition is written again."""
    store = locate(place)
    attributes = read_attributes(store)
    if attributes.complete:
        _replace(store, attributes, complete=False, content_sha256="")


def describe(missing: dict[int, str]) -> str:
    """The first few missing partitions in words."""
    words = [f"{partition} ({what})" for partition, what in list(missing.items())[:NAMED]]
    return ", ".join(words) + (", ..." if len(missing) > NAMED else "")


def _replace(store: Location, attributes: Attributes, **changes: object) -> None:
    changed = attributes.model_copy(update=changes)
    if changed != attributes:
        store.write(ZARR_JSON, metadata.render(metadata.store_document(changed)))


def _missing(
    store: Location, specs: tuple[schema.ArraySpec, ...], partition: int, sizes: dict[str, int]
) -> str:
    status = specs[-1].shard_name(partition)
    if status not in sizes:
        return "not written"
    try:
        noted = read_record(store, partition)
    except UnreachableStoreError:
        raise
    except AvscError as error:
        return error.got
    for spec in specs:
        expected = noted.shards.get(spec.name)
        if expected is None:
            return f"{record_name(partition)} has no {spec.name}"
        if what := _wrong_size(store, sizes, spec.shard_name(partition), expected.nbytes):
            return what
    if store.sha256(status) != noted.shards[schema.STATUS].sha256:
        return f"{store.name(status)} is damaged"
    return ""


def _wrong_size(store: Location, sizes: dict[str, int], file: str, expected: int) -> str:
    if file not in sizes:
        return f"no {store.name(file)}"
    size = sizes[file]
    return f"{store.name(file)} has {size} bytes, expected {expected}" if size != expected else ""
