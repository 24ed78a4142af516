"""Loads training batches: triples in a random order, their images augmented on the fly.

Threads decode and augment into a ring of preallocated uint8 batches (pinned where there is a GPU,
which then changes the colours). Where the decoded fold is resident on the device, everything
happens there. The content of a batch is a function of (seed, epoch, batch number) alone.

Shape legend: C clips of the fold, F frames of a clip, S seconds, 2 channels, B bands, D features
of the visual encoder; n triples and m images of a batch on this rank; Z the side of an image.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc import console
from avsc.data import (
    augment,
    augment_gpu,
    disturb,
    image_cache,
    image_source,
    ring,
    rng,
    sampler,
    triples,
)
from avsc.data.batch import Batch
from avsc.data.image_cache import DeviceImages
from avsc.data.image_source import ImageSource, StoredImages
from avsc.data.triples import Triples, Views
from avsc.errors import AvscError
from avsc.recipe import AugmentRecipe, Recipe, TrainRecipe

if TYPE_CHECKING:
    from avsc.data.split import Clips
    from avsc.store.reader import Store

Ints = NDArray[np.int64]

AHEAD = 3  # batches that threads work on besides the one being consumed


@dataclass(frozen=True)
class _Plan:
    """The content of a batch, before any image is read."""

    number: int
    total: int
    index: Ints  # [n] numbers of the triples
    place: Ints  # [n] each triple's image among the m
    clip: Ints  # [m]
    second: Ints  # [m]
    uniform: NDArray[np.float64]  # [m, DRAWS]
    present: NDArray[np.bool_] | None  # [n, 2] sound and image; None for both of each sample


class _Buffer:
    """Memory for a batch's images, and the event of their copy to the device."""

    def __init__(self, count: int, side: int, pinned: bool) -> None:
        self.tensor = torch.empty((count, side, side, 3), dtype=torch.uint8, pin_memory=pinned)
        self.pixels: NDArray[np.uint8] = self.tensor.numpy()
        self.copied = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]


