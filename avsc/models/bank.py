"""An array of embeddings of a store's seconds, computed once and kept in Zarr beside the store.

The array is [views V, N clips, S seconds, D features], a chunk a view of a partition, checksummed;
NaN is what is not computed, or lies behind a clip's end. Its name is a digest of its key: all that
its values depend on. Those of pictures are in ``avsc.models.view_bank``, those of sound in
``avsc.models.audio_bank``.

Any number of processes may fill one array at once: each claims a partition by a lock, computes
what is missing of it and writes its chunks whole. A process that is killed loses that partition.
Shape legend: n clips asked for, m embeddings to compute, p clips of a partition.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from filelock import Timeout
from numpy.typing import NDArray

from avsc import console, files
from avsc.console import ProgressLine
from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.models.bank_lock import lock
from avsc.store.reader import Store

if TYPE_CHECKING:
    import zarr
    from zarr.core.common import JSON

Bools = NDArray[np.bool_]
Floats = NDArray[Any]  # of the array's dtype
Ints = NDArray[np.int64]
Encode = Callable[[Ints, ProgressLine], Floats]  # view, row and second [m, 3] -> [m, D]

POLL_S = 0.2


class Bank:
    """An array of embeddings of one store's seconds.

    Args:
        store: Store whose seconds are encoded.
        folder: Folder that the array lies in.
        key: Everything that an embedding depends on but its view's number, as plain values.
        dtype: Number format.
        features: Number D of features; None for an array that is only read, and must be there.
        views: Number of views; an array with fewer grows.

    Attributes:
        path: The array's folder.
        views: Number of views.
        features: Number D of features.

    Raises:
        AvscError: There is an array in the place that was made of something else, or it cannot
            be opened or written.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        key: dict[str, object],
        *,
        dtype: type[np.float32] | type[np.float16],
        features: int | None,
        views: int = 1,
    ) -> None:
        self.store, self.key, self.views = store, key, views
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.path = array_path(folder, key)
        with files.explain_disk_errors(self.path):
            self._array = self._open_to_read() if features is None else self._open(features)
        self.features = int(self._array.shape[-1])

    @property
    def _clips(self) -> int:
        """Number of clips of a partition."""
        return self.store.settings.partition_clips

    def fill(
        self,
        rows: Ints,
        encode: Encode,
        *,
        title: str,
        unit: str,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Computes and stores what is missing of some clips.

        Processes that do so at the same time share the work. Each returns when all is there.

        Args:
            rows: Rows of the clips.
            encode: Function that computes embeddings, of view, row and second [m, 3], and advances
                the progress bar by them.
            title: Title of the progress bar.
            unit: Unit of the progress bar: what is encoded.
            rank: Number of this process, which begins with another partition than others.
            world: Number of processes.

        Raises:
            AvscError: What is encoded is damaged, or the array cannot be written.
        """
        wanted = np.unique(rows)
        partitions = np.unique(wanted // self._clips).tolist()
        left = {p: count for p in partitions if (count := len(self._missing(p, wanted)))}
        if not left:
            return
        order = list(left)[len(left) * rank // world :] + list(left)[: len(left) * rank // world]
        total = self.views * int(self.store.seconds(wanted).sum())
        with console.progress(title, total, unit, total - sum(left.values())) as line:
            while order:
                busy = []
                for partition in order:
                    with self._claimed(partition) as mine:
                        if mine:
                            todo = self._missing(partition, wanted)
                            line.advance(left[partition] - len(todo))  # another process did these
                            if len(todo):
                                self._write(partition, todo, encode(todo, line))
                        else:
                            busy.append(partition)
                if busy == order:
                    time.sleep(POLL_S)  # other processes work on these
                order = busy

    def missing(self, rows: Ints) -> Bools:
        """Which embeddings of some clips are not computed, [V, n]."""
        found = np.zeros((self.views, len(rows)), bool)
        for partition in np.unique(rows // self._clips).tolist():
            lacks = self._missing(partition, rows)
            for view, row in np.unique(lacks[:, :2], axis=0).tolist():
                found[view] |= rows == row
        return found

    def stored(self, rows: Ints) -> Floats | None:
        """The embeddings of some clips, as ``read`` gives them; None where some are missing."""
        found = np.empty((self.views, len(rows), *self._array.shape[2:]), self.dtype)
        for partition in np.unique(rows // self._clips).tolist():
            members = rows // self._clips == partition
            stored = self._chunks(partition)
            found[:, members] = stored[:, rows[members] - partition * self._clips]
        there = within(self.store.seconds(rows), found.shape[2])  # [n, S]
        return None if np.isnan(found[:, there, 0]).any() else found

    def read(self, rows: Ints) -> Floats:
        """The embeddings of some clips, [V, n, S, D]; NaN behind a clip's end.

        Raises:
            AvscError: Some are not there, or no longer.
        """
        found = self.stored(rows)
        if found is None:
            raise AvscError(
                f"{self.path} lacks embeddings that were there: it is damaged, or was removed",
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

    def _write(self, partition: int, todo: Ints, values: Floats) -> None:
        """Writes embeddings of a partition that this process has claimed."""
        chunks = self._chunks(partition)
        start = partition * self._clips
        chunks[todo[:, 0], todo[:, 1] - start, todo[:, 2]] = values
        with files.explain_disk_errors(self.path):
            for view in np.unique(todo[:, 0]).tolist():
                self._array[view, start : start + chunks.shape[1]] = chunks[view]

    def _chunks(self, partition: int) -> Floats:
        """A partition's embeddings [V, p, S, D], NaN where there are none or they are damaged."""
        start = partition * self._clips
        stop = min(start + self._clips, self._array.shape[1])
        chunks = np.empty((self.views, stop - start, *self._array.shape[2:]), self.dtype)
        for view in range(self.views):
            try:
                chunks[view] = self._array[view, start:stop]
            except ValueError as error:  # Zarr's, of a checksum
                console.say(
                    f"WARNING: {self.path}, chunk {partition} of view {view}: {error}; it "
                    "counts as not computed"
                )
                chunks[view] = np.nan
        return chunks

    @contextmanager
    def _claimed(self, partition: int) -> Iterator[bool]:
        """Whether this process has the partition to itself inside the block."""
        with ExitStack() as stack:
            try:
                stack.enter_context(lock(self.path, f"{partition}", timeout_s=0))
            except Timeout:
                yield False
                return
            yield True

    def _open_to_read(self) -> "zarr.Array[Any]":
        import zarr

        try:
            array = zarr.open_array(self.path, mode="r")
            key = dict(array.attrs).get("key")
        except (OSError, ValueError, KeyError) as error:
            raise self._foreign(f"cannot be opened: {error}") from None
        self._require_ours(array, key, self._shape(array.shape[-1]))
        return array

    def _open(self, features: int) -> "zarr.Array[Any]":
        import zarr

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with lock(self.path, "array", timeout_s=-1):
            if not self.path.exists():
                self._create(features)
            try:
                array = zarr.open_array(self.path, mode="r+")
                key = dict(array.attrs).get("key")
            except (OSError, ValueError, KeyError) as error:
                raise self._foreign(f"cannot be opened: {error}") from None
            shape = self._shape(features)
            self._require_ours(array, key, shape)
            if array.shape[0] < self.views:
                array.resize((self.views, *shape))
            return array

    def _shape(self, features: int) -> tuple[int, int, int]:
        """Number of clips, seconds and features."""
        return len(self.store.clips), self.store.settings.clip_seconds, features

    def _require_ours(
        self, array: "zarr.Array[Any]", key: object, shape: tuple[int, int, int]
    ) -> None:
        if key != self.key or array.shape[1:] != shape or array.dtype != self.dtype:
            raise self._foreign(f"it was made of {key}")

    def _create(self, features: int) -> None:
        """Makes the empty array aside and moves it."""
        import tempfile

        import zarr
        from zarr.codecs import Crc32cCodec

        aside = Path(tempfile.mkdtemp(prefix=files.TEMPORARY_PREFIX, dir=self.path.parent))
        aside.chmod(0o755)
        seconds = self.store.settings.clip_seconds
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
            f"the embeddings in {self.path}: {what}",
            f"embeddings of {self.key}",
            f"remove {self.path}; it is computed again",
        )


def array_path(folder: Path, key: dict[str, object]) -> Path:
    """Where the array of a key lies in a folder."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{name}.zarr"


def beside(store: Store) -> Path:
    """The folder of embeddings beside a store in a local folder."""
    place = Path(str(store.place)).resolve()
    return place.with_name(f"{place.name}.embeddings")


def home(store: Store, elsewhere: Path) -> Path:
    """The folder of a store's embeddings: beside it where that is possible."""
    if "://" in str(store.place):
        return elsewhere
    folder = beside(store)
    try:
        folder.mkdir(exist_ok=True)
        probe = folder / f"{files.TEMPORARY_PREFIX}probe"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        console.say(f"{folder} cannot be written ({error.strerror}): embeddings go to {elsewhere}")
        return elsewhere
    return folder
