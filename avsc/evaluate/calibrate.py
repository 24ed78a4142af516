"""``avsc calibrate``: fits a run's temperature on its validation clips."""

from pathlib import Path

from avsc import metrics
from avsc.evaluate import results
from avsc.evaluate.temperature import (
    Calibrated,
    fit_temperature,
    segment_shares,
    write_calibration,
)


def calibrate(
    run: Path,
    *,
    store: str | None = None,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
) -> Calibrated:
    """Fits one temperature on the validation clips of a run and keeps it in the run.

    Args:
        run: Folder of the run.
        store: Path or address of the store the run was trained on, if it was moved.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the class that the run names may be imported, see ``evaluate``.

    Raises:
        AvscError: The run or the store cannot be used, or the store is not the run's own.
    """
    from avsc.evaluate import score
    from avsc.evaluate.scored_fold import VALIDATION, fold_segments
    from avsc.store.reader import Store
    from avsc.train.load import Run

    loaded = Run.open(run, device, ve_weights=ve_weights, trust_code=trust_code)
    opened = Store.open(store or loaded.manifest.store)
    segments = fold_segments(loaded, opened, VALIDATION)
    logits, segment = score.sample_logits(loaded, opened, segments)
    temperature = fit_temperature(logits, segment, segments.labels)
    n = len(segments.labels)
    before, after = (segment_shares(logits, segment, n, t) for t in (1.0, temperature))
    fitted = Calibrated(
        temperature,
        results.weights_sha256(run),
        tuple(opened.clips[row].id for row in segments.rows),
        n,
        (metrics.log_loss(before, segments.labels), metrics.log_loss(after, segments.labels)),
        (
            metrics.calibration(before, segments.labels).ece,
            metrics.calibration(after, segments.labels).ece,
        ),
    )
    write_calibration(run, fitted)
    return fitted
