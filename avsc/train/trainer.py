"""The epochs of a run: train, validate, log, keep; stop early, go on after a kill."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from avsc import console
from avsc.recipe import TrainRecipe
from avsc.train import checkpoint
from avsc.train.checkpoint import Checkpoint
from avsc.train.facts import Role, RunFacts
from avsc.train.folder import CHECKPOINTS
from avsc.train.inputs import Inputs
from avsc.train.log import EpochRow, RunLog
from avsc.train.loop import Epoch, Tally, not_finite
from avsc.train.model import Scorer
from avsc.train.ranks import Ranks
from avsc.train.schedule import learning_rate
from avsc.train.stream import Batch
from avsc.train.validate import Validation, validate


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

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


class Trainer:
    """Trains a scorer on its inputs.

    Args:
        run: The run's folder, which this process (if it is the first rank) alone writes.
        facts: Of the run before its first step.
        scorer: On its device, standardisation set and what is not trained frozen.
        inputs: On the same device.
        device: That device.
        ranks: Of the run.
    """

    def __init__(
        self,
        run: Path,
        facts: RunFacts,
        scorer: Scorer,
        inputs: Inputs,
        *,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self._run = run
        self._facts = facts
        self._scorer = scorer
        self._inputs = inputs
        self._device = device
        self._ranks = ranks
        self._tally: Tally | None = None
        self._saved_s = time.monotonic()
        self._model = ranks.wrap(scorer, device)
        # The one place where it is decided what is trained.
        trained = [p for p in scorer.parameters() if p.requires_grad]
        self._optimizer = torch.optim.SGD(
            trained,
            lr=self._recipe.lr_max,
            momentum=self._recipe.momentum,
            weight_decay=self._recipe.weight_decay,
        )

    @property
    def _recipe(self) -> TrainRecipe:
        return self._facts.recipe.train

    def restore(self, saved: Checkpoint, facts: RunFacts) -> None:
        """Goes on from a checkpoint of the same run."""
        self._facts = self._facts.model_copy(
            update={name: getattr(facts, name) for name in _PROGRESS}
        )
        self._scorer.load_state_dict(saved.weights)
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
            self._inputs.stream.close()
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
            images=self._inputs.images,
            ranks=self._ranks,
            device=self._device,
            after_check=self._save_within,
        )
        with self._shown(self._inputs.stream.epoch(number, first), number, first) as batches:
            epoch.run(batches, tally)
        found = self._validated()
        if not math.isfinite(found.loss):
            raise not_finite(f"the validation loss is {found.loss}", number)
        best = self._complete(found)
        if best and self._ranks.writes:
            self._save("best")
        return self._row(tally, found, best, time.monotonic() - began_s)

    def _forward(self, batch: Batch) -> Tensor:
        logits: Tensor = self._model(*self._inputs.of_batch(batch))
        return logits

    def _rate(self, batch: int) -> float:
        recipe = self._recipe
        return learning_rate(
            self._facts.epoch + batch / self._inputs.stream.batches_per_epoch,
            recipe.lr_max,
            recipe.lr_min,
            recipe.restart_epochs,
            recipe.restart_factor,
        )

    def _validated(self) -> Validation:
        """Rank 0's validation on every rank, so that all stop at the same epoch."""
        found = [0.0, 0.0]
        if self._ranks.writes:
            result = validate(self._scorer, self._inputs.segments)
            found = [result.loss, result.accuracy]
        return Validation(*self._ranks.from_first(found, self._device))

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
        )

    def _save_within(self, batches: int, tally: Tally) -> None:
        """Saves within an epoch if the last time is long enough ago."""
        due = time.monotonic() - self._saved_s >= 60 * self._recipe.checkpoint_minutes
        if due and self._ranks.writes and batches < self._inputs.stream.batches_per_epoch:
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
            self._scorer.state_dict(),
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
        samples = len(self._inputs.stream.triples)
        done = round(samples * first / self._inputs.stream.batches_per_epoch)
        with console.progress(title, samples, "samples", done) as line:
            yield _counted(batches, line.advance)


_PROGRESS = ("epoch", "batch", "best_epoch", "best_loss", "finished")


def outcome(run: Path, facts: RunFacts) -> Outcome:
    """How a finished run ended."""
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
