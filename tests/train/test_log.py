from dataclasses import replace
from pathlib import Path

from avsc.train.log import EpochRow, RunLog, read_log

ROW = EpochRow(
    epoch=1,
    train_loss=1.25,
    train_accuracy=0.5,
    val_loss=1.5,
    val_accuracy=0.625,
    best=True,
    lr=1e-2,
    gradient_norm=2.0,
    images_per_second=50.0,
    samples_per_second=321.4,
    waiting=0.031,
    samples=1000,
    seconds=75.0,
)


def _write(run: Path, complete: int, *epochs: int) -> None:
    log = RunLog(run, complete)
    for epoch in epochs:
        log.write(replace(ROW, epoch=epoch))
    log.close()


def test_a_line_says_everything_a_person_watches() -> None:
    assert ROW.line(9) == (
        "epoch 1/9: train loss 1.2500, val loss 1.5000, val accuracy 62.5 %, lr 1.0e-02, "
        "321 samples/s, waiting 3 %, 1 min 15 s (best so far)"
    )


def test_epochs_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    _write(tmp_path, 0, 1, 2, 3)
    _write(tmp_path, 2, 3, 4)
    assert [row["epoch"] for row in read_log(tmp_path)] == [1, 2, 3, 4]


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    _write(tmp_path, 0, 1, 2)
    path = tmp_path / "log.jsonl"
    path.write_text(path.read_text()[:-20])
    assert [row["epoch"] for row in read_log(tmp_path)] == [1]
    _write(tmp_path, 1, 2)
    assert [row["epoch"] for row in read_log(tmp_path)] == [1, 2]


def test_tensorboard_shows_the_same_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing import (  # type: ignore[import-untyped]
        event_accumulator,
    )

    _write(tmp_path, 0, 1, 2)
    board = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    wanted = {"train/loss", "val/loss", "val/accuracy", "lr", "waiting"}
    assert wanted <= set(board.Tags()["scalars"])
    assert [event.step for event in board.Scalars("val/loss")] == [1, 2]
    assert board.Scalars("val/loss")[0].value == 1.5
