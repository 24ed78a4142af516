"""The last step: it names the partitions that are missing, or marks the store complete."""

import hashlib
from pathlib import Path

from avsc import files
from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.layout import (
    Location,
    content_sha256,
    read_attributes,
    read_clips,
    read_record,
    record_name,
)
from avsc.store.metadata import ZARR_JSON, Attributes

NAMED = 5  # partitions that a message names


def unfinished(path: Path) -> dict[int, str]:
    """The partitions that must still be written, and what of each is missing.

    Only sizes and ``clip/status`` are looked at; ``verify`` reads every byte.

    Raises:
        AvscError: ``path`` is no store.
    """
    attributes = read_attributes(Location(str(path)))
    specs = schema.array_specs(attributes.clips, attributes.settings)
    partitions = range(schema.partition_count(attributes.clips, attributes.settings))
    found = {partition: _missing(path, specs, partition) for partition in partitions}
    return {partition: what for partition, what in found.items() if what}


def mark_complete(path: Path) -> str:
    """Marks the store complete; returns the digest of its content.

    Raises:
        AvscError: Partitions are missing; some are named.
    """
    missing = unfinished(path)
    attributes = read_attributes(Location(str(path)))
    clips = len(read_clips(Location(str(path)), attributes))
    total = schema.partition_count(clips, attributes.settings)
    if missing:
        raise AvscError(
            f"{path} lacks {len(missing)} of {total} partitions: {describe(missing)}",
            "every partition written",
            "run the same `avsc prepare` again; what is complete is kept",
        )
    content = content_sha256((path / record_name(p)).read_bytes() for p in range(total))
    _replace(path, attributes, complete=True, content_sha256=content)
    return content


def mark_incomplete(path: Path) -> None:
    """Removes the mark before a partition is written again."""
    attributes = read_attributes(Location(str(path)))
    if attributes.complete:
        _replace(path, attributes, complete=False, content_sha256="")


def describe(missing: dict[int, str]) -> str:
    """The first few missing partitions in words."""
    words = [f"{partition} ({what})" for partition, what in list(missing.items())[:NAMED]]
    return ", ".join(words) + (", ..." if len(missing) > NAMED else "")


def _replace(path: Path, attributes: Attributes, **changes: object) -> None:
    changed = attributes.model_copy(update=changes)
    if changed != attributes:
        document = metadata.store_document(changed)
        files.write_bytes(path / ZARR_JSON, metadata.render(document))


def _missing(path: Path, specs: tuple[schema.ArraySpec, ...], partition: int) -> str:
    status = path / specs[-1].shard_name(partition)
    if not status.exists():
        return "not written"
    try:
        noted = read_record(Location(str(path)), partition)
    except AvscError as error:
        return error.got
    for spec in specs:
        expected = noted.shards.get(spec.name)
        if expected is None:
            return f"{record_name(partition)} has no {spec.name}"
        if what := _wrong_size(path / spec.shard_name(partition), expected.nbytes):
            return what
    if hashlib.sha256(status.read_bytes()).hexdigest() != noted.shards[schema.STATUS].sha256:
        return f"{status} is damaged"
    return ""


def _wrong_size(file: Path, expected: int) -> str:
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return f"no {file}"
    return f"{file} has {size} bytes, expected {expected}" if size != expected else ""
