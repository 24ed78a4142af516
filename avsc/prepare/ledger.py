"""Which clip takes its worker down: counted here, because nobody else counts by clip.

A worker says which clip it begins before it begins it. When it dies, the clip that was begun and
not ended is blamed; a clip that is blamed too often is quarantined, and its partition is tried
again without it. (Dask instead suspects every task that a dead worker had, and fails them all.)

A process of ours can be watched closely: it died by itself or at the timeout, and two deaths
settle it. A lost machine is weaker evidence (walltime and pre-emption are normal), so there the
note that lies in the store is read by the run that is still alive, and three losses at the same
clip are asked for. A run that is itself killed blames nobody.
"""

from collections import Counter
from contextlib import suppress
from pathlib import Path

from avsc.prepare.lock import FOLDER

KILLS = 2
LOSSES = 3


class Ledger:
    """Deaths by partition and clip.

    Args:
        limit: So many deaths at one clip quarantine it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._deaths: Counter[tuple[int, str]] = Counter()
        self._banned: dict[int, dict[str, str]] = {}

    def blame(self, partition: int, clip: str, what: str) -> None:
        """Counts a death during ``clip``; ``what`` happened becomes the reason at the limit."""
        self._deaths[partition, clip] += 1
        deaths = self._deaths[partition, clip]
        if deaths >= self._limit:
            self._banned.setdefault(partition, {})[clip] = f"{what} ({deaths} times)"

    def banned(self, partition: int) -> dict[str, str]:
        """The clips of a partition that are quarantined unseen, with their reasons."""
        return self._banned.get(partition, {})


class Note:
    """The clip that a partition's worker is at, in a file that outlives the worker."""

    def __init__(self, store: Path, partition: int) -> None:
        self.path = store / FOLDER / f"working-{partition:06d}"

    def write(self, clip: str) -> None:
        """Notes that ``clip`` begins; an empty name that the partition does."""
        self.path.write_text(clip, encoding="utf-8")

    def take(self) -> str:
        """Reads the note and removes it; empty when there is none."""
        with suppress(FileNotFoundError):
            clip = self.path.read_text(encoding="utf-8")
            self.path.unlink(missing_ok=True)
            return clip
        return ""


def remove_notes(store: Path) -> None:
    """Removes the notes of a run that was killed; they blame nobody."""
    for left in (store / FOLDER).glob("working-*"):
        left.unlink(missing_ok=True)
