"""The epochs of a training: train, validate, log, keep; stop early, go on after a kill.

A run and the fine-tuning of an encoder differ in their ``Task`` alone.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from avsc import console
from avsc.data.batch import Batch
from avsc.data.loader import TripleLoader
from avsc.recipe import TrainRecipe
from avsc.train import checkpoint
from avsc.train.checkpoint import Checkpoint
from avsc.train.distributed import Ranks
from avsc.train.log import EpochRow, RunLog
from avsc.train.loop import Epoch, Tally, not_finite
from avsc.train.manifest import Progress, Role
from avsc.train.run_dir import CHECKPOINTS
from avsc.train.schedule import learning_rate
from avsc.train.validate import Validation


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        run: Its folder.
        epochs: How many it has had, over all of its processes' lives.
        best_epoch: Counted from 1.
        best_loss: The validation loss of that epoch.
        reason: Why there are no more epochs.
    """

    run: Path
    epochs: int
    best_epoch: int
    best_loss: float
    reason: str


@dataclass(frozen=True)
class Task:
    """What is trained, and how it is judged.

    Attributes:
        model: On its device; parameters that ask for a gradient are trained, all are kept.
        stream: Its training batches.
        logits: Of the model (wrapped for its ranks) and a batch, [n, C].
        images: How many images this rank encodes for a batch.
        validate: Scores the model as it is; called on every rank, the same result on each.
    """

    model: nn.Module
    stream: TripleLoader
    logits: Callable[[nn.Module, Batch], Tensor]
    images: Callable[[Batch], int]
    validate: Callable[[], Validation]


