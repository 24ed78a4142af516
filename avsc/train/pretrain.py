"""Fine-tuning a visual encoder on labelled images, such as Places365.

The same stream and loop as a run's, with the image alone. What comes out is a folder that
``--ve-weights`` takes: the best epoch's backbone and what it expects of an image, beside the
run's own recipe, log and checkpoints.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from avsc import console
from avsc import recipe as recipes
from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.train import checkpoint, facts, folder, image_classifier, triples, visual
from avsc.train.device import determinism, resolve_device
from avsc.train.image_classifier import ImageClassifier, TopScores
from avsc.train.image_folder import ImageSet, read_image_set
from avsc.train.log import EpochRow, RunLog
from avsc.train.loop import Epoch, Tally
from avsc.train.ranks import Ranks, from_environment, joined
from avsc.train.schedule import learning_rate
from avsc.train.stream import Batch, TripleStream, default_threads
from avsc.train.visual import ImageConfig


class PretrainFacts(BaseModel):
    """What a checkpoint's manifest records of a fine-tuning, and how far it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epoch: int  # epochs that are complete
    batch: int  # batches done of the next
    best_epoch: int | None  # counted from 1
    best_loss: float | None
    finished: bool
    recipe: Recipe
    images: dict[str, object]  # the image set, as ``ImageSet.describe`` has it


@dataclass(frozen=True)
class PretrainRow(EpochRow):
    """One epoch; ``val_accuracy`` is top-1."""

    val_top5: float

    def line(self, epochs: int) -> str:
        """The row for a person."""
        return f"{super().line(epochs)}, top-5 {100 * self.val_top5:.1f} %"


@dataclass(frozen=True)
class Pretrained:
    """How a fine-tuning ended; ``best_epoch`` is counted from 1."""

    folder: Path
    epochs: int
    best_epoch: int
    best_loss: float


