"""``avsc evaluate``: scores a run or another system's predictions and writes what was found.

An evaluation belongs to a run, a store, a fold and a protocol. ``RUN/evaluation/`` holds
``metrics.json``, ``predictions.csv``, ``embeddings.npz`` and ``report.html`` of the run's own
store, the test fold and the official protocol; any other has its own folder in it, such as
``RUN/evaluation/test-context/`` or ``RUN/evaluation/other.zarr-1a2b3c4d-test-segment/``. The
unlabelled evaluation edition gives ``predictions.csv`` and nothing else.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsc import files, metrics
from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate import embeddings, environment, results
from avsc.evaluate.embeddings import Embeddings, write_embeddings
from avsc.evaluate.labels import read_labels
from avsc.evaluate.predictions import PREDICTIONS, align, read_predictions, write_predictions
from avsc.evaluate.segments import EACH, Segments, segments_of
from avsc.evaluate.summary import Summary, as_json, summarise
from avsc.evaluate.systems import name_column_notes
from avsc.evaluate.temperature import (
    has_calibration,
    read_calibration,
    require_unseen,
    with_temperature,
)
from avsc.folds import TEST, TRAIN, train_and_test
from avsc.report import context
from avsc.report.context import Contrast
from avsc.report.pages import report_page
from avsc.store.reader import Store

if TYPE_CHECKING:
    from avsc.evaluate.condition import Condition, Modality
    from avsc.evaluate.score import Protocol
    from avsc.train.load import Run

FOLD, VALIDATION = "test", "validation"
REPORT = "report.html"


@dataclass(frozen=True, repr=False)
class Result:
    """What an evaluation found.

    Attributes:
        folder: Folder of the files; None if nothing was written.
        segments: Segments that were scored.
        summary: Scores; None for an unlabelled fold.
    """

    folder: Path | None
    segments: Segments
    summary: Summary | None

    def __repr__(self) -> str:
        of = f"{len(self.segments.names):,} segments of the fold {self.segments.fold!r}"
        if self.summary is None:
            return f"Result({of}, unlabelled)"
        found = self.summary.scores
        return f"Result({of}: log-loss {found.log_loss:.4f}, accuracy {100 * found.accuracy:.2f} %)"


def evaluate(
    run: Path | str,
    *,
    store: Path | str | None = None,
    fold: str = FOLD,
    protocol: "Protocol" = "segment",
    device: str = "auto",
    ve_weights: str | None = None,
    out: Path | str | None = None,
    with_report: bool = True,
    trust_code: bool = False,
    calibrated: bool = False,
    without: "Modality | None" = None,
    offset_s: int = 0,
) -> Result:
    """Scores a run on a fold and writes its evaluation.

    Args:
        run: Folder of the run.
        store: Path or address of the store; None for the one the run was trained on.
        fold: Name of the fold: ``test``, ``train``, ``all``, or ``validation``: the clips of the
            training fold that the run held out.
        protocol: Protocol, see ``avsc.evaluate.score.score``.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        out: Folder to write ``evaluation/`` into instead of the run.
        with_report: Whether to write ``report.html`` too.
        trust_code: Whether the class that the run names as its own acoustic encoder may be
            imported, which runs its code.
        calibrated: Whether to apply the temperature that ``avsc calibrate`` keeps in the run.
        without: Modality that every segment lacks: ``audio`` or ``image``.
        offset_s: Distance in seconds from each segment's sound to its picture.

    Raises:
        AvscError: The run or the store cannot be used, they do not fit each other, or the
            temperature was fitted on clips of the fold.
    """
    from avsc.evaluate import score
    from avsc.evaluate.condition import Condition
    from avsc.train.device import resolve_device
    from avsc.train.load import Run

    run = Path(run)
    loaded = Run.open(
        run, str(resolve_device(device)), ve_weights=ve_weights, trust_code=trust_code
    )
    opened = Store.open(store or loaded.manifest.store)
    segments = fold_segments(loaded, opened, fold)
    temperature = _temperature(run, opened, segments, calibrated)
    scaled = loaded if temperature is None else with_temperature(loaded, temperature)
    chosen, other = (scaled, loaded) if calibrated else (loaded, scaled)
    condition = Condition(without, offset_s)
    probabilities = score.score(chosen, opened, segments, protocol, condition)
    elsewhere = opened if opened.sha256 != loaded.manifest.store_sha256 else None
    folder = evaluation_folder(
        Path(out or run),
        elsewhere,
        segments.fold,
        protocol,
        calibrated=calibrated,
        condition=condition.words(),
    )
    write_predictions(folder / PREDICTIONS, segments.names, probabilities, segments.scenes)
    if not segments.labelled:
        return Result(folder, segments, None)
    summary = summarise(probabilities, segments)
    about = _about(opened, segments, protocol) | _about_run(loaded)
    about["temperature"] = temperature if calibrated else None
    about["condition"] = condition.words() or None
    _write_metrics(folder, summary, about)
    sample = _sample(loaded, opened, segments, protocol, condition)
    write_embeddings(folder, sample)
    if with_report:
        contrast = None
        if temperature is not None:
            shares = score.score(other, opened, segments, protocol, condition)
            reliability = metrics.calibration(shares, segments.labels)
            contrast = Contrast(temperature, reliability, calibrated=not calibrated)
        data = context.gather(
            run.resolve().name,
            opened,
            segments,
            probabilities,
            summary=summary,
            about=about,
            run=loaded,
            sample=sample,
            contrast=contrast,
        )
        files.write_text(folder / REPORT, report_page(data))
    return Result(folder, segments, summary)


def evaluate_file(
    predictions: Path,
    store: str,
    fold: str = FOLD,
    out: Path | None = None,
    with_report: bool = True,
) -> Result:
    """Scores another system's ``predictions.csv`` on a store's fold.

    Args:
        predictions: Path of the file.
        store: Path or address of the store that has the fold.
        fold: Name of the fold: ``test``, ``train`` or ``all``.
        out: Folder to write ``evaluation/`` into, so that ``avsc compare`` finds it; None to
            write nothing.
        with_report: Whether to write ``report.html`` too.

    Raises:
        AvscError: The file is not in the format, or not of the fold's segments.
    """
    opened = Store.open(store)
    segments = _segments(opened, fold, opened.scenes)
    if not segments.labelled:
        raise AvscError(
            f"the fold {segments.fold!r} of {store} has no labels",
            "a labelled fold to score against",
            "send such predictions to the challenge; `avsc evaluate` cannot score them",
        )
    labels = read_labels(store)
    read = read_predictions(predictions, segments.scenes, labels)
    probabilities = align(predictions, read, segments)
    true = [labels.clips[clip].scene for clip in read.clips]
    for note in (*read.notes, *name_column_notes(read, true)):
        say(f"note: {predictions}: {note}")
    summary = summarise(probabilities, segments)
    if out is None:
        return Result(None, segments, summary)
    folder = evaluation_folder(out, None, segments.fold, None)
    write_predictions(folder / PREDICTIONS, segments.names, probabilities, segments.scenes)
    about = _about(opened, segments, None) | {"predictions": str(predictions.resolve())}
    _write_metrics(folder, summary, about)
    if with_report:
        data = context.gather(
            predictions.name, opened, segments, probabilities, summary=summary, about=about
        )
        files.write_text(folder / REPORT, report_page(data))
    return Result(folder, segments, summary)


def fold_segments(run: "Run", store: Store, fold: str) -> Segments:
    """The segments of a fold that a run is scored on.

    Args:
        run: The run.
        store: Store to score on.
        fold: Name of a fold, or ``validation``: the clips that the run held out of the training
            fold of its own store.

    Raises:
        AvscError: The fold has no usable clip, the store does not fit the run, or it is not the
            run's own and its validation clips are asked for.
    """
    from avsc.data.split import training_fold
    from avsc.evaluate import score

    score.require_fitting(run, store)
    own = store.sha256 == run.manifest.store_sha256
    if fold != VALIDATION:
        return _segments(store, fold, run.scenes, run.recipe.train.fold if own else None)
    if not own:
        raise AvscError(
            f"{store.place} is not the store that {run.path} was trained on",
            "its own store: the validation clips are those it held out there",
            "leave --store out, or name the place the store was moved to",
        )
    held_out = set(training_fold(store, run.recipe.train).validation.rows.tolist())
    clips = [
        clip._replace(fold=VALIDATION) if row in held_out else clip
        for row, clip in enumerate(store.clips)
    ]
    seconds = store.settings.clip_seconds
    return segments_of(clips, store.status(), seconds, VALIDATION, run.scenes)


def evaluation_folder(
    run: Path,
    elsewhere: Store | None,
    fold: str,
    protocol: "Protocol | None",
    *,
    calibrated: bool = False,
    condition: str = "",
) -> Path:
    """Where an evaluation is kept: ``evaluation`` for the official one, else a folder in it.

    Args:
        run: Folder of the run, or the one that takes its place.
        elsewhere: Store that was scored, if it is not the run's own.
        fold: Name of the fold.
        protocol: Protocol; None for another system's predictions.
        calibrated: Whether the run's temperature was applied.
        condition: Name of what the run was not given, see ``avsc.evaluate.condition``.
    """
    base = run / results.EVALUATION
    own = elsewhere is None and not calibrated and not condition
    if own and fold in (FOLD, EACH) and protocol in ("segment", None):
        return base
    words = [fold, protocol, condition, "calibrated" if calibrated else None]
    if elsewhere is not None:
        words = [Path(elsewhere.place).name, elsewhere.sha256[:8], *words]
    return base / "-".join(word for word in words if word)


def _temperature(run: Path, store: Store, segments: Segments, calibrated: bool) -> float | None:
    """The run's temperature; None where it has none for these clips, and none is asked for."""
    if not calibrated and not has_calibration(run):
        return None
    clips = [store.clips[row].id for row in segments.rows]
    try:
        fitted = read_calibration(run)
        require_unseen(fitted, clips, run)
    except AvscError:
        if calibrated:
            raise
        return None
    return fitted.temperature


