"""What a run reports of each epoch: a line for a person, one in ``log.jsonl``, TensorBoard."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import files
from avsc.console import duration

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class EpochRow:
    """One epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        train_loss: Mean cross-entropy over its samples, as they were trained on.
        train_accuracy: Share of its labelled samples that were classified correctly then.
        val_loss: The paper's log-loss over validation segments.
        val_accuracy: The paper's accuracy over them.
        best: Whether no epoch before had a lower validation loss.
        lr: Learning rate of its last step.
        gradient_norm: Mean norm of the gradient over its steps.
        images_per_second: Images encoded a second by all ranks; samples where there are none.
        samples_per_second: Triples trained on a second by all ranks, as the progress bar has it.
        waiting: Share of the steps' time in which the trainer waited for data.
        samples: Number of triples it was trained on.
        seconds: Time of its steps and validation.
        val_top5: Top-5 accuracy where an encoder is fine-tuned; None for a run.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    best: bool
    lr: float
    gradient_norm: float
    images_per_second: float
    waiting: float
    samples: int
    seconds: float
    samples_per_second: float
    val_top5: float | None = None

    def line(self, epochs: int) -> str:
        """The row for a person."""
        return (
            f"epoch {self.epoch}/{epochs}: train loss {self.train_loss:.4f}, "
            f"val loss {self.val_loss:.4f}, val accuracy {100 * self.val_accuracy:.1f} %, "
            f"lr {self.lr:.1e}, {self.samples_per_second:.0f} samples/s, "
            f"waiting {100 * self.waiting:.0f} %, {duration(self.seconds)}"
            + ("" if self.val_top5 is None else f", top-5 {100 * self.val_top5:.1f} %")
            + (" (best so far)" if self.best else "")
        )

    def values(self) -> dict[str, Any]:
        """What there is of it, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class RunLog:
    """A run's log, each epoch in it once.

    Args:
        run: The run's folder.
        epochs: Number of complete epochs; what a killed run wrote of later ones is dropped.
    """

    def __init__(self, run: Path, epochs: int) -> None:
        self._path = run / LOG
        kept = [json.dumps(row) + "\n" for row in read_log(run) if row["epoch"] <= epochs]
        files.write_text(self._path, "".join(kept))
        self._board = _board(run / TENSORBOARD, epochs)

    def write(self, row: EpochRow) -> None:
        """Adds an epoch, on disk when this returns."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row.values()) + "\n")
            file.flush()
            os.fsync(file.fileno())
        for name, value in row.values().items():
            if name not in ("epoch", "best"):
                tag = name.replace("_", "/", 1) if name.startswith(("train_", "val_")) else name
                self._board.add_scalar(tag, value, row.epoch)
        self._board.flush()

    def close(self) -> None:
        """Closes TensorBoard's file."""
        self._board.close()


def read_log(run: Path) -> list[dict[str, float]]:
    """The rows of a run's log; a last line that was cut off by a kill is left out."""
    try:
        lines = (run / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _board(folder: Path, epochs: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter

    # Steps after ``epochs`` are hidden in what an earlier, killed process wrote.
    return SummaryWriter(str(folder), purge_step=epochs + 1)
