"""What happens while partitions are prepared, and the job that it happens to."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """What every worker of a run is told."""

    dataset: Path
    store: Path
    clip_timeout_s: float = 120.0


@dataclass(frozen=True)
class ClipBegun:
    """A clip is about to be read; whoever dies now dies of it."""

    clip: str


@dataclass(frozen=True)
class ClipDone:
    """A clip has been computed; it is in the store when its partition is."""

    clip: str
    reason: str  # why it is quarantined; empty when it is good


@dataclass(frozen=True)
class PartitionDone:
    """A partition is in the store, whole."""

    partition: int


@dataclass(frozen=True)
class PartitionAgain:
    """A partition begins anew because its worker died."""

    partition: int
    clips_lost: int  # so many had been done
    clip: str  # the one that was being done; empty between clips
    why: str


Event = ClipBegun | ClipDone | PartitionDone | PartitionAgain
# A generator, so that closing it stops the work.
Events = Generator[Event, None, None]
Executor = Callable[[Job, Sequence[int]], Events]