class Trainer:
    """Trains a task's model.

    Args:
        run: The folder, which this process (if it is the first rank) alone writes.
        facts: Of the training before its first step.
        task: What is trained.
        device: Where it is.
        ranks: Of the training.
    """

    def __init__(
        self, run: Path, facts: Progress, task: Task, *, device: torch.device, ranks: Ranks
    ) -> None:
        self._run = run
        self._facts = facts
        self._task = task
        self._device = device
        self._ranks = ranks
        self._tally: Tally | None = None
        self._saved_s = time.monotonic()
        self._model = ranks.wrap(task.model, device)
        # The one place where it is decided what is trained.
        trained = [p for p in task.model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.SGD(
            trained,
            lr=self._recipe.lr_max,
            momentum=self._recipe.momentum,
            weight_decay=self._recipe.weight_decay,
        )

    @property
    def _recipe(self) -> TrainRecipe:
        return self._facts.recipe.train

    def restore(self, saved: Checkpoint, facts: Progress) -> None:
        """Goes on from a checkpoint of the same training."""
        self._facts = self._facts.at(facts)
        self._task.model.load_state_dict(saved.weights)
        self._optimizer.load_state_dict(saved.training["optimizer"])
        torch.set_rng_state(saved.training["rng"])
        if facts.batch:
            self._tally = Tally(**saved.training["tally"])

    def fit(self) -> Outcome:
        """Trains to the last epoch, or until the validation loss no longer falls.

        Raises:
            AvscError: A loss is not finite, or an image is damaged.
        """
        log = RunLog(self._run, self._facts.epoch) if self._ranks.writes else None
        try:
            while not self._facts.finished:
                row = self._epoch()
                if log is not None:
                    log.write(row)
                    console.say(row.line(self._recipe.epochs))
                    self._save("last")
                self._ranks.wait()
        finally:
            self._task.stream.close()
            if log is not None:
                log.close()
        return outcome(self._run, self._facts)

    def _epoch(self) -> EpochRow:
        """Trains and validates one epoch; keeps it if it is the best."""
        began_s = time.monotonic()
        number, first = self._facts.epoch, self._facts.batch
        tally = self._tally or Tally.new()
        self._tally = None
        epoch = Epoch[Batch](
            number=number,
            seed=self._recipe.seed,
            model=self._model,
            forward=self._forward,
            optimizer=self._optimizer,
            rate=self._rate,
            images=self._task.images,
            ranks=self._ranks,
            device=self._device,
            after_check=self._save_within,
        )
        with self._shown(self._task.stream.epoch(number, first), number, first) as batches:
            epoch.run(batches, tally)
        found = self._task.validate()
        if not math.isfinite(found.loss):
            raise not_finite(f"the validation loss is {found.loss}", number)
        best = self._complete(found)
        if best and self._ranks.writes:
            self._save("best")
        return self._row(tally, found, best, time.monotonic() - began_s)

    def _forward(self, batch: Batch) -> Tensor:
        return self._task.logits(self._model, batch)

    def _rate(self, batch: int) -> float:
        recipe = self._recipe
        return learning_rate(
            self._facts.epoch + batch / self._task.stream.batches_per_epoch,
            recipe.lr_max,
            recipe.lr_min,
            recipe.restart_epochs,
            recipe.restart_factor,
        )

    def _complete(self, found: Validation) -> bool:
        """Counts the epoch; returns whether it is the best so far."""
        facts, done = self._facts, self._facts.epoch + 1
        best = facts.best_loss is None or found.loss < facts.best_loss
        best_epoch = done if best else facts.best_epoch
        assert best_epoch is not None
        stale = done - best_epoch >= self._recipe.patience
        self._facts = facts.model_copy(
            update={
                "epoch": done,
                "batch": 0,
                "best_epoch": best_epoch,
                "best_loss": found.loss if best else facts.best_loss,
                "finished": stale or done >= self._recipe.epochs,
            }
        )
        return best

    def _row(self, tally: Tally, found: Validation, best: bool, seconds: float) -> EpochRow:
        loss, hits, count, norm, images = tally.sums.tolist()
        return EpochRow(
            epoch=self._facts.epoch,
            train_loss=loss / count,
            train_accuracy=hits / count,
            val_loss=found.loss,
            val_accuracy=found.accuracy,
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
        """Saves within an epoch if the last time is long enough ago."""
        due = time.monotonic() - self._saved_s >= 60 * self._recipe.checkpoint_minutes
        if due and self._ranks.writes and batches < self._task.stream.batches_per_epoch:
            self._save("last", batches, tally)

    def _save(self, name: Role, batches: int = 0, tally: Tally | None = None) -> None:
        facts = self._facts.model_copy(update={"batch": batches})
        training: dict[str, object] = {}
        if name == "last":
            training = {
                "optimizer": self._optimizer.state_dict(),
                "rng": torch.get_rng_state(),
                "tally": None if tally is None else tally.state(),
            }
            self._saved_s = time.monotonic()
        checkpoint.save(
            self._run / CHECKPOINTS,
            name,
            self._task.model.state_dict(),
            training,
            facts.model_dump(mode="json"),
        )

    @contextmanager
    def _shown(
        self, batches: Iterable[Batch], number: int, first: int
    ) -> Iterator[Iterable[Batch]]:
        """The batches with a progress bar on rank 0."""
        if not self._ranks.writes:
            yield batches
            return
        title = f"epoch {number + 1}/{self._recipe.epochs}"
        samples = len(self._task.stream.triples)
        done = round(samples * first / self._task.stream.batches_per_epoch)
        with console.progress(title, samples, "samples", done) as line:
            yield _counted(batches, line.advance)


def outcome(run: Path, facts: Progress) -> Outcome:
    """How a finished training ended."""
    assert facts.best_epoch is not None
    assert facts.best_loss is not None
    full = facts.epoch >= facts.recipe.train.epochs
    reason = (
        f"all {facts.epoch} epochs are done"
        if full
        else f"no better validation loss in {facts.recipe.train.patience} epochs"
    )
    return Outcome(run, facts.epoch, facts.best_epoch, facts.best_loss, reason)


def _counted(batches: Iterable[Batch], advance: Callable[[int], None]) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        advance(batch.total)
