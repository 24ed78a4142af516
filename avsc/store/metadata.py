"""What ``zarr.json`` says: of each array by its specification, of the store by its attributes.

The documents are made here, not by zarr-python, because readers compare them word for word before
they map a shard; the tests show that zarr-python writes and reads the very same.
"""

import hashlib
import json
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avsc.errors import AvscError
from avsc.scenes import SCENES
from avsc.store import schema
from avsc.store.schema import ArraySpec, StoreSettings

ZARR_JSON = "zarr.json"
_DIGEST = "attributes_sha256"
_VERSION = "schema_version"

Document = dict[str, Any]


class Attributes(BaseModel):
    """The group's attributes: what the store is, and whether every partition is there.

    Attributes:
        schema_version: Version of ``avsc.store.schema`` that wrote the store.
        clips: Number of clips, the rows of every array.
        clips_csv_sha256: SHA-256 of ``clips.csv``, whose lines are those rows.
        settings: Settings that decide what the bytes are.
        scenes: Scenes of the data set, in the order of all tables of probabilities.
        complete: Whether the last step found every partition written.
        content_sha256: SHA-256 over the records of all partitions, which hold the SHA-256 of
            every shard; empty until complete.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int
    clips: int = Field(ge=1)
    clips_csv_sha256: str
    settings: StoreSettings
    scenes: tuple[str, ...] = SCENES
    complete: bool = False
    content_sha256: str = ""

    @property
    def sha256(self) -> str:
        """A digest that names what the store holds; checkpoints and caches are keyed by it."""
        named = self.fields()
        del named["complete"]
        return digest(named)

    def fields(self) -> Document:
        """The attributes as JSON; TAU's ten scenes go without saying, as in version 0.1."""
        fields = self.model_dump(mode="json")
        if self.scenes == SCENES:
            del fields["scenes"]
        return fields


def digest(document: Document) -> str:
    """The SHA-256 of a JSON document, whatever its spacing and order."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def render(document: Document) -> bytes:
    """A document as zarr-python would lay it out."""
    return (json.dumps(document, indent=2) + "\n").encode()


def group_document(attributes: Document) -> Document:
    """``zarr.json`` of a group."""
    return {"attributes": attributes, "zarr_format": 3, "node_type": "group"}


def store_document(attributes: Attributes) -> Document:
    """``zarr.json`` of the store; its attributes carry their own digest."""
    fields = attributes.fields()
    return group_document({**fields, _DIGEST: digest(fields)})


def parse_store(data: bytes, where: str) -> Attributes:
    """The attributes in the store's ``zarr.json``.

    Args:
        data: Bytes of the file.
        where: Path of the file, for messages.

    Raises:
        AvscError: It is not a store's, is of another version, or was altered.
    """
    fields = _attributes_in(data, where)
    if fields.get(_VERSION) not in (schema.VERSION, schema.LENGTHS_VERSION):
        raise AvscError(
            f"{where}: a store of version {fields.get(_VERSION)!r}",
            f"version {schema.VERSION} or {schema.LENGTHS_VERSION}",
            "use the avsc that wrote it, or prepare the store again",
        )
    recorded = fields.pop(_DIGEST, None)
    if recorded != digest(fields):
        raise AvscError(
            f"{where} was altered or damaged: its attributes do not match their digest",
            f"the file that `avsc prepare` wrote (SHA-256 of its attributes {recorded})",
            "restore the file from a copy, or prepare the store again",
        )
    try:
        return Attributes.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise AvscError(
            f"{where}: {error.error_count()} unusable attributes, such as {error.errors()[0]}",
            "the attributes that `avsc prepare` writes",
            "use the avsc that wrote it, or prepare the store again",
        ) from None


def _attributes_in(data: bytes, where: str) -> Document:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    fields = document.get("attributes") if isinstance(document, dict) else None
    if not isinstance(fields, dict) or _VERSION not in fields:
        raise AvscError(
            f"{where} is not the group of a store",
            f"a Zarr v3 group with the attribute {_VERSION}",
            "give the folder that `avsc prepare` made",
        )
    return fields


def array_document(spec: ArraySpec) -> Document:
    """``zarr.json`` of an array."""
    fill: float | int = 0.0 if spec.dtype.kind == "f" else 0
    return {
        "shape": list(spec.shape),
        "data_type": spec.dtype.name,
        "chunk_grid": _named("regular", chunk_shape=list(spec.shard)),
        # One flat folder of shards an array, not one nested folder a partition.
        "chunk_key_encoding": _named("default", separator="."),
        "fill_value": fill,
        "codecs": [_sharding(spec)],
        "attributes": {},
        "dimension_names": list(spec.dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _sharding(spec: ArraySpec) -> Document:
    return _named(
        "sharding_indexed",
        chunk_shape=list(spec.chunk),
        codecs=_bytes_codecs(spec.dtype, spec.checksummed),
        index_codecs=_bytes_codecs(np.dtype("<u8"), True),
        index_location="end",
    )


def _bytes_codecs(dtype: np.dtype[Any], checksummed: bool) -> list[Document]:
    # A single byte has no order of bytes, and zarr-python writes none.
    plain = {"name": "bytes"} if dtype.itemsize == 1 else _named("bytes", endian="little")
    return [plain, {"name": "crc32c"}] if checksummed else [plain]


def _named(name: str, **configuration: object) -> Document:
    return {"name": name, "configuration": configuration}
