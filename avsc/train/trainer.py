"""The epochs of a training: train, validate, log, keep; stop early, go on after a kill.

A run and the fine-tuning of an encoder differ in their model and in what is held out.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from avsc import console
from avsc.data.batch import Batch
from avsc.data.loader import TripleLoader
from avsc.recipe_sections import DistillRecipe, TrainRecipe
from avsc.scenes import UNLABELLED
from avsc.train import checkpoint
from avsc.train.checkpoint import Checkpoint
from avsc.train.distributed import Ranks
from avsc.train.epoch import Optimization, Tally, balanced_weights, not_finite
from avsc.train.log import EpochRow, RunLog
from avsc.train.manifest import Manifest, Role
from avsc.train.run_dir import CHECKPOINTS
from avsc.train.stopping import StopRequest
from avsc.train.validate import HeldOutImages, HeldOutSegments, ValidationScores


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        run: Folder of the run.
        epochs: Number of epochs, over all of its processes' lives.
        best_epoch: Epoch of the lowest validation loss, counted from 1.
        best_loss: Validation loss of that epoch.
        reason: Why there are no more epochs.
    """

    run: Path
    epochs: int
    best_epoch: int
    best_loss: float
    reason: str


class Trainer:
    """Trains a model.

    Args:
        run: Folder of the run, which only rank 0 writes.
        manifest: Manifest of the training before its first step.
        model: Model on its device; what ``parameters()`` and ``state_dict()`` have is kept, and
            trained where it asks for a gradient.
        loader: Training batches.
        held_out: Validation clips of a run, or images of a fine-tuning.
        ranks: Processes of the training.
        compiled: Whether torch.compile makes the steps quicker.
    """

    def __init__(
        self,
        run: Path,
        manifest: Manifest,
        model: nn.Module,
        loader: TripleLoader,
        held_out: HeldOutSegments | HeldOutImages,
        *,
        ranks: Ranks,
        compiled: bool = False,
    ) -> None:
        self._run = run
        self._manifest = manifest
        self._model = model
        self._loader = loader
        self._held_out = held_out
        self._ranks = ranks
        self._tally = Tally()
        self._saved_s = time.monotonic()
        weights = None
        if manifest.recipe.train.class_weights == "balanced":
            weights = torch.from_numpy(balanced_weights(loader.triples.label)).to(ranks.device)
        stepping = torch.compile(model) if compiled else ranks.wrap(model)
        assert isinstance(stepping, nn.Module)
        recipe = manifest.recipe
        self._optimization = optimization(stepping, recipe.train, ranks, weights, recipe.distill)

    @property
    def _recipe(self) -> TrainRecipe:
        return self._manifest.recipe.train

    def restore(self, saved: Checkpoint, manifest: Manifest) -> None:
        """Goes on from a checkpoint of the same training."""
        self._manifest = self._manifest.at(manifest)
        self._model.load_state_dict(saved.weights)
        self._optimization.optimizer.load_state_dict(saved.training["optimizer"])
        torch.set_rng_state(saved.training["rng"])
        if manifest.batch:
            self._tally = Tally(**saved.training["tally"])

    def fit(self) -> Outcome:
        """Trains to the last epoch, or until the validation loss no longer falls.

        Raises:
            AvscError: A loss is not finite, or an image is damaged.
        """
        log = RunLog(self._run, self._manifest.epoch) if self._ranks.writes else None
        try:
            while not self._manifest.finished:
                row = self._epoch()
                if log is not None:
                    log.write(row)
                    console.say(row.line(self._recipe.epochs))
                    self._save("last")
                self._ranks.wait()
        finally:
            self._loader.close()
            if log is not None:
                log.close()
        return outcome(self._run, self._manifest)

    def _epoch(self) -> EpochRow:
        """Trains and validates one epoch; keeps it if it is the best."""
        began_s = time.monotonic()
        tally, self._tally = self._tally, Tally()
        self._train(tally)
        scores = self._held_out.validate(self._model)
        if not math.isfinite(scores.loss):
            raise not_finite(f"the validation loss is {scores.loss}", self._manifest.epoch)
        self._manifest = self._manifest.after_epoch(scores.loss)
        best = self._manifest.best_epoch == self._manifest.epoch
        if best and self._ranks.writes:
            self._save("best")
        return self._row(tally, scores, best, time.monotonic() - began_s)

    def _train(self, tally: Tally) -> None:
        """Takes the epoch's steps; saves within it now and then, and when it is asked to stop.

        Raises:
            KeyboardInterrupt: It was asked to stop; its place is saved.
        """
        epoch, per_epoch = self._manifest.epoch, self._loader.batches_per_epoch
        with self._progress(epoch, self._manifest.batch) as batches, StopRequest() as stop:
            for done in self._optimization.epoch(batches, epoch, per_epoch, tally, stop):
                is_due = time.monotonic() - self._saved_s >= 60 * self._recipe.checkpoint_minutes
                if (is_due or stop.agreed) and self._ranks.writes:
                    self._save("last", done, tally)
                if stop.agreed:
                    raise KeyboardInterrupt

    def _row(self, tally: Tally, scores: ValidationScores, best: bool, seconds: float) -> EpochRow:
        loss, correct, count, norm, images = tally.sums.tolist()
        labelled = float((self._loader.triples.label != UNLABELLED).mean())
        return EpochRow(
            epoch=self._manifest.epoch,
            train_loss=loss / count,
            train_accuracy=correct / (count * labelled),
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            best=best,
            lr=float(self._optimization.optimizer.param_groups[0]["lr"]),
            gradient_norm=norm / self._ranks.world / tally.steps,
            images_per_second=images / tally.seconds,
            waiting=tally.waiting_s / tally.seconds,
            samples=int(count),
            seconds=seconds,
            samples_per_second=count / tally.seconds,
            val_top5=scores.top5,
        )

    def _save(self, name: Role, batches: int = 0, tally: Tally | None = None) -> None:
        manifest = self._manifest.model_copy(update={"batch": batches})
        training: dict[str, object] = {}
        if name == "last":
            training = {
                "optimizer": self._optimization.optimizer.state_dict(),
                "rng": torch.get_rng_state(),
                "tally": None if tally is None else tally.state(),
            }
            self._saved_s = time.monotonic()
        checkpoint.save(
            self._run / CHECKPOINTS,
            name,
            self._model.state_dict(),
            training,
            manifest.model_dump(mode="json"),
        )

    @contextmanager
    def _progress(self, epoch: int, first: int) -> Iterator[Iterator[Batch]]:
        """The epoch's batches from the first on, with a progress bar on rank 0."""
        batches = self._loader.epoch(epoch, first)
        if not self._ranks.writes:
            yield batches
            return
        title = f"epoch {epoch + 1}/{self._recipe.epochs}"
        samples = len(self._loader.triples)
        done = round(samples * first / self._loader.batches_per_epoch)
        with console.progress(title, samples, "samples", done) as line:
            yield _counted(batches, line)


