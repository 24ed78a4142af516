"""What a run says of each second of a store's clips, computed once and kept beside the store.

``STORE.teachers/<key>/`` has a file for each partition, ``NNNNNN.npz``: ``rows`` [n] and
``log_probabilities`` float32 [n, S, K], NaN behind a clip's end. A file is written whole and its
members carry a CRC-32. The key is the store and the digest of the run, so students of any seed and
strategy share them, and a training that was killed goes on with the partition it lost.

Shape legend: n clips, S seconds of the longest clip, K scenes.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avsc import console, files
from avsc.data.loader import default_threads
from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.evaluate import score
from avsc.evaluate.segments import Segments, segments_of
from avsc.evaluate.temperature import segment_shares
from avsc.metrics import SMALLEST_PROBABILITY
from avsc.models.view_bank import ViewBank, home
from avsc.store.reader import Store
from avsc.train.load import Run
from avsc.train.manifest import TeacherManifest

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VERSION = 1
TAUGHT = "taught"  # the fold of a teacher's segments


class TeacherScores:
    """The log-probabilities of one run for the seconds of a store's clips.

    Args:
        store: Store of the clips.
        teacher: The run and its digest.
        elsewhere: Folder to keep them in where the store's neighbourhood cannot be written or is
            not a local folder.

    Attributes:
        folder: Folder of the files.
    """

    def __init__(self, store: Store, teacher: TeacherManifest, elsewhere: Path) -> None:
        self._store, self._teacher = store, teacher
        self._key = {"version": VERSION, "store": store.sha256, "teacher": teacher.sha256}
        name = hashlib.sha256(json.dumps(self._key, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = home(store, elsewhere, "teachers") / name

    def compute(self, rows: Ints, device: torch.device, *, trust_code: bool = False) -> None:
        """Computes and keeps what is missing of some clips.

        Args:
            rows: Rows of the clips.
            device: Device to compute on.
            trust_code: Whether the class that the run names as its own acoustic encoder may be
                imported, which runs its code.

        Raises:
            AvscError: The run cannot be opened or does not fit the store, a picture is damaged,
                or the files cannot be written.
        """
        missing = {p: lacks for p in self._partitions(rows) if len(lacks := self._lacking(p, rows))}
        if not missing:
            return
        run = Run.open(self._teacher.path, str(device), trust_code=trust_code)
        score.require_fitting(run, self._store)
        if run.visual_encoder is not None:
            bank = ViewBank(self._store, run.visual_encoder, run.path / "embeddings")
            every = np.concatenate(list(missing.values()))
            bank.compute(every, run.recipe.train.threads or default_threads())
        total = int(self._store.seconds(rows).sum())
        left = sum(int(self._store.seconds(lacks).sum()) for lacks in missing.values())
        files.write_text(self.folder / "key.json", json.dumps(self._key | {"run": run.path.name}))
        title = f"teacher {run.path.name}"
        with console.progress(title, total, "segments", total - left) as line:
            for partition, lacks in missing.items():
                self._write(partition, lacks, self._scored(run, lacks))
                line.advance(int(self._store.seconds(lacks).sum()))

    def read(self, rows: Ints) -> Floats:
        """The log-probabilities of some clips that are computed, [n, S, K]; NaN behind the end.

        Raises:
            AvscError: Some are no longer there.
        """
        shape = (len(rows), self._store.settings.clip_seconds, len(self._store.scenes))
        found = np.full(shape, np.nan, np.float32)
        for partition in self._partitions(rows):
            if len(self._lacking(partition, rows)):
                raise AvscError(
                    f"{self._path(partition)} lacks answers that were there",
                    "the teacher's answers where they were computed, for every process",
                    "run the same command again: what is missing is computed again",
                )
            there, values = self._read(partition)
            place = {row: k for k, row in enumerate(there.tolist())}
            members = np.flatnonzero(rows // self._store.settings.partition_clips == partition)
            found[members] = values[[place[int(row)] for row in rows[members]]]
        return found

    def _partitions(self, rows: Ints) -> list[int]:
        partitions: list[int] = np.unique(rows // self._store.settings.partition_clips).tolist()
        return partitions

    def _lacking(self, partition: int, rows: Ints) -> Ints:
        of_it = rows[rows // self._store.settings.partition_clips == partition]
        return np.setdiff1d(of_it, self._read(partition)[0])

    def _scored(self, run: Run, rows: Ints) -> Floats:
        """A teacher's answer for each second, from its plain picture and its sound, [n, S, K]."""
        segments = _segments(self._store, rows)
        logits, segment = score.sample_logits(run, self._store, segments)
        shares = segment_shares(logits, segment, len(segments.names), 1.0)
        seconds = self._store.settings.clip_seconds
        found = np.full((len(rows), seconds, shares.shape[1]), np.nan, np.float32)
        found[within(segments.seconds, seconds)] = np.log(np.maximum(shares, SMALLEST_PROBABILITY))
        return found

    def _write(self, partition: int, rows: Ints, values: Floats) -> None:
        """Adds clips to the file of a partition."""
        there, kept = self._read(partition)
        content = io.BytesIO()
        np.savez(
            content,
            rows=np.concatenate([there, rows]),
            log_probabilities=np.concatenate([kept, values]),
        )
        path = self._path(partition)
        files.remove_leftovers(path)
        files.write_bytes(path, content.getvalue())

    def _read(self, partition: int) -> tuple[Ints, Floats]:
        """The rows of a partition that are there, and their values; none where it is damaged."""
        shape = (self._store.settings.clip_seconds, len(self._store.scenes))
        path = self._path(partition)
        try:
            with np.load(path, allow_pickle=False) as held:
                rows, values = held["rows"], held["log_probabilities"]
            if values.shape != (len(rows), *shape):
                raise ValueError(f"values of the shape {values.shape}")
            return rows, values
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            console.say(f"WARNING: {path} is damaged: {error}; it is computed again")
        return np.empty(0, np.int64), np.empty((0, *shape), np.float32)

    def _path(self, partition: int) -> Path:
        return self.folder / f"{partition:06}.npz"


def _segments(store: Store, rows: Ints) -> Segments:
    """The segments of some clips, whatever their fold."""
    clips = [store.clips[row]._replace(fold=TAUGHT) for row in rows.tolist()]
    status, seconds = store.status()[rows], store.settings.clip_seconds
    return replace(segments_of(clips, status, seconds, TAUGHT, store.scenes), rows=rows)
