"""``partitions/NNNNNN.json``: the record of what one partition holds.

It is written after the partition's other shards and before ``clip/status``: the reasons of its
quarantined clips, and the size and SHA-256 of each shard, so that every byte of a store, padding
and indexes included, is covered by a digest.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from avsc.errors import AvscError
from avsc.store import metadata, schema


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


def name(partition: int) -> str:
    """The record's file, relative to the store.

    >>> name(7)
    'partitions/000007.json'
    """
    return f"{schema.RECORDS}/{partition:06d}.json"


def encode(record: PartitionRecord) -> bytes:
    """The record's file; it carries its own digest."""
    fields = record.model_dump(mode="json")
    return metadata.render({**fields, "sha256": metadata.digest(fields)})


def decode(data: bytes, where: str) -> PartitionRecord:
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