def _sample(
    run: "Run", store: Store, segments: Segments, protocol: "Protocol", condition: "Condition"
) -> Embeddings:
    from avsc.evaluate import score

    chosen = embeddings.choose(len(segments.names))
    return Embeddings(
        names=tuple(segments.names[number] for number in chosen),
        labels=segments.labels[chosen],
        joint=score.embed(run, store, segments, protocol, chosen, condition=condition),
        acoustic_features=score.acoustic_features(run),
    )


def _segments(
    store: Store, fold: str, scenes: tuple[str, ...], left_out: str | None = None
) -> Segments:
    """The segments of a fold; ``left_out`` is the fold of several that a run was not trained on."""
    seconds, clips = store.settings.clip_seconds, store.clips
    if left_out is not None and fold in (TRAIN, TEST):
        clips = train_and_test(clips, left_out)
    segments = segments_of(clips, store.status(), seconds, fold, scenes)
    if segments.quarantined:
        say(
            f"note: {segments.quarantined} clips of the fold {segments.fold!r} are quarantined and "
            f"not scored; `avsc info {store.place}` says why"
        )
    return segments


def _about(store: Store, segments: Segments, protocol: "Protocol | None") -> dict[str, Any]:
    return {
        "protocol": protocol,
        "fold": segments.fold,
        "quarantined_clips": segments.quarantined,
        "store": {"path": _absolute(store.place), "sha256": store.sha256},
        "versions": environment.versions(),
        "hardware": environment.hardware(),
    }


def _about_run(run: "Run") -> dict[str, Any]:
    return {
        "run": str(run.path.resolve()),
        "weights_sha256": results.weights_sha256(run.path),
        "strategy": run.recipe.train.strategy,
        "epoch": run.manifest.epoch,
        "hardware": environment.hardware(run.device),
    }


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).resolve())


def _write_metrics(folder: Path, summary: Summary, about: dict[str, Any]) -> None:
    content = json.dumps(as_json(summary) | about, indent=2, allow_nan=False)
    files.write_text(folder / results.METRICS, content + "\n")
