"""The stream of training batches: triples in a drawn order, their images augmented on the fly.

Threads decode and augment straight into a ring of preallocated uint8 batches (pinned where there
is a GPU, which then does the colours); or the decoded fold is resident on the device and all of
it happens there. What a batch holds is a function of (seed, epoch, batch number) alone.

Shape legend: C clips of the fold, F frames of a clip, 2 channels, B bands; n triples and m images
of a batch on this rank; Z the side of an image.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import augment, augment_gpu, image_source, ring, rng, sampler
from avsc.data.image_cache import DeviceImages
from avsc.data.image_source import ImageSource
from avsc.data.triples import Triples, Views
from avsc.errors import AvscError
from avsc.recipe import AugmentRecipe

Ints = NDArray[np.int64]

AHEAD = 3  # batches under way besides the one being consumed


class Inputs(NamedTuple):
    """What a model is given of a batch; None for what it does not use.

    It has ``images`` to encode, or ``embedding`` of stored images, or neither.
    """

    audio: Tensor | None  # float32 [n, 2, B]
    images: Tensor | None = None  # uint8 [m, 3, Z, Z]
    image_index: Tensor | None = None  # int64 [n] each sample's image among the m
    embedding: Tensor | None = None  # float32 [n, D]


@dataclass(frozen=True)
class Batch:
    """One rank's share of a batch, on the loader's device."""

    number: int  # within the epoch
    total: int  # triples of the batch over all ranks
    index: Ints  # [n] which triples
    labels: Tensor  # int64 [n]
    audio: Tensor | None  # float32 [n, 2, B]
    images: Tensor | None  # uint8 [m, 3, Z, Z], channels last in memory
    image_index: Tensor  # int64 [n] each triple's image among the m
    embedding: Tensor | None = None  # float32 [n, D] of the stored image, where there is no other

    @property
    def inputs(self) -> Inputs:
        """The model's part of the batch."""
        return Inputs(self.audio, self.images, self.image_index, self.embedding)

    @property
    def images_encoded(self) -> int:
        """Number of images the model encodes; the samples where it encodes none."""
        return len(self.labels) if self.images is None else len(self.images)


@dataclass(frozen=True)
class _Plan:
    """What a batch is to hold, before any image is read."""

    number: int
    total: int
    index: Ints  # [n]
    place: Ints  # [n]
    clip: Ints  # [m]
    second: Ints  # [m]
    uniform: NDArray[np.float64]  # [m, DRAWS]


class _Buffer:
    """Room for a batch's images, and when the device has taken them over."""

    def __init__(self, count: int, side: int, pinned: bool) -> None:
        self.tensor = torch.empty((count, side, side, 3), dtype=torch.uint8, pin_memory=pinned)
        self.pixels: NDArray[np.uint8] = self.tensor.numpy()
        self.copied = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]


