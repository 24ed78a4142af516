"""Loads training batches: triples in a random order, their images augmented on the fly.

Threads decode and augment into a ring of preallocated uint8 batches (pinned where there is a GPU,
which then changes the colours). Where the decoded fold is resident on the device, everything
happens there. Views that are encoded already are picked out of a bank by their numbers. The
content of a batch is a function of (seed, epoch, batch number) alone.

Shape legend: C clips of the fold, F frames and S seconds of a clip, 2 channels, B bands, K scenes;
T triples and U views of an epoch; n triples and m images of a batch on this rank; Z the side of an
image.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import augment, augment_gpu, disturb, epoch_plan, image_source, ring, sampler
from avsc.data.augment_audio import SoundAugmentation
from avsc.data.batch import Batch
from avsc.data.encoded_views import EncodedViews
from avsc.data.epoch_plan import BatchPlan, EpochTables
from avsc.data.image_cache import DeviceImages
from avsc.data.image_source import ImageSource
from avsc.data.triples import Triples, Views
from avsc.errors import AvscError
from avsc.recipe_augment import AugmentRecipe
from avsc.recipe_sections import TrainRecipe

Ints = NDArray[np.int64]

AHEAD = 3  # batches that threads work on besides the one being consumed


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
        audio: Frames of the clips, float32 [C, F, 2, B]; None for batches without them.
        tower: A pre-trained encoder's embeddings of the clips' sound, float32 [C, S, P], or None.
        source: Images of the clips; None for batches without raw images.
        encoded: Encoded views of the clips' images; None for batches without embeddings.
        targets: Soft targets of each second of the clips, float32 [C, S, K]; None for labels alone.
            A triple has those of the second of its sound.
        side: Side Z of an image in pixels.
        recipe: Ranges of the augmentation.
        disturbed: Recipe that drops modalities or shifts images; None for samples as they are.
        sound: Augmentation of the frames; None for frames as they are.
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
        tower: NDArray[np.float32] | None = None,
        source: ImageSource | DeviceImages | None = None,
        encoded: EncodedViews | None = None,
        targets: NDArray[np.float32] | None = None,
        side: int = 0,
        recipe: AugmentRecipe | None = None,
        disturbed: TrainRecipe | None = None,
        sound: SoundAugmentation | None = None,
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
        self._sound = sound
        self._paired = sound is not None and sound.recipe.mixup > 0
        self._device = torch.device(device)
        self._source = source
        self._threads = threads or default_threads()
        self._reuse_buffers = reuse_buffers
        least = (4 if self._paired else 2) * world  # so that a half-full batch is enough for all
        size = max(least, round(batch_size * len(views) / len(triples)))
        self._bounds = sampler.batch_bounds(len(views), size)
        self._labels = torch.from_numpy(triples.label).to(self._device)
        self._audio: Tensor | None = None
        if audio is not None:
            self._frames = audio.shape[1]
            self._audio = torch.from_numpy(audio).to(self._device).flatten(0, 1)  # [C * F, 2, B]
        self._encoded = encoded
        self._seconds = int(self._lengths.max())
        self._tower = self._by_second(tower)  # [C * S, P]
        self._targets = self._by_second(targets)  # [C * S, K]
        self._copier = torch.cuda.Stream(self._device) if self._on_cuda else None  # type: ignore[no-untyped-call]
        self._buffers: list[_Buffer] = []
        if source is not None and not isinstance(source, DeviceImages):
            cv2.setNumThreads(1)  # the threads are ours; more of OpenCV's would only compete
            room = -(-int(np.diff(self._bounds).max()) // world)
            self._buffers = [_Buffer(room, side, self._on_cuda) for _ in range(AHEAD + 1)]
        self._running: Generator[Batch] | None = None

    def _by_second(self, values: NDArray[np.float32] | None) -> Tensor | None:
        """Values of each second of each clip on the device, [C, S, ...] -> [C * S, ...]."""
        if values is None:
            return None
        return torch.from_numpy(values[:, : self._seconds]).to(self._device).flatten(0, 1)

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of an epoch, the same on every rank."""
        return len(self._bounds) - 1

    @property
    def has_images(self) -> bool:
        """Whether batches have raw images."""
        return self._source is not None

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
        tables = self._tables(epoch)
        if self._source is None:
            batches = self._batches(tables, first_batch)
        elif isinstance(self._source, DeviceImages):
            batches = self._resident(self._source, tables, first_batch)
        else:
            batches = self._streamed(tables, first_batch)
        self._running = batches
        return batches

    def close(self) -> None:
        """Ends the epoch that is being loaded and its threads; another can be begun."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _tables(self, epoch: int) -> EpochTables:
        plan = epoch_plan.epoch_plan(self.views, self._bounds, self._seed, epoch, self._paired)
        uniform = np.empty((len(plan.view), 0))
        if self._source is not None:
            uniform = epoch_plan.augmentation_draws(plan, self._seed, epoch)
        second, present = self.views.second, None
        if self._disturbed.shift_s:
            lengths = self._lengths[self.views.clip]
            second = disturb.shifted(second, lengths, self._disturbed, epoch)
        where = np.stack([self.views.clip, second], axis=1)[plan.view]
        triples, index = self.triples, plan.index
        if self._disturbed.drops:
            drawn = disturb.present(len(triples), self._disturbed, epoch)
            present = torch.from_numpy(drawn[index]).to(self._device)
        audio_rows = encoded_rows = second_rows = None
        if self._audio is not None:
            rows = triples.clip[index] * self._frames + triples.frame[index]
            audio_rows = torch.from_numpy(rows).to(self._device)
        if self._encoded is not None:
            view = epoch_plan.bank_draws(plan, self._encoded.views, self._seed, epoch)
            clip = view * len(triples.rows) + triples.clip[index]
            rows = clip * self._encoded.seconds + where[plan.place, 1]
            encoded_rows = torch.from_numpy(rows).to(self._encoded.rows_on)
        if self._targets is not None or self._tower is not None:
            rows = triples.clip[index] * self._seconds + triples.second[index]
            second_rows = torch.from_numpy(rows).to(self._device)
        sound = None
        if self._sound is not None:
            partners = epoch_plan.partners(plan)
            sound = self._sound.draws(triples.clip, index, partners, self._seed, epoch)
        labels = self._labels[torch.from_numpy(index).to(self._device)]
        place = torch.from_numpy(plan.place).to(self._device)
        return EpochTables(
            plan,
            where,
            uniform,
            labels,
            place,
            present,
            audio_rows,
            encoded_rows,
            second_rows,
            sound,
        )

    def _batches(self, tables: EpochTables, first: int) -> Generator[Batch]:
        """Batches without raw images: their parts are picked out where they lie."""
        for plan in tables.plan.batches(first, self._rank, self._world):
            yield self._batch(tables, plan, None)

    def _batch(self, tables: EpochTables, plan: BatchPlan, pixels: Tensor | None) -> Batch:
        """Puts a batch together around its images, uint8 [m, Z, Z, 3]."""
        audio = embedding = targets = tower = None
        if self._audio is not None and tables.audio_rows is not None:
            audio = self._audio.index_select(0, tables.audio_rows[plan.part])
        sound = None if tables.sound is None else tables.sound.part(plan.part)
        if self._sound is not None and audio is not None and sound is not None:
            audio = self._sound.applied(audio, sound)
        if self._encoded is not None and tables.encoded_rows is not None:
            embedding = self._encoded.take(tables.encoded_rows[plan.part])
        if tables.second_rows is not None:
            rows = tables.second_rows[plan.part]
            targets = None if self._targets is None else self._targets.index_select(0, rows)
            tower = None if self._tower is None else self._tower.index_select(0, rows)
        return Batch(
            plan.number,
            plan.total,
            tables.plan.index[plan.part],
            tables.labels[plan.part],
            audio,
            None if pixels is None else pixels.permute(0, 3, 1, 2),
            tables.place[plan.part] - plan.group.start,
            embedding,
            None if tables.present is None else tables.present[plan.part],
            targets,
            None if sound is None else sound.mix,
            tower,
        )

    def _streamed(self, tables: EpochTables, first: int) -> Generator[Batch]:
        works = (
            (
                _Work(plan, tables.where[plan.group], tables.uniform[plan.group]),
                plan.images,
            )
            for plan in tables.plan.batches(first, self._rank, self._world)
        )
        full = ring.filled(works, self._buffers, self._fill, self._threads)
        with closing(full):
            for work, buffer in full:
                yield self._batch(tables, work.plan, self._delivered(work, buffer))

    def _fill(self, work: "_Work", buffer: _Buffer, start: int, stop: int) -> None:
        """Decodes and augments images [start, stop) of a batch; called in threads."""
        source = self._source
        assert source is not None
        assert not isinstance(source, DeviceImages)
        if buffer.copied is not None:
            buffer.copied.synchronize()
        where = [(clip, second) for clip, second in work.where[start:stop].tolist()]
        items = [source.fetch(*place) for place in where]
        sizes = np.array(
            [image_source.size_of(source, *at, item) for at, item in zip(where, items, strict=True)]
        )
        todo = augment.plan(work.uniform[start:stop], sizes, self._side, self._recipe)
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

    def _delivered(self, work: "_Work", buffer: _Buffer) -> Tensor:
        """The finished images of a filled buffer on the device, uint8 [m, Z, Z, 3]."""
        pixels = buffer.tensor[: len(work.where)]
        if self._copier is None or buffer.copied is None:
            return pixels if self._reuse_buffers else pixels.clone()
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copier):
            on_device = pixels.to(self._device, non_blocking=True)
            buffer.copied.record(self._copier)
            if augment.changes_colours(self._recipe):
                on_device = augment_gpu.jitter(
                    on_device, augment.colours(work.uniform, self._recipe)
                )
        current.wait_stream(self._copier)
        on_device.record_stream(current)
        return on_device

    def _resident(self, source: DeviceImages, tables: EpochTables, first: int) -> Generator[Batch]:
        for plan in tables.plan.batches(first, self._rank, self._world):
            clip, second = tables.where[plan.group].T
            sizes = source.sizes[clip, second]
            todo = augment.plan(tables.uniform[plan.group], sizes, self._side, self._recipe)
            pixels = source.crop_resize(clip, second, todo, self._side)
            if augment.changes_colours(self._recipe):
                pixels = augment_gpu.jitter(pixels, todo.colour)
            yield self._batch(tables, plan, pixels)


@dataclass(frozen=True)
class _Work:
    """A batch whose images threads make."""

    plan: BatchPlan
    where: Ints  # [m, 2] clip and second
    uniform: NDArray[np.float64]  # [m, DRAWS]


def default_threads() -> int:
    """Number of cores for this process: torchrun's processes on a machine share its cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
