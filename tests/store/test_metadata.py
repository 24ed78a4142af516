import json
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BytesCodec, Crc32cCodec
from zarr.storage import MemoryStore

from avsc.errors import AvscError
from avsc.store import metadata, schema
from avsc.store.metadata import Attributes
from avsc.store.schema import ArraySpec, FBankSettings, ImageSettings, StoreSettings

SPECS = schema.array_specs(100, StoreSettings())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_zarr_python_asked_for_the_same_array_writes_the_same_metadata(spec: ArraySpec) -> None:
    store = MemoryStore()
    zarr.create_array(
        store,
        shape=spec.shape,
        dtype=spec.dtype,
        chunks=spec.chunk,
        shards=spec.shard,
        serializer=BytesCodec(endian=None if spec.dtype.itemsize == 1 else "little"),
        compressors=(Crc32cCodec(),) if spec.checksummed else None,
        filters=None,
        fill_value=0,
        dimension_names=spec.dims,
        chunk_key_encoding={"name": "default", "separator": "."},
    )
    theirs = json.loads(store._store_dict["zarr.json"].to_bytes())
    assert theirs == metadata.array_document(spec)


def test_chunks_of_every_array_line_up_with_partitions() -> None:
    for spec in SPECS:
        per_partition = 1 if spec.name == schema.IMAGE_JPEG else StoreSettings().partition_clips
        assert spec.shard[0] == per_partition
        assert all(outer % inner == 0 for outer, inner in zip(spec.shard, spec.chunk, strict=True))
        assert sum(outer != inner for outer, inner in zip(spec.shard, spec.chunk, strict=True)) <= 1
        assert spec.chunks == np.prod(spec.shard) // np.prod(spec.chunk)


def attributes(**changes: Any) -> Attributes:
    fields = {"schema_version": 1, "clips": 3, "clips_csv_sha256": "ab", **changes}
    return Attributes(**{"settings": StoreSettings(), **fields})


@given(
    st.builds(
        StoreSettings,
        features=st.sampled_from([("fbank",), ("scalogram", "fbank")]),
        partition_clips=st.integers(1, 4096),
        fbank=st.builds(FBankSettings, log_floor=st.floats(1e-12, 1.0)),
        image=st.builds(ImageSettings, short_side=st.integers(16, 4320)),
    )
)
def test_settings_survive_the_attributes_exactly(settings: StoreSettings) -> None:
    wanted = attributes(settings=settings)
    document = metadata.render(metadata.store_document(wanted))
    assert metadata.parse_store(document, "zarr.json") == wanted


def test_an_altered_attribute_is_refused() -> None:
    document = metadata.store_document(attributes())
    document["attributes"]["settings"]["image"]["short_side"] = 361
    with pytest.raises(AvscError, match=r"zarr\.json"):
        metadata.parse_store(metadata.render(document), "zarr.json")


def test_a_store_of_another_version_is_refused_by_its_version() -> None:
    document = metadata.store_document(attributes(schema_version=3))
    with pytest.raises(AvscError, match="version 3"):
        metadata.parse_store(metadata.render(document), "zarr.json")


def test_attributes_that_make_no_sense_are_refused_even_with_a_right_digest() -> None:
    fields = metadata.store_document(attributes())["attributes"]
    del fields["attributes_sha256"]
    fields["clips"] = -5
    fields["attributes_sha256"] = metadata.digest(fields)
    with pytest.raises(AvscError, match=r"zarr\.json"):
        metadata.parse_store(metadata.render(metadata.group_document(fields)), "zarr.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"attributes": []}', "\x00", "[" * 100_000, '{"attributes": {}}']
)
def test_what_is_not_a_store_is_called_that(text: str) -> None:
    with pytest.raises(AvscError, match=r"zarr\.json"):
        metadata.parse_store(text.encode(), "zarr.json")


def test_the_name_of_the_content_depends_on_content_and_not_on_the_mark() -> None:
    one = attributes(content_sha256="1")
    assert one.sha256 == attributes(content_sha256="1", complete=True).sha256
    assert one.sha256 != attributes(content_sha256="2").sha256
    assert one.sha256 != attributes(content_sha256="1", clips_csv_sha256="cd").sha256
