"""What there is to do: partitions, shares of a job array, bytes and time. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from avsc.errors import AvscError
from avsc.store.schema import (
    StoreSettings,
    array_specs,
    partition_count,
    partition_range,
)

# Seconds of one core a second of material takes, and bytes a pixel of JPEG at quality 90: from
# tests/benchmarks/RESULTS.md (section prepare). They only feed the estimate of --dry-run.
VIDEO_CORE_S = 0.057
FEATURE_CORE_S = 0.0015
JPEG_BYTES_PER_PIXEL = 0.25
TYPICAL_ASPECT = 16 / 9


@dataclass(frozen=True)
class Part:
    """Share ``index`` (from 1) of ``count`` of a job array."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Reads ``I/N``.

        >>> Part.parse("3/16")
        Part(index=3, count=16)

        Raises:
            AvscError: It is not two whole numbers with 1 <= I <= N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        part = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= part.index <= part.count:
            raise AvscError(
                f"--part {text}",
                "I/N, the share's number from 1 and how many there are, such as 3/16",
                "in a SLURM array: --part $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT",
            )
        return part

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def share(partitions: int, part: Part | None) -> list[int]:
    """The partitions of a part, or all; parts of one count are disjoint and cover everything.

    Every ``count``-th partition, so that the parts take equally long.

    >>> share(5, Part(2, 2)), share(3, None)
    ([1, 3], [0, 1, 2])
    """
    step = part or Part(1, 1)
    return list(range(step.index - 1, partitions, step.count))


def pending(
    unfinished: Collection[int],
    clips: int,
    settings: StoreSettings,
    part: Part | None = None,
    again: Collection[int] = (),
) -> list[int]:
    """The partitions to do, in order.

    Args:
        unfinished: Partitions that are not whole.
        clips: How many clips the store has.
        settings: The store's.
        part: Only this part's partitions.
        again: Rows of clips to try again, and so their partitions.
    """
    to_do = {*unfinished, *(row // settings.partition_clips for row in again)}
    return [p for p in share(partition_count(clips, settings), part) if p in to_do]


def clips_in(partitions: Sequence[int], clips: int, settings: StoreSettings) -> int:
    """How many clips some partitions hold."""
    return sum(len(partition_range(partition, clips, settings)) for partition in partitions)


@dataclass(frozen=True)
class Estimate:
    """What a prepare will write and how long one core needs."""

    partitions: int
    clips: int
    feature_bytes: int
    jpeg_bytes: int
    files: int
    core_s: float

    @property
    def bytes_written(self) -> int:
        """All that goes to the store."""
        return self.feature_bytes + self.jpeg_bytes

    def wall_s(self, cores: int) -> float:
        """Time on ``cores`` cores: no more of them work than there are partitions."""
        return self.core_s / max(1, min(cores, self.partitions))


def estimate(partitions: Sequence[int], clips: int, settings: StoreSettings) -> Estimate:
    """Foretells the work on some partitions of a store of ``clips`` clips."""
    specs = array_specs(clips, settings)
    count = clips_in(partitions, clips, settings)
    bytes_a_clip = sum(
        int(np.prod(spec.shape[1:])) * spec.dtype.itemsize
        for spec in specs
        if spec.shape[0] == clips and spec.name.split("/")[0] in ("audio", "segment")
    )
    seconds = count * settings.clip_seconds
    pixels = settings.image.short_side**2 * TYPICAL_ASPECT
    return Estimate(
        partitions=len(partitions),
        clips=count,
        feature_bytes=count * bytes_a_clip,
        jpeg_bytes=round(seconds * pixels * JPEG_BYTES_PER_PIXEL),
        files=len(partitions) * (len(specs) + 1),  # the shards and the partition's record
        core_s=seconds * (VIDEO_CORE_S + FEATURE_CORE_S * len(settings.features)),
    )
