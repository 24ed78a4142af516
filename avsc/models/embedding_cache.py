"""Embeddings of unaugmented images, computed once and kept in a Zarr array beside the store.

The array is float32 [N clips, S seconds, D features], a chunk a partition, checksummed; what is
not computed yet is NaN. It is keyed by the store, the encoder's weights and how an image becomes
its input, so another encoder or store has another array. A chunk is written whole, so a run that
is stopped loses one partition's work, and two runs that write the same array cost each other work
at worst. Shape legend: n clips asked for, m images of a batch.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from avsc import console, files
from avsc.data.eval_images import iter_eval_images
from avsc.data.image_source import StoredImages
from avsc.errors import AvscError
from avsc.models.visual import VisualEncoder
from avsc.store.reader import Store

if TYPE_CHECKING:
    import zarr
    from zarr.core.common import JSON

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VERSION = 2  # of how an image becomes an embedding
BATCH = {"cuda": 256}  # images at a time; elsewhere:
BATCH_ELSEWHERE = 32


class EmbeddingCache:
    """The embeddings of one store's images by one encoder.

    Args:
        store: Store whose images are encoded.
        encoder: Visual encoder on its device.
        elsewhere: Folder to keep the array in where the store's neighbourhood cannot be
            written or is not a local folder.

    Raises:
        AvscError: There is an array in the place that was made of something else.
    """

    def __init__(self, store: Store, encoder: VisualEncoder, elsewhere: Path) -> None:
        self._store = store
        self._encoder = encoder
        self.key = cache_key(store, encoder)
        name = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:16]
        self.path = _home(store, elsewhere) / f"{name}.zarr"
        self._array = self._open()

    def compute(self, rows: Ints, threads: int, rank: int = 0, world: int = 1) -> None:
        """Computes and stores what is missing of some clips, this rank's share of it.

        Partitions are shared out, so that no two ranks write one chunk. All ranks must be done
        before any of them reads.

        Raises:
            AvscError: A picture is damaged.
        """
        size = self._store.settings.partition_clips
        mine = np.isin(rows // size, np.unique(rows // size)[rank::world])
        wanted = np.unique(rows[mine])
        held = self.read(wanted)
        missing = wanted[np.isnan(held).any(axis=(1, 2))]
        if not missing.size:
            return
        seconds = self._store.settings.clip_seconds
        total, before = len(wanted) * seconds, (len(wanted) - len(missing)) * seconds
        with console.progress("visual embeddings", total, "images", before) as line:
            for part, values in self._encoded(missing, threads):
                self._put(part, values)
                line.advance(values.shape[0] * seconds)

    def read(self, rows: Ints) -> Floats:
        """The stored embeddings of some clips, [n, S, D]; NaN where there are none yet."""
        size = self._store.settings.partition_clips
        found = np.full((len(rows), *self._array.shape[1:]), np.nan, np.float32)
        for partition in np.unique(rows // size).tolist():
            members = rows // size == partition
            found[members] = self._chunk(partition)[rows[members] - partition * size]
        return found

    def _encoded(self, rows: Ints, threads: int) -> Iterator[tuple[Ints, Floats]]:
        """Encodes clips in order; yields them a partition at a time as (rows, [n, S, D])."""
        seconds = self._store.settings.clip_seconds
        values = np.empty((len(rows) * seconds, self._encoder.features), np.float32)
        ends = np.append(
            np.flatnonzero(np.diff(rows // self._store.settings.partition_clips)) + 1, len(rows)
        )
        begun = 0
        for first, images in self._images(rows, threads):
            count = len(images)
            values[first : first + count] = encode_padded(self._encoder, images)
            _require_finite(values[first : first + count], self._encoder)
            for end in ends[(ends > begun) & (ends * seconds <= first + count)].tolist():
                part = slice(begun * seconds, end * seconds)
                yield rows[begun:end], values[part].reshape(end - begun, seconds, -1)
                begun = end

    def _images(self, rows: Ints, threads: int) -> Iterator[tuple[int, torch.Tensor]]:
        source = StoredImages(self._store, rows)
        return iter_eval_images(
            source,
            len(rows),
            self._store.settings.clip_seconds,
            self._encoder.config,
            threads=threads,
            batch=batch_size(self._encoder.device),
        )

    def _put(self, rows: Ints, values: Floats) -> None:
        partition = int(rows[0]) // self._store.settings.partition_clips
        chunk = self._chunk(partition)
        start = partition * self._store.settings.partition_clips
        chunk[rows - start] = values
        self._array[start : start + len(chunk)] = chunk

    def _chunk(self, partition: int) -> Floats:
        """A partition's embeddings, NaN where there are none or where they are damaged."""
        size = self._store.settings.partition_clips
        start = partition * size
        stop = min(start + size, self._array.shape[0])
        try:
            return np.array(self._array[start:stop], np.float32)
        except ValueError as error:  # Zarr's, of a checksum
            console.say(f"WARNING: {self.path}, chunk {partition}: {error}; computed again")
            return np.full((stop - start, *self._array.shape[1:]), np.nan, np.float32)

    def _open(self) -> "zarr.Array[Any]":
        import zarr

        if not self.path.exists():
            self._create()
        try:
            array = zarr.open_array(self.path, mode="r+")
            key = dict(array.attrs).get("key")
        except (OSError, ValueError, KeyError) as error:
            raise self._foreign(f"cannot be opened: {error}") from None
        if key != self.key or array.shape != self._shape:
            raise self._foreign(f"it was made of {key}")
        return array

    @property
    def _shape(self) -> tuple[int, int, int]:
        seconds = self._store.settings.clip_seconds
        return (len(self._store.clips), seconds, self._encoder.features)

    def _create(self) -> None:
        """Makes the empty array aside and moves it: two that do so at once share one."""
        import tempfile

        import zarr
        from zarr.codecs import Crc32cCodec

        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=files.TEMPORARY_PREFIX, dir=self.path.parent))
        aside.chmod(0o755)
        zarr.create_array(
            store=aside,
            shape=self._shape,
            chunks=(self._store.settings.partition_clips, *self._shape[1:]),
            dtype="float32",
            fill_value=float("nan"),
            compressors=[Crc32cCodec()],
            attributes={"key": cast("JSON", self.key)},
            overwrite=True,
        )
        try:
            aside.rename(self.path)
        except OSError:
            shutil.rmtree(aside)
            if not self.path.exists():
                raise

    def _foreign(self, what: str) -> AvscError:
        return AvscError(
            f"the embeddings in {self.path}: {what}",
            f"embeddings of {self.key}",
            f"remove {self.path}; it is computed again",
        )


