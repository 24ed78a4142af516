"""What a run trains on and is validated on, ready on its device.

Shape legend: C training clips, K validation clips and n segments of these, S seconds of the longest
clip, f frames of a segment, B bands, D features of the visual encoder, P of a pre-trained audio
encoder, K scenes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data.encoded_views import EncodedViews, ViewsInMemory, ViewsOnDisk, place_of
from avsc.data.loader import TripleLoader, default_threads
from avsc.data.split import Clips, TrainingFold, standardisation
from avsc.data.training_loader import training_loader
from avsc.data.triples import within
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import TowerFolder
from avsc.models.view_bank import ViewBank
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.recipe_sections import AudioRecipe
from avsc.store.reader import Store
from avsc.train.distributed import Ranks
from avsc.train.manifest import EncoderManifest
from avsc.train.validate import HeldOutSegments

Floats = NDArray[np.float32]
AnyFloats = NDArray[Any]  # of a bank's number format


@dataclass(frozen=True)
class RunData:
    """A run's data.

    Attributes:
        loader: Training batches, of raw images or of stored embeddings.
        held_out: Segments of the validation clips.
        statistics: Mean and standard deviation of the training frames, [2, B] each; None
            without frames.
    """

    loader: TripleLoader
    held_out: HeldOutSegments
    statistics: tuple[Floats, Floats] | None


@dataclass(frozen=True)
class StoredTower:
    """A pre-trained audio encoder, and its embeddings of a store's sound.

    Attributes:
        named: The encoder.
        train: Embeddings of the training clips, [C, S, P].
        validation: Embeddings of the validation clips, [K, S, P].
    """

    named: EncoderManifest
    train: Floats
    validation: Floats


def open_tower(store: Store, fold: TrainingFold, audio: AudioRecipe) -> StoredTower | None:
    """The pre-trained audio encoder that a recipe uses; None where it uses none.

    Args:
        store: Store whose sound it has encoded.
        fold: Training fold of the store, whose embeddings must be there.
        audio: The recipe's section ``audio``.

    Raises:
        AvscError: There is no such encoder, or it has not encoded the store's sound.
    """
    if audio.model is None:
        return None
    folder = TowerFolder.read(audio.model)
    bank = AudioBank(store, folder.sha256, folder.path)
    both = bank.read_whole(np.concatenate([fold.train.rows, fold.validation.rows]))
    named = EncoderManifest(model=folder.kind, sha256=folder.sha256, features=bank.features)
    count = len(fold.train.rows)
    return StoredTower(named, both[:count], both[count:])


def read_run_data(
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    ranks: Ranks,
    *,
    targets: Floats | None = None,
    tower: StoredTower | None = None,
    elsewhere: Path,
    say: Callable[[str], None],
) -> RunData:
    """Reads, and where need be computes, what a run trains on.

    Args:
        store: Complete store.
        fold: Training fold of the store.
        recipe: Recipe of the run.
        encoder: Visual encoder on its device; None for the strategy ``audio``.
        ranks: Processes of the run.
        targets: Soft targets of the training clips, [C, S, K]; None for labels alone.
        tower: Pre-trained audio encoder's embeddings of the fold; None for none.
        elsewhere: Folder for embeddings that cannot lie beside the store.
        say: Function that prints the image cache's budget.

    Raises:
        AvscError: The store has not the feature, or something in it is damaged.
    """
    place = None if encoder is None else _Place(store, encoder, elsewhere, recipe, ranks)
    encoded = None if place is None else place.encoded(fold.train, say)
    audio = None
    if recipe.uses_frames:
        audio = store.audio(recipe.audio.feature, fold.train.rows)
    loader = training_loader(
        store,
        fold.train,
        recipe,
        audio=audio,
        tower=None if tower is None else tower.train,
        image_size=None if encoder is None or encoded is not None else encoder.config.size,
        encoded=encoded,
        targets=targets,
        device=ranks.device,
        rank=ranks.rank,
        world=ranks.world,
        reuse_buffers=True,
        say=say,
    )
    heard = None if tower is None else tower.validation
    return RunData(
        loader,
        _held_out(store, fold.validation, recipe, place=place, tower=heard, ranks=ranks),
        None if audio is None else standardisation(audio, store.frames(fold.train.rows)),
    )


def _held_out(
    store: Store,
    clips: Clips,
    recipe: Recipe,
    *,
    place: "_Place | None",
    tower: Floats | None,  # [K, S, P]
    ranks: Ranks,
) -> HeldOutSegments:
    """The segments of the validation clips, on the run's device."""
    seconds = within(store.seconds(clips.rows), store.settings.clip_seconds)  # [K, S]

    def of_segments(values: Floats) -> Tensor:
        return torch.from_numpy(values[seconds]).to(ranks.device)  # [K, S, ...] -> [n, ...]

    feature = recipe.audio.feature
    return HeldOutSegments(
        of_segments(store.segments(feature, clips.rows)) if recipe.uses_frames else None,
        None if place is None else of_segments(place.plain(clips)[0]),
        np.repeat(clips.labels, seconds.sum(axis=1)),
        ranks,
        None if tower is None else of_segments(tower),
    )


@dataclass(frozen=True)
class _Place:
    """Where a run's encoded views come from; what is missing there is computed."""

    store: Store
    encoder: VisualEncoder
    elsewhere: Path
    recipe: Recipe
    ranks: Ranks

    def plain(self, clips: Clips) -> Floats:
        """The plain view, float32 [1, n, S, D]."""
        return np.asarray(self._read(ViewBank(*self._of), clips), np.float32)

    def encoded(self, clips: Clips, say: Callable[[str], None]) -> EncodedViews | None:
        """What training draws from; None where it streams raw images."""
        train = self.recipe.train
        if train.views is not None:
            return self._bank(clips, train.views, say)
        if train.image_source() == "raw":
            return None
        device = self.ranks.device
        return ViewsInMemory(torch.from_numpy(self.plain(clips)), device, device)

    def _bank(self, clips: Clips, views: int, say: Callable[[str], None]) -> EncodedViews:
        """Augmented views, where they fit."""
        bank = ViewBank(*self._of, self.recipe.augment, views)
        settings, device = self.store.settings, self.ranks.device
        shape = (settings.partition_clips, settings.clip_seconds, self.encoder.features)
        needed = views * len(clips.rows) * shape[1] * shape[2] * bank.dtype.itemsize
        kept = place_of(self.recipe.train, needed, device, say)
        if kept is None:
            self._compute(bank, clips)
            self.ranks.wait()
            return ViewsOnDisk(bank.path, views, clips.rows, shape, device)
        return ViewsInMemory(torch.from_numpy(self._read(bank, clips)), kept, device)

    @property
    def _of(self) -> tuple[Store, VisualEncoder, Path]:
        return self.store, self.encoder, self.elsewhere

    def _read(self, bank: ViewBank, clips: Clips) -> AnyFloats:
        """Some clips' views, [V, n, S, D]; a bank that has them all is read once."""
        found = bank.stored(clips.rows)
        if found is None:
            self._compute(bank, clips)
            found = bank.read(clips.rows)
        self.ranks.wait()
        return found

    def _compute(self, bank: ViewBank, clips: Clips) -> None:
        threads = self.recipe.train.threads or default_threads()
        bank.compute(clips.rows, threads, self.ranks.rank, self.ranks.world)