class TripleStream:
    """Training batches of one rank; ``epoch`` may be begun anywhere and any number of times.

    Args:
        triples: What there is to sample.
        views: Which triples share an image.
        seed: Of order and augmentation.
        batch_size: Triples of a batch over all ranks (about, where triples share images).
        audio: The clips' frames, float32 [C, F, 2, B]; None for a stream without sound.
        source: The clips' images; None for a stream without images.
        embeddings: Of the clips' stored images, float32 [C, S, D], where these are not encoded
            afresh; None for a stream of raw images or without images.
        side: Z.
        recipe: The augmentation.
        device: Where batches are wanted; the audio is kept there too.
        rank: This process's.
        world: How many processes share each batch.
        threads: Number of decoding threads; None for one a core.
        reuse_buffers: Whether a batch's images may be overwritten once the next batch is asked
            for. It saves a copy, and memory, where a batch is not kept.

    Raises:
        AvscError: There are too few triples for the ranks.
    """

    def __init__(
        self,
        triples: Triples,
        views: Views,
        *,
        seed: int,
        batch_size: int,
        audio: NDArray[np.float32] | None = None,
        source: ImageSource | DeviceImages | None = None,
        embeddings: Tensor | None = None,
        side: int = 0,
        recipe: AugmentRecipe | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        threads: int | None = None,
        reuse_buffers: bool = False,
    ) -> None:
        if len(views) < 2 * world:
            raise AvscError(
                f"{len(views)} training samples for {world} processes",
                f"{2 * world} at least, two a process: batch normalisation needs them",
                "train on more clips",
            )
        self.triples, self.views = triples, views
        self._seed, self._side, self._rank, self._world = seed, side, rank, world
        self._recipe = recipe or AugmentRecipe()
        self._device = torch.device(device)
        self._source = source
        self._threads = threads or default_threads()
        self._reuse_buffers = reuse_buffers
        size = max(2 * world, round(batch_size * len(views) / len(triples)))
        self._bounds = sampler.batch_bounds(len(views), size)
        self._labels = torch.from_numpy(triples.label).to(self._device)
        self._audio: Tensor | None = None
        if audio is not None:
            self._frames = audio.shape[1]
            self._audio = torch.from_numpy(audio).to(self._device).flatten(0, 1)  # [C * F, 2, B]
        self._embeddings = None if embeddings is None else embeddings.to(self._device)
        self._copier = torch.cuda.Stream(self._device) if self._on_cuda else None  # type: ignore[no-untyped-call]
        self._buffers: list[_Buffer] = []
        if source is not None and not isinstance(source, DeviceImages):
            cv2.setNumThreads(1)  # the threads are ours; more of OpenCV's would only compete
            room = -(-int(np.diff(self._bounds).max()) // world)
            self._buffers = [_Buffer(room, side, self._on_cuda) for _ in range(AHEAD + 1)]
        self._running: Generator[Batch] | None = None

    @property
    def batches_per_epoch(self) -> int:
        """The same on every rank."""
        return len(self._bounds) - 1

    @property
    def _on_cuda(self) -> bool:
        return self._device.type == "cuda"

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """Yields an epoch's batches from ``first_batch`` on; ends one that was begun before."""
        self.close()
        if self._source is None:
            batches = (self._batch(plan, None) for plan in self._plans(epoch, first_batch))
        elif isinstance(self._source, DeviceImages):
            batches = self._resident(self._source, self._plans(epoch, first_batch))
        else:
            batches = self._streamed(self._plans(epoch, first_batch))
        self._running = batches
        return batches

    def close(self) -> None:
        """Ends the epoch under way and its threads; the stream can be used again."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _plans(self, epoch: int, first_batch: int) -> Iterator[_Plan]:
        count = len(self.views)
        shuffled = sampler.epoch_order(count, self._seed, epoch)
        uniform = np.empty((count, 0))
        if self._source is not None:
            drawing = rng.generator(self._seed, epoch, rng.Purpose.AUGMENT)
            uniform = drawing.random((count, augment.DRAWS))
        for number in range(first_batch, self.batches_per_epoch):
            whole = shuffled[self._bounds[number] : self._bounds[number + 1]]
            mine = sampler.shard_of(whole, self._rank, self._world)
            index, place = self.views.triples_of(mine)
            yield _Plan(
                number,
                len(self.views.triples_of(whole)[0]),
                index,
                place,
                self.views.clip[mine],
                self.views.second[mine],
                uniform[mine],
            )

    def _batch(self, plan: _Plan, pixels: Tensor | None) -> Batch:
        """Puts a batch together around its images, uint8 [m, Z, Z, 3]."""
        index = torch.from_numpy(plan.index).to(self._device, non_blocking=True)
        audio = None
        if self._audio is not None:
            rows = self.triples.clip[plan.index] * self._frames + self.triples.frame[plan.index]
            audio = self._audio[torch.from_numpy(rows).to(self._device, non_blocking=True)]
        embedding = None
        if self._embeddings is not None:
            clip, second = self.triples.clip[plan.index], self.triples.second[plan.index]
            rows = torch.from_numpy(clip * self._embeddings.shape[1] + second)
            embedding = self._embeddings.flatten(0, 1)[rows.to(self._device, non_blocking=True)]
        return Batch(
            plan.number,
            plan.total,
            plan.index,
            self._labels[index],
            audio,
            None if pixels is None else pixels.permute(0, 3, 1, 2),
            torch.from_numpy(plan.place).to(self._device, non_blocking=True),
            embedding,
        )

    def _streamed(self, plans: Iterator[_Plan]) -> Generator[Batch]:
        counted = ((plan, len(plan.clip)) for plan in plans)
        full = ring.filled(counted, self._buffers, self._fill, self._threads)
        with closing(full):
            for plan, buffer in full:
                yield self._batch(plan, self._delivered(plan, buffer))

    def _fill(self, plan: _Plan, buffer: _Buffer, start: int, stop: int) -> None:
        """Decodes and augments images [start, stop) of a batch; runs in a thread."""
        source = self._source
        assert source is not None
        assert not isinstance(source, DeviceImages)
        if buffer.copied is not None:
            buffer.copied.synchronize()
        where = list(
            zip(plan.clip[start:stop].tolist(), plan.second[start:stop].tolist(), strict=True)
        )
        items = [source.fetch(*place) for place in where]
        sizes = np.array(
            [image_source.size_of(source, *at, item) for at, item in zip(where, items, strict=True)]
        )
        todo = augment.plan(plan.uniform[start:stop], sizes, self._side, self._recipe)
        maps = augment.colour_maps(todo.colour)
        scratch = np.empty_like(buffer.pixels[0])
        jitters_here = augment.jitters(self._recipe) and not self._on_cuda
        for i, item in enumerate(items):
            out = buffer.pixels[start + i]
            pixels = image_source.decoded(source, *where[i], item)
            augment.crop_resize(
                pixels, todo.box[i], bool(todo.flip[i]), scratch if jitters_here else out
            )
            if jitters_here:
                augment.jitter(scratch, maps[i], out)

    def _delivered(self, plan: _Plan, buffer: _Buffer) -> Tensor:
        """A filled buffer's images on the device, uint8 [m, Z, Z, 3], their colours done."""
        pixels = buffer.tensor[: len(plan.clip)]
        if self._copier is None or buffer.copied is None:
            return pixels if self._reuse_buffers else pixels.clone()
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copier):
            on_device = pixels.to(self._device, non_blocking=True)
            buffer.copied.record(self._copier)
            if augment.jitters(self._recipe):
                on_device = augment_gpu.jitter(
                    on_device, augment.colours(plan.uniform, self._recipe)
                )
        current.wait_stream(self._copier)
        on_device.record_stream(current)
        return on_device

    def _resident(self, source: DeviceImages, plans: Iterator[_Plan]) -> Generator[Batch]:
        for plan in plans:
            sizes = source.sizes[plan.clip, plan.second]
            todo = augment.plan(plan.uniform, sizes, self._side, self._recipe)
            pixels = source.crop_resize(plan.clip, plan.second, todo, self._side)
            if augment.jitters(self._recipe):
                pixels = augment_gpu.jitter(pixels, todo.colour)
            yield self._batch(plan, pixels)


def default_threads() -> int:
    """Cores this process may use, shared among the processes that torchrun started here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
