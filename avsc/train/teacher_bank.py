"""A run's answers for the seconds of a store's clips, computed once and kept beside the store.

The array is [1, N clips, S seconds, K scenes], float32: logarithms of probabilities. Its key is the
store and the digest of the run, so students of any seed and strategy share it, and a training that
was killed goes on with the partition it lost.

Shape legend: n clips, m seconds to answer.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc.console import ProgressLine
from avsc.data.loader import default_threads
from avsc.evaluate import score
from avsc.evaluate.segments import Segments, segments_of
from avsc.evaluate.temperature import segment_shares
from avsc.metrics import SMALLEST_PROBABILITY
from avsc.models.bank import Bank, home
from avsc.models.view_bank import ViewBank
from avsc.store.reader import Store
from avsc.train.distributed import Ranks
from avsc.train.load import Run
from avsc.train.manifest import TeacherManifest

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VERSION = 1  # of how a second's answer is computed
TAUGHT = "taught"  # the fold of a teacher's segments


class TeacherBank(Bank):
    """The answers of one run for the seconds of one store.

    Args:
        store: Store of the clips.
        teacher: The run and its digest.
        elsewhere: Folder to keep the array in where the store's neighbourhood cannot be written or
            is not a local folder.

    Raises:
        AvscError: There is an array in the place that was made of something else, or it cannot be
            written.
    """

    def __init__(self, store: Store, teacher: TeacherManifest, elsewhere: Path) -> None:
        self._teacher = teacher
        key: dict[str, object] = {
            "version": VERSION,
            "store": store.sha256,
            "teacher": teacher.sha256,
        }
        folder = home(store, elsewhere)
        super().__init__(store, folder, key, dtype=np.float32, features=len(store.scenes))

    def compute(self, rows: Ints, ranks: Ranks, *, trust_code: bool = False) -> None:
        """Computes and stores what is missing of some clips; processes share the work.

        Args:
            rows: Rows of the clips.
            ranks: Processes that compute, and the device of this one.
            trust_code: Whether the class that the run names as its own acoustic encoder may be
                imported, which runs its code.

        Raises:
            AvscError: The run cannot be opened, or something in the store is damaged.
        """
        if not self.missing(rows).any():
            return
        run = Run.open(self._teacher.path, str(ranks.device), trust_code=trust_code)
        if run.visual_encoder is not None:
            images = ViewBank(self.store, run.visual_encoder, run.path / "embeddings")
            threads = run.recipe.train.threads or default_threads()
            images.compute(rows, threads, ranks.rank, ranks.world)

        def answer(todo: Ints, line: ProgressLine) -> Floats:
            found = _answers(run, self.store, todo)
            line.advance(len(todo))
            return found

        title = f"teacher {run.path.name}"
        self.fill(rows, answer, title=title, unit="s", rank=ranks.rank, world=ranks.world)


def _answers(run: Run, store: Store, todo: Ints) -> Floats:
    """The logarithms of a run's probabilities for view, row and second, [m, 3]: [m, K]."""
    rows, clip = np.unique(todo[:, 1], return_inverse=True)
    segments = _segments(store, rows)
    logits, segment = score.sample_logits(run, store, segments)
    shares = segment_shares(logits, segment, len(segments.names), temperature=1.0)
    wanted = segments.first[clip.reshape(-1)] + todo[:, 2]
    return np.asarray(np.log(np.maximum(shares[wanted], SMALLEST_PROBABILITY)), np.float32)


def _segments(store: Store, rows: Ints) -> Segments:
    """The segments of some clips, whatever their fold."""
    clips = [store.clips[row]._replace(fold=TAUGHT) for row in rows.tolist()]
    status, seconds = store.status()[rows], store.settings.clip_seconds
    return replace(segments_of(clips, status, seconds, TAUGHT, store.scenes), rows=rows)
