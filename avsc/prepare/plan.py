"""What there is to do: partitions, shares of a job array, bytes and time. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from avsc.part import Part
from avsc.store.schema import (
    StoreSettings,
    array_specs,
    clips_in,
    partition_count,
)

# Seconds of one core that a second of material takes (measured on the kind of video that TAU has,
# when avsc was planned; RESULTS.md has 0.034 for other 720p), and bytes a pixel of JPEG at quality
# 90. They only feed the estimate of --dry-run.
VIDEO_CORE_S = 0.057
FEATURE_CORE_S = 0.0015
JPEG_BYTES_PER_PIXEL = 0.25
TYPICAL_ASPECT = 16 / 9


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
        clips: Number of clips of the store.
        settings: Settings of the store.
        part: Share of the partitions, or None for all.
        again: Rows of clips that are tried again, with their partitions.
    """
    to_do = {*unfinished, *(row // settings.partition_clips for row in again)}
    return [p for p in share(partition_count(clips, settings), part) if p in to_do]


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
        """Time on ``cores`` cores in seconds: no more of them work than there are clips."""
        return self.core_s / max(1, min(cores, self.clips))


def estimate(partitions: Sequence[int], clips: int, settings: StoreSettings) -> Estimate:
    """Estimates the work on some partitions of a store of ``clips`` clips."""
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
