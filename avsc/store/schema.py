"""The store's schema: array names, shapes, dtypes, chunks, settings, version (DESIGN section 4).

No array name is spelled anywhere else. Shape legend: N clips, S seconds of a clip, F frames of a
clip, f frames of a second, 2 channels (average, difference), B bands, P partitions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from avsc import timebase

VERSION = 1
LENGTHS_VERSION = 2  # of a store whose clips have lengths, or folds, of their own
CLIPS_CSV = "clips.csv"
SYNTHETIC = "SYNTHETIC.txt"  # is there in a store of `avsc synth`'s clips
RECORDS = "partitions"  # folder of one JSON a partition: reasons and every shard's SHA-256
CLIP_COLUMNS = ("id", "scene", "city", "location", "fold", "audio", "video")
PIECE_COLUMNS = ("start", "seconds")  # only where clips have lengths of their own
JPEG_CHUNK = 4 * 1024 * 1024  # bytes
# No image of ours needs more than this many bytes a pixel at the highest quality JPEG has; the
# array's capacity is its shape only, since chunks that are not written take no space.
JPEG_BYTES_PER_PIXEL = 3
WIDEST_ASPECT = 4

Feature = Literal["scalogram", "fbank"]
FEATURES: tuple[Feature, ...] = ("scalogram", "fbank")


class Status(IntEnum):
    """Values of ``clip/status``."""

    ABSENT = 0
    GOOD = 1
    QUARANTINED = 2


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BankSettings(_Settings):
    """A filter bank over STFT bins and the logarithm behind it."""

    bands: int = Field(gt=0, le=4096)
    spectrum: Literal["magnitude", "power"] = "magnitude"
    row_norm: Literal["peak", "sum"] = "peak"
    # Near what the rounding of 24-bit samples and of a float32 FFT leaves in a narrow band, under
    # all sound in eight clips of TAU (least next to 8 kHz, 6.5e-5): cuts digital silence only.
    log_floor: float = Field(default=1e-5, gt=0)


class ScalogramSettings(BankSettings):
    """ScatNet's Morlet bank (DESIGN section 6)."""

    bands: int = Field(default=290, gt=0, le=4096)
    t: int = Field(default=8192, gt=0, le=1 << 16)
    q: int = Field(default=41, gt=0, le=256)


class FBankSettings(BankSettings):
    """Mel filters on the same STFT."""

    bands: int = Field(default=256, gt=0, le=4096)
    f_min_hz: float = Field(default=0.0, ge=0)
    f_max_hz: float = Field(default=8000.0, gt=0)


class ImageSettings(_Settings):
    """Choice, size and encoding of the picture of each second."""

    # In pixels; smaller pictures stay as they are.
    short_side: int = Field(default=360, ge=16, le=4320)
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    frame_choice: Literal["on-screen", "keyframe"] = "on-screen"
    backend: Literal["pyav", "decord"] = "pyav"


class SplitSettings(_Settings):
    """How a data set without folds of its own was split into them.

    Attributes:
        by: What stays together: a location, a folder or a recording.
        test_fraction: Share of every scene's clips in the test fold; None for folds of
            cross-validation.
        folds: Number of folds of cross-validation, or ``locations`` for one for each group.
        seed: Seed of the order in which groups are tried.
    """

    by: Literal["location", "folder", "recording"] = "location"
    test_fraction: float | None = Field(default=None, ge=0, lt=1)
    folds: Annotated[int, Field(ge=2)] | Literal["locations"] | None = None
    seed: int = Field(default=0, ge=0, lt=1 << 63)