class TripleLoader:
    """Loads the training batches of one rank.

    Args:
        triples: All triples of the training clips.
        views: The augmented images and the triples that share each of them.
        seed: Seed of order and augmentation.
        batch_size: Number of triples of a batch over all ranks; about that number where triples
            share images.
        audio: Frames of the clips, float32 [C, F, 2, B]; None for batches without sound.
        source: Images of the clips; None for batches without raw images.
        embeddings: Embeddings of the clips' stored images, float32 [C, S, D]; None for batches
            without embeddings.
        side: Side Z of an image in pixels.
        recipe: Ranges of the augmentation.
        disturbed: Recipe that drops modalities or shifts images; None for samples as they are.
        device: Device of the batches; the audio and the embeddings are kept there.
        rank: Number of this process.
        world: Number of processes that share each batch.
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
        disturbed: TrainRecipe | None = None,
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
        self._disturbed = disturbed or TrainRecipe()
        self._lengths = triples.lengths()
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
        """Number of batches of an epoch, the same on every rank."""
        return len(self._bounds) - 1

    @property
    def _on_cuda(self) -> bool:
        return self._device.type == "cuda"

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """Yields an epoch's batches; an epoch that is still being loaded ends.

        Args:
            epoch: Number of the epoch, from 0.
            first_batch: Number of the first batch to load.
        """
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
        """Ends the epoch that is being loaded and its threads; another can be begun."""
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
        second, present = self.views.second, None
        if self._disturbed.shift_s:
            lengths = self._lengths[self.views.clip]
            second = disturb.shifted(second, lengths, self._disturbed, epoch)
        if self._disturbed.drops:
            present = disturb.present(len(self.triples), self._disturbed, epoch)
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
                second[mine],
                uniform[mine],
                None if present is None else present[index],
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
            clip, second = plan.clip[plan.place], plan.second[plan.place]
            rows = torch.from_numpy(clip * self._embeddings.shape[1] + second)
            embedding = self._embeddings.flatten(0, 1)[rows.to(self._device, non_blocking=True)]
        present = None
        if plan.present is not None:
            present = torch.from_numpy(plan.present).to(self._device, non_blocking=True)
        return Batch(
            plan.number,
            plan.total,
            plan.index,
            self._labels[index],
            audio,
            None if pixels is None else pixels.permute(0, 3, 1, 2),
            torch.from_numpy(plan.place).to(self._device, non_blocking=True),
            embedding,
            present,
        )

    def _streamed(self, plans: Iterator[_Plan]) -> Generator[Batch]:
        counted = ((plan, len(plan.clip)) for plan in plans)
        full = ring.filled(counted, self._buffers, self._fill, self._threads)
        with closing(full):
            for plan, buffer in full:
                yield self._batch(plan, self._delivered(plan, buffer))

    def _fill(self, plan: _Plan, buffer: _Buffer, start: int, stop: int) -> None:
        """Decodes and augments images [start, stop) of a batch; called in threads."""
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
        changes_here = augment.changes_colours(self._recipe) and not self._on_cuda
        for i, item in enumerate(items):
            out = buffer.pixels[start + i]
            pixels = image_source.decoded(source, *where[i], item)
            augment.crop_resize(
                pixels, todo.box[i], bool(todo.flip[i]), scratch if changes_here else out
            )
            if changes_here:
                augment.jitter(scratch, maps[i], out)

    def _delivered(self, plan: _Plan, buffer: _Buffer) -> Tensor:
        """The finished images of a filled buffer on the device, uint8 [m, Z, Z, 3]."""
        pixels = buffer.tensor[: len(plan.clip)]
        if self._copier is None or buffer.copied is None:
            return pixels if self._reuse_buffers else pixels.clone()
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copier):
            on_device = pixels.to(self._device, non_blocking=True)
            buffer.copied.record(self._copier)
            if augment.changes_colours(self._recipe):
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
            if augment.changes_colours(self._recipe):
                pixels = augment_gpu.jitter(pixels, todo.colour)
            yield self._batch(plan, pixels)


def training_loader(
    store: "Store",
    clips: "Clips",
    recipe: Recipe,
    *,
    audio: NDArray[np.float32] | None,
    image_size: int | None,
    embeddings: Tensor | None = None,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world: int = 1,
    reuse_buffers: bool = False,
    say: Callable[[str], None] = console.say,
) -> TripleLoader:
    """The loader of all triples of some clips, as a recipe has it.

    Args:
        store: The store of the clips.
        clips: The training clips.
        recipe: Its ``train`` (seed, batch size, cache, threads, shared images) and ``augment``
            sections count.
        audio: See ``TripleLoader``.
        image_size: Side of the visual encoder's input in pixels; None for batches without raw
            images.
        embeddings: See ``TripleLoader``.
        device: See ``TripleLoader``.
        rank: See ``TripleLoader``.
        world: See ``TripleLoader``.
        reuse_buffers: See ``TripleLoader``.
        say: Function that prints the budget of the image cache.

    Raises:
        AvscError: There are too few clips, the cache of the recipe does not fit, or an image is
            damaged.
    """
    every = triples.training_triples(clips.rows, clips.labels, store.frames(clips.rows))
    source: ImageSource | None = None
    if image_size is not None:
        threads = recipe.train.threads or default_threads()
        shape = (len(clips.rows), store.settings.clip_seconds)
        stored = StoredImages(store, clips.rows)
        source = image_cache.cached(
            stored, shape, recipe.train, device=torch.device(device), threads=threads, say=say
        )
    return TripleLoader(
        every,
        triples.views(every, recipe.train.images_per_second if source is not None else None),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        audio=audio,
        source=source,
        embeddings=embeddings,
        side=image_size or 0,
        recipe=recipe.augment,
        disturbed=recipe.train,
        device=device,
        rank=rank,
        world=world,
        threads=recipe.train.threads,
        reuse_buffers=reuse_buffers,
    )


def default_threads() -> int:
    """Number of cores for this process: torchrun's processes on a machine share its cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
