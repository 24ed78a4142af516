"""Views of a store's images, encoded once and kept in a Zarr array beside the store.

A *view* is an image as the encoder sees it: the plain one, as validation and tests take it, or one
of K augmented ones of ``train.views``. The array is [views V, N clips, S seconds, D features], a
chunk a view of a partition, checksummed; NaN is what is not computed, or lies behind a clip's end.
The plain view is float32, a bank of augmented ones float16. The array is keyed by the store, the
encoder's weights and all that makes a view of an image, so runs with other seeds, features and
strategies share it. View v of an image is a function of (``augment.seed``, v, image), so a bank
grows along its first axis, and it does not matter who computes what.

Any number of processes may compute one array at once: each claims a partition by a lock, computes
what is missing of it and writes its chunks whole. A process that is killed loses that partition.
Shape legend: n clips asked for, m images of a batch, Z the side of an image.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout
from numpy.typing import NDArray

from avsc import console, files
from avsc.data.image_source import StoredImages
from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.models.bank_version import VERSION
from avsc.models.view_maker import ViewMaker
from avsc.models.visual import VisualEncoder
from avsc.recipe_augment import AugmentRecipe
from avsc.store.reader import Store

if TYPE_CHECKING:
    import zarr
    from zarr.core.common import JSON

Bools = NDArray[np.bool_]
Floats = NDArray[Any]  # float32 of the plain view, float16 of a bank
Ints = NDArray[np.int64]

LOCKS = 64  # partitions p and p + LOCKS share a lock
POLL_S = 0.2


class ViewBank:
    """The encoded views of one store's images by one encoder.

    Args:
        store: Store whose images are encoded.
        encoder: Visual encoder on its device.
        elsewhere: Folder to keep the array in where the store's neighbourhood cannot be
            written or is not a local folder.
        augmentation: Augmentation of the views; None for the plain view.
        views: Number of views; an array with fewer grows.

    Attributes:
        path: The array's folder.
        views: Number of views.

    Raises:
        AvscError: There is an array in the place that was made of something else, or it cannot
            be written.
    """

    def __init__(
        self,
        store: Store,
        encoder: VisualEncoder,
        elsewhere: Path,
        augmentation: AugmentRecipe | None = None,
        views: int = 1,
    ) -> None:
        self.views = views
        self.store = store
        self._encoder = encoder
        self._maker = ViewMaker(encoder, augmentation)
        self.key = bank_key(store, encoder, augmentation)
        self.dtype = np.dtype(np.float32 if augmentation is None else np.float16)
        name = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:16]
        self.path = home(store, elsewhere) / f"{name}.zarr"
        with files.explain_disk_errors(self.path):
            self._array = self._open()

    @property
    def _clips(self) -> int:
        """Number of clips of a partition."""
        return self.store.settings.partition_clips

    def compute(self, rows: Ints, threads: int, rank: int = 0, world: int = 1) -> None:
        """Computes and stores what is missing of some clips.

        Processes that do so at the same time share the work. Each returns when all is there.

        Args:
            rows: Rows of the clips.
            threads: Number of decoding threads.
            rank: Number of this process, which begins with another partition than others.
            world: Number of processes.

        Raises:
            AvscError: A picture is damaged, or an embedding is not finite.
        """
        wanted = np.unique(rows)
        partitions = np.unique(wanted // self._clips).tolist()
        left = {p: count for p in partitions if (count := len(self._missing(p, wanted)))}
        if not left:
            return
        order = list(left)[len(left) * rank // world :] + list(left)[: len(left) * rank // world]
        total = self.views * int(self.store.seconds(wanted).sum())
        title = "visual embeddings" if self.views == 1 else f"bank of {self.views} views"
        with console.progress(title, total, "images", total - sum(left.values())) as line:
            while order:
                busy = []
                for partition in order:
                    with self._claimed(partition) as mine:
                        if mine:
                            self._complete(partition, wanted, threads)
                            line.advance(left[partition])
                        else:
                            busy.append(partition)
                if busy == order:
                    time.sleep(POLL_S)  # other processes work on these
                order = busy

    def missing(self, rows: Ints) -> Bools:
        """Which views of some clips are not computed, [V, n]."""
        found = np.zeros((self.views, len(rows)), bool)
        for partition in np.unique(rows // self._clips).tolist():
            lacks = self._missing(partition, rows)
            for view, row in np.unique(lacks[:, :2], axis=0).tolist():
                found[view] |= rows == row
        return found

    def read(self, rows: Ints) -> Floats:
        """The views of some clips, [V, n, S, D]; NaN behind a clip's end.

        Raises:
            AvscError: Some are not there, or no longer.
        """
        found = np.empty((self.views, len(rows), *self._array.shape[2:]), self.dtype)
        for partition in np.unique(rows // self._clips).tolist():
            members = rows // self._clips == partition
            stored = self._chunks(partition)
            found[:, members] = stored[:, rows[members] - partition * self._clips]
        there = within(self.store.seconds(rows), found.shape[2])  # [n, S]
        if np.isnan(found[:, there, 0]).any():
            raise AvscError(
                f"{self.path} lacks views that were there: it is damaged, or was removed",
                f"{self.views} views of {len(rows)} clips",
                "run the same command again: what is missing is computed again",
            )
        return found

    def _missing(self, partition: int, rows: Ints) -> Ints:
        """View, row and second of what is not computed of some clips of a partition, [m, 3].

        Image after image, so that each is decoded once for all of its views.
        """
        of_it = rows[rows // self._clips == partition]
        first = self._chunks(partition)[..., 0]  # of each embedding's values
        chunks = first[:, of_it - partition * self._clips]  # [V, n, S]
        there = within(self.store.seconds(of_it), chunks.shape[2])
        clip, second, view = np.nonzero((np.isnan(chunks) & there).transpose(1, 2, 0))
        return np.stack([view, of_it[clip], second], axis=1).astype(np.int64)

    def _complete(self, partition: int, rows: Ints, threads: int) -> None:
        """Computes and writes what is missing of a partition that this process has claimed."""
        todo = self._missing(partition, rows)
        if not len(todo):
            return  # another process did it meanwhile
        chosen, clip = np.unique(todo[:, 1], return_inverse=True)
        where = np.stack([clip.reshape(-1), todo[:, 2]], axis=1)
        image = todo[:, 1] * self.store.settings.clip_seconds + todo[:, 2]
        source = StoredImages(self.store, chosen)
        values = self._maker.encode(source, where, todo[:, 0], image, threads)
        with np.errstate(over="ignore"):
            values = values.astype(self.dtype)
        _require_finite(values, self._encoder)
        chunks = self._chunks(partition)
        start = partition * self._clips
        chunks[todo[:, 0], todo[:, 1] - start, todo[:, 2]] = values
        with files.explain_disk_errors(self.path):
            for view in np.unique(todo[:, 0]).tolist():
                self._array[view, start : start + chunks.shape[1]] = chunks[view]

    def _chunks(self, partition: int) -> Floats:
        """A partition's views [V, p, S, D], NaN where there are none or where they are damaged."""
        start = partition * self._clips
        stop = min(start + self._clips, self._array.shape[1])
        chunks = np.empty((self.views, stop - start, *self._array.shape[2:]), self.dtype)
        for view in range(self.views):
            try:
                chunks[view] = self._array[view, start:stop]
            except ValueError as error:  # Zarr's, of a checksum
                console.say(
                    f"WARNING: {self.path}, chunk {partition} of view {view}: {error}; it is "
                    "computed again"
                )
                chunks[view] = np.nan
        return chunks

    @contextmanager
    def _claimed(self, partition: int) -> Iterator[bool]:
        """Whether this process has the partition to itself inside the block."""
        try:
            lock = _acquired(self.path, f"{partition % LOCKS}", timeout_s=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _open(self) -> "zarr.Array[Any]":
        import zarr

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquired(self.path, "array", timeout_s=-1)
        try:
            if not self.path.exists():
                self._create()
            try:
                array = zarr.open_array(self.path, mode="r+")
                key = dict(array.attrs).get("key")
            except (OSError, ValueError, KeyError) as error:
                raise self._foreign(f"cannot be opened: {error}") from None
            clips, seconds = len(self.store.clips), self.store.settings.clip_seconds
            shape = (clips, seconds, self._encoder.features)
            if key != self.key or array.shape[1:] != shape or array.dtype != self.dtype:
                raise self._foreign(f"it was made of {key}")
            if array.shape[0] < self.views:
                array.resize((self.views, *shape))
            return array
        finally:
            lock.release()

    def _create(self) -> None:
        """Makes the empty array aside and moves it."""
        import tempfile

        import zarr
        from zarr.codecs import Crc32cCodec

        aside = Path(tempfile.mkdtemp(prefix=files.TEMPORARY_PREFIX, dir=self.path.parent))
        aside.chmod(0o755)
        seconds, features = self.store.settings.clip_seconds, self._encoder.features
        zarr.create_array(
            store=aside,
            shape=(self.views, len(self.store.clips), seconds, features),
            chunks=(1, self._clips, seconds, features),
            dtype=self.dtype.name,
            fill_value=float("nan"),
            compressors=[Crc32cCodec()],
            attributes={"key": cast("JSON", self.key)},
            overwrite=True,
        )
        try:
            aside.rename(self.path)
        except OSError:
            shutil.rmtree(aside)
            raise

    def _foreign(self, what: str) -> AvscError:
        return AvscError(
            f"the views in {self.path}: {what}",
            f"views of {self.key}",
            f"remove {self.path}; it is computed again",
        )


def bank_key(
    store: Store, encoder: VisualEncoder, augmentation: AugmentRecipe | None
) -> dict[str, object]:
    """Everything that a view depends on but its number, as plain values."""
    return {
        "version": VERSION,
        "store": store.sha256,
        "model": encoder.name,
        "weights": encoder.sha256,
        "image": json.loads(json.dumps(asdict(encoder.config))),
        "bf16": encoder.is_bf16,
        "augment": None if augmentation is None else augmentation.model_dump(mode="json"),
    }


def _acquired(array: Path, name: str, timeout_s: float) -> BaseFileLock:
    """A lock beside an array, which is free again when its process is gone.

    Raises:
        Timeout: Another process has it.
        OSError: The folder cannot be written.
    """
    place = array.with_suffix(".locks") / name
    place.parent.mkdir(parents=True, exist_ok=True)
    lock: BaseFileLock = FileLock(place)
    try:
        lock.acquire(timeout=timeout_s)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, Timeout) or not _without_locks(error):
            raise
        lock = SoftFileLock(place.with_name(f"{name}-soft"))
        lock.acquire(timeout=timeout_s)
    return lock


def _without_locks(error: Exception) -> bool:
    """Whether the file system has no locks."""
    return isinstance(error, NotImplementedError) or (
        isinstance(error, OSError) and error.errno in files.NO_FLOCK
    )


def _require_finite(values: Floats, encoder: VisualEncoder) -> None:
    if not np.isfinite(values).all():
        raise AvscError(
            f"{encoder.name} gives embeddings that are not finite as {values.dtype} numbers",
            "finite numbers",
            "check its weights, or --set train.precision=float32"
            + (", or leave train.views out" if values.dtype == np.float16 else ""),
        )


def home(store: Store, elsewhere: Path) -> Path:
    """The folder of a store's views: beside it where that is possible."""
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