def optimization(
    model: nn.Module,
    recipe: TrainRecipe,
    ranks: Ranks,
    class_weights: Tensor | None = None,
    distill: DistillRecipe | None = None,
) -> Optimization:
    """SGD with cosine annealing and warm restarts (paper, section 4.1).

    Args:
        model: Model, wrapped for its ranks.
        recipe: Learning rates, momentum, weight decay and seed.
        ranks: Processes of the training.
        class_weights: Weight of each class in the loss, [C]; None for no weights.
        distill: Weight and temperature of soft targets; None where there are none.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = SGD(
        trained,
        lr=recipe.lr_max,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        # One kernel for all parameters. Elsewhere the usual one, whose bits runs of before have.
        fused=True if ranks.device.type == "cuda" else None,
    )
    schedule = CosineAnnealingWarmRestarts(
        optimizer, recipe.restart_epochs, recipe.restart_factor, recipe.lr_min
    )
    distill = distill or DistillRecipe()
    return Optimization(model, optimizer, schedule, recipe.seed, ranks, class_weights, distill)


def outcome(run: Path, manifest: Manifest) -> Outcome:
    """How a finished training ended."""
    assert manifest.best_epoch is not None
    assert manifest.best_loss is not None
    recipe = manifest.recipe.train
    reason = (
        f"all {manifest.epoch} epochs are done"
        if manifest.epoch >= recipe.epochs
        else f"no better validation loss in {recipe.patience} epochs"
    )
    return Outcome(run, manifest.epoch, manifest.best_epoch, manifest.best_loss, reason)


def _counted(batches: Iterator[Batch], line: console.ProgressLine) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        line.advance(batch.total)