def pretrain(
    images: Path,
    out: Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Pretrained:
    """Fine-tunes the recipe's visual encoder, or goes on where it was stopped.

    Args:
        images: ``train/<scene>/*.jpg`` and ``val/<scene>/*.jpg``, or Places365.
        out: The folder that ``--ve-weights`` will take; new unless ``resume``.
        recipe: Its ``visual``, ``train`` and ``augment`` sections count.
        resume: Go on from the last checkpoint.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: The images, the recipe, the weights or the folder cannot be used, the
            fine-tuning was begun with others, or it diverged.
    """
    ranks = from_environment()
    where = resolve_device(device, ranks.local_rank)
    with ExitStack() as stack:
        stack.enter_context(joined(ranks, where))
        if ranks.writes:
            stack.enter_context(folder.locked(out))
            agreed = folder.agreed_recipe(out, recipe and folder.absolute_paths(recipe), resume)
            folder.write_recipe(out, agreed)
        ranks.wait()
        resolved = recipes.load(out / folder.CONFIG)
        stack.enter_context(determinism(resolved.train.deterministic, where))
        found = read_image_set(images)
        if ranks.writes:
            console.say(
                f"fine-tuning {resolved.visual.model} into {out}: {len(found.train)} images to "
                f"train on and {len(found.val)} to validate on, {len(found.scenes)} scenes, {where}"
            )
        return FineTuner(out, found, resolved, where, ranks).fit()


class FineTuner:
    """Trains an ``ImageClassifier`` epoch by epoch and keeps its best backbone.

    Args:
        out: The folder, which the first rank alone writes.
        images: The image set.
        recipe: How.
        device: Where.
        ranks: Of the run.
    """

    def __init__(
        self, out: Path, images: ImageSet, recipe: Recipe, device: torch.device, ranks: Ranks
    ) -> None:
        self._out, self._images, self._recipe = out, images, recipe
        self._device, self._ranks = device, ranks
        self._threads = recipe.train.threads or default_threads()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.train.seed)
            encoder = visual.build(recipe.visual)
            self._config: ImageConfig = encoder.config
            self._model = ImageClassifier(encoder, len(images.scenes))
        self._model.run_as(visual.execution(recipe.train, device))
        self._wrapped = ranks.wrap(self._model, device)
        self._optimizer = torch.optim.SGD(
            self._model.parameters(),
            lr=recipe.train.lr_max,
            momentum=recipe.train.momentum,
            weight_decay=recipe.train.weight_decay,
        )
        self._stream = self._training_stream()
        self._facts = PretrainFacts(
            epoch=0,
            batch=0,
            best_epoch=None,
            best_loss=None,
            finished=False,
            recipe=recipe,
            images=images.describe(),
        )
        self._tally: Tally | None = None
        self._saved_s = time.monotonic()

    def _training_stream(self) -> TripleStream:
        train = self._images.train
        numbers = np.arange(len(train))
        none = np.zeros_like(numbers)
        every = triples.Triples(numbers, numbers, none, none, train.labels)
        return TripleStream(
            every,
            triples.views(every, None),
            seed=self._recipe.train.seed,
            batch_size=self._recipe.train.batch_size,
            source=train,
            side=self._config.size,
            recipe=self._recipe.augment,
            device=self._device,
            rank=self._ranks.rank,
            world=self._ranks.world,
            threads=self._threads,
        )

    def fit(self) -> Pretrained:
        """Trains what is left to train; returns at once when there is nothing."""
        self._restore()
        log = RunLog(self._out, self._facts.epoch) if self._ranks.writes else None
        try:
            while not self._facts.finished:
                row = self._epoch()
                if log is not None:
                    log.write(row)
                    console.say(row.line(self._recipe.train.epochs))
                    self._save("last")
                self._ranks.wait()
        finally:
            self._stream.close()
            if log is not None:
                log.close()
        if self._ranks.writes:
            self._write_encoder()
        assert self._facts.best_epoch is not None
        assert self._facts.best_loss is not None
        return Pretrained(
            self._out, self._facts.epoch, self._facts.best_epoch, self._facts.best_loss
        )

    def _epoch(self) -> PretrainRow:
        began_s = time.monotonic()
        number, first = self._facts.epoch, self._facts.batch
        tally = self._tally or Tally.new()
        self._tally = None
        epoch = Epoch[Batch](
            number=number,
            seed=self._recipe.train.seed,
            model=self._wrapped,
            forward=self._forward,
            optimizer=self._optimizer,
            rate=self._rate,
            images=lambda batch: len(batch.labels),
            ranks=self._ranks,
            device=self._device,
            after_check=self._save_within,
        )
        batches = self._shown(self._stream.epoch(number, first), first)
        epoch.run(batches, tally)
        found = image_classifier.score(
            self._model,
            self._images.val,
            self._config,
            device=self._device,
            ranks=self._ranks,
            threads=self._threads,
        )
        best = self._complete(found)
        if best and self._ranks.writes:
            self._save("best")
        return self._row(tally, found, best, time.monotonic() - began_s)

    def _forward(self, batch: Batch) -> Tensor:
        logits: Tensor = self._wrapped(image_classifier.images_of(batch))
        return logits

    def _rate(self, batch: int) -> float:
        train = self._recipe.train
        return learning_rate(
            self._facts.epoch + batch / self._stream.batches_per_epoch,
            train.lr_max,
            train.lr_min,
            train.restart_epochs,
            train.restart_factor,
        )

    def _complete(self, found: TopScores) -> bool:
        """Counts the epoch; returns whether it is the best so far."""
        there, done = self._facts, self._facts.epoch + 1
        best = there.best_loss is None or found.loss < there.best_loss
        best_epoch = done if best or there.best_epoch is None else there.best_epoch
        stale = done - best_epoch >= self._recipe.train.patience
        self._facts = there.model_copy(
            update={
                "epoch": done,
                "batch": 0,
                "best_epoch": best_epoch,
                "best_loss": found.loss if best else there.best_loss,
                "finished": stale or done >= self._recipe.train.epochs,
            }
        )
        return best

    def _row(self, tally: Tally, found: TopScores, best: bool, seconds: float) -> PretrainRow:
        loss, hits, count, norm, images = tally.sums.tolist()
        return PretrainRow(
            epoch=self._facts.epoch,
            train_loss=loss / count,
            train_accuracy=hits / count,
            val_loss=found.loss,
            val_accuracy=found.top1,
            best=best,
            lr=float(self._optimizer.param_groups[0]["lr"]),
            gradient_norm=norm / self._ranks.world / tally.steps,
            images_per_second=images / tally.seconds,
            waiting=tally.waiting_s / tally.seconds,
            samples=int(count),
            seconds=seconds,
            val_top5=found.top5,
        )

    def _save_within(self, batches: int, tally: Tally) -> None:
        due = time.monotonic() - self._saved_s >= 60 * self._recipe.train.checkpoint_minutes
        if due and self._ranks.writes and batches < self._stream.batches_per_epoch:
            self._save("last", batches, tally)

    def _save(self, name: facts.Role, batches: int = 0, tally: Tally | None = None) -> None:
        training: dict[str, object] = {}
        if name == "last":
            training = {
                "optimizer": self._optimizer.state_dict(),
                "tally": None if tally is None else tally.state(),
            }
            self._saved_s = time.monotonic()
        checkpoint.save(
            self._out / folder.CHECKPOINTS,
            name,
            self._model.state_dict(),
            training,
            self._facts.model_copy(update={"batch": batches}).model_dump(mode="json"),
        )

    def _restore(self) -> None:
        saved = checkpoint.recover_on_ranks(self._out / folder.CHECKPOINTS, "last", self._ranks)
        if saved is None:
            return
        there = _parse(saved.facts, str(saved.path))
        differing = facts.difference(there.recipe, self._recipe)
        if there.images != self._facts.images:
            differing.append(f"images: {_short(there.images)}, now {_short(self._facts.images)}")
        if differing:
            raise AvscError(
                "the fine-tuning cannot go on with something else than it was begun with:\n  "
                + "\n  ".join(differing),
                "the images and recipe it was begun with",
                "give those, or choose another --out",
            )
        self._facts = there
        self._model.load_state_dict(saved.weights)
        self._optimizer.load_state_dict(saved.training["optimizer"])
        if there.batch:
            self._tally = Tally(**saved.training["tally"])

    def _write_encoder(self) -> None:
        best = checkpoint.load(self._out / folder.CHECKPOINTS / "best", training=False)
        prefix = "backbone."
        state = {
            name.removeprefix(prefix): tensor
            for name, tensor in best.weights.items()
            if name.startswith(prefix)
        }
        visual.save_folder(self._out, self._recipe.visual.model, state, self._config)

    def _shown(self, batches: Iterable[Batch], first: int) -> Iterator[Batch]:
        if not self._ranks.writes:
            yield from batches
            return
        title = f"epoch {self._facts.epoch + 1}/{self._recipe.train.epochs}"
        count = len(self._images.train)
        done = round(count * first / self._stream.batches_per_epoch)
        with console.progress(title, count, "images", done) as line:
            for batch in batches:
                yield batch
                line.advance(batch.total)


def _parse(manifest: dict[str, object], where: str) -> PretrainFacts:
    known = {k: v for k, v in manifest.items() if k in PretrainFacts.model_fields}
    try:
        return PretrainFacts.model_validate_json(json.dumps(known))
    except ValidationError as error:
        raise AvscError(
            f"{where} is no checkpoint of a fine-tuning: {error.errors()[0]['msg']}",
            "one that `avsc pretrain` wrote",
            "choose another --out",
        ) from None


def _short(images: dict[str, object]) -> str:
    scenes = images["scenes"]
    count = len(scenes) if isinstance(scenes, list) else "?"
    return f"{images['train_images']} + {images['val_images']} images of {count} scenes"