def cache_key(store: Store, encoder: VisualEncoder) -> dict[str, object]:
    """Everything that an image's embedding depends on, as plain values."""
    return {
        "version": VERSION,
        "store": store.sha256,
        "model": encoder.name,
        "weights": encoder.sha256,
        "image": json.loads(json.dumps(asdict(encoder.config))),
        "bf16": encoder.is_bf16,
    }


def encode_padded(encoder: VisualEncoder, images: torch.Tensor) -> Floats:
    """Encodes uint8 [m, 3, Z, Z] in a batch of a fixed size, so that values and speed are steady.

    What an image's embedding is must not depend on how many came along with it, and a compiled
    encoder must not be compiled again for the last few.
    """
    full = torch.zeros((batch_size(encoder.device), *images.shape[1:]), dtype=torch.uint8)
    full = full.contiguous(memory_format=torch.channels_last)
    full[: len(images)] = images
    encoded = encoder(full.to(encoder.device))[: len(images)]
    return np.asarray(encoded.cpu().numpy(), np.float32)


def _require_finite(values: Floats, encoder: VisualEncoder) -> None:
    if not np.isfinite(values).all():
        raise AvscError(
            f"{encoder.name} gives embeddings that are not finite",
            "finite numbers",
            "check its weights, or --set train.precision=float32",
        )


def batch_size(device: torch.device) -> int:
    """Images encoded at a time."""
    return BATCH.get(device.type, BATCH_ELSEWHERE)


def _home(store: Store, elsewhere: Path) -> Path:
    """The folder of a store's caches: beside it where that is possible."""
    if "://" in str(store.place):
        return elsewhere
    place = Path(str(store.place)).resolve()
    beside = place.with_name(f"{place.name}.embeddings")
    try:
        beside.mkdir(exist_ok=True)
        probe = beside / f"{files.TEMPORARY_PREFIX}probe"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        console.say(f"{beside} cannot be written ({error.strerror}): embeddings go to {elsewhere}")
        return elsewhere
    return beside