class StoreSettings(_Settings):
    """Everything that decides what a store's bytes are; kept in the group's attributes.

    ``clip_seconds`` is the length of every clip, or of the longest where clips have lengths of
    their own. ``split`` is None where the data set has folds.
    """

    features: tuple[Feature, ...] = FEATURES
    clip_seconds: int = Field(default=10, ge=1, le=3600)
    partition_clips: int = Field(default=64, ge=1, le=4096)
    mono: Literal["refuse", "duplicate"] = "refuse"
    scalogram: ScalogramSettings = ScalogramSettings()
    fbank: FBankSettings = FBankSettings()
    image: ImageSettings = ImageSettings()
    split: SplitSettings | None = None

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        # A store whose data set has folds says nothing of a split, as in version 1.
        fields: dict[str, object] = handler(self)
        if self.split is None:
            fields.pop("split", None)
        return fields

    @property
    def clip_frames(self) -> int:
        """Frames of a clip of ``clip_seconds``: 56 for ten seconds."""
        return timebase.frame_count(self.clip_seconds * timebase.SAMPLE_RATE_HZ)

    @property
    def jpeg_capacity(self) -> int:
        """Bytes of JPEG a partition's row can hold, a whole number of chunks."""
        pixels = self.image.short_side**2 * WIDEST_ASPECT
        most = self.partition_clips * self.clip_seconds * pixels * JPEG_BYTES_PER_PIXEL
        return -(-most // JPEG_CHUNK) * JPEG_CHUNK

    def bank(self, feature: Feature) -> ScalogramSettings | FBankSettings:
        """The settings of one audio feature."""
        return self.scalogram if feature == "scalogram" else self.fbank


SEGMENT_FRAMES = timebase.frame_count(timebase.SAMPLE_RATE_HZ)  # 3

STATUS = "clip/status"
IMAGE_JPEG = "image/jpeg"
IMAGE_OFFSET = "image/offset"
IMAGE_LENGTH = "image/length"
IMAGE_CRC32C = "image/crc32c"
IMAGE_PTS_S = "image/pts_s"
# Arrays so small that a partition's shard is one chunk; the others are streamed clip by clip.
TABLES = (IMAGE_OFFSET, IMAGE_LENGTH, IMAGE_CRC32C, IMAGE_PTS_S, STATUS)


def audio_array(feature: Feature) -> str:
    """The array of a feature over whole clips, [N, F, 2, B]."""
    return f"audio/{feature}"


def segment_array(feature: Feature) -> str:
    """The array of a feature over one-second segments, [N, S, f, 2, B]."""
    return f"segment/{feature}"


@dataclass(frozen=True)
class ArraySpec:
    """One array: everything Zarr metadata says of it.

    ``shard`` is what one partition owns; ``chunk`` is what is read at once inside it.
    """

    name: str
    dims: tuple[str, ...]
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    checksummed: bool  # crc32c behind each chunk; JPEG bytes carry one an image instead

    @property
    def group(self) -> str:
        """The Zarr group it is in."""
        return self.name.split("/")[0]

    @property
    def chunks(self) -> int:
        """Chunks of a shard; they lie along one axis only."""
        return math.prod(self.shard) // math.prod(self.chunk)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk's values, without the checksum behind them."""
        return math.prod(self.chunk) * self.dtype.itemsize

    def shard_name(self, partition: int) -> str:
        """The shard of a partition, relative to the store: ``audio/fbank/c.7.0.0.0``."""
        return f"{self.name}/c.{partition}" + ".0" * (len(self.shape) - 1)


def array_specs(clips: int, settings: StoreSettings) -> tuple[ArraySpec, ...]:
    """Every array of a store of ``clips`` clips, ``clip/status`` last, the order of writing."""
    run, seconds = settings.partition_clips, settings.clip_seconds
    partitions = partition_count(clips, settings)

    def per_clip(name: str, dtype: str, axes: dict[str, int], whole: bool = False) -> ArraySpec:
        rest = tuple(axes.values())
        chunk = (run if whole else 1, *rest)
        dims = ("clip", *axes)
        return ArraySpec(name, dims, np.dtype(dtype), (clips, *rest), chunk, (run, *rest), True)

    specs = []
    for feature in settings.features:
        frame = {"channel": 2, "band": settings.bank(feature).bands}
        clip = {"frame": settings.clip_frames, **frame}
        segment = {"second": seconds, "frame": SEGMENT_FRAMES, **frame}
        specs.append(per_clip(audio_array(feature), "<f4", clip))
        specs.append(per_clip(segment_array(feature), "<f4", segment))
    capacity = settings.jpeg_capacity
    specs.append(
        ArraySpec(
            IMAGE_JPEG,
            ("partition", "byte"),
            np.dtype("|u1"),
            (partitions, capacity),
            (1, JPEG_CHUNK),
            (1, capacity),
            checksummed=False,
        )
    )
    specs += [
        per_clip(IMAGE_OFFSET, "<i8", {"second": seconds}, whole=True),
        per_clip(IMAGE_LENGTH, "<i4", {"second": seconds}, whole=True),
        per_clip(IMAGE_CRC32C, "<u4", {"second": seconds}, whole=True),
        per_clip(IMAGE_PTS_S, "<f8", {"second": seconds}, whole=True),
        per_clip(STATUS, "|u1", {}, whole=True),
    ]
    return tuple(specs)


def partition_count(clips: int, settings: StoreSettings) -> int:
    """Number of partitions of ``clips`` clips; the last may be shorter."""
    return -(-clips // settings.partition_clips)


def partition_range(partition: int, clips: int, settings: StoreSettings) -> range:
    """The clips of a partition, as rows of ``clips.csv``.

    >>> partition_range(1, 100, StoreSettings())
    range(64, 100)
    """
    if not 0 <= partition < partition_count(clips, settings):
        raise IndexError(f"partition {partition} of {partition_count(clips, settings)}")
    first = partition * settings.partition_clips
    return range(first, min(first + settings.partition_clips, clips))


def clips_in(partitions: Sequence[int], clips: int, settings: StoreSettings) -> int:
    """Number of clips in some partitions."""
    return sum(len(partition_range(partition, clips, settings)) for partition in partitions)


def difference(stored: StoreSettings, requested: StoreSettings) -> list[str]:
    """Says how settings differ, one line for each; empty when they agree."""
    old, new = _flat(stored.model_dump()), _flat(requested.model_dump())
    return [
        f"{key}: the store has {old.get(key)!r}, asked for {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _flat(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
