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

from avsc import files
from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate import environment, results
from avsc.evaluate.embeddings import write_embeddings
from avsc.evaluate.labels import read_labels
from avsc.evaluate.predictions import PREDICTIONS, align, read_predictions, write_predictions
from avsc.evaluate.scored_fold import FOLD, fold_segments, segments_in
from avsc.evaluate.segments import EACH, Segments
from avsc.evaluate.summary import Summary, as_json, summarise
from avsc.evaluate.systems import name_column_notes
from avsc.report import context
from avsc.report.pages import report_page
from avsc.store.reader import Store

if TYPE_CHECKING:
    from avsc.evaluate.condition import Modality
    from avsc.evaluate.score import Protocol
    from avsc.evaluate.scored_run import ScoredRun

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
    from avsc.evaluate.condition import Condition
    from avsc.evaluate.scored_run import ScoredRun, usable_temperature
    from avsc.train.load import Run

    run = Path(run)
    loaded = Run.open(run, device, ve_weights=ve_weights, trust_code=trust_code)
    opened = Store.open(store or loaded.manifest.store)
    segments = fold_segments(loaded, opened, fold)
    temperature = usable_temperature(run, opened, segments, calibrated=calibrated)
    condition = Condition(without, offset_s)
    scored = ScoredRun(loaded, opened, segments, protocol, condition, temperature, calibrated)
    return _write(scored, Path(out or run), with_report)


def _write(scored: "ScoredRun", base: Path, with_report: bool) -> Result:
    """Scores a run and writes its evaluation into a folder."""
    store, segments = scored.store, scored.segments
    probabilities = scored.probabilities(calibrated=scored.calibrated)
    folder = evaluation_folder(
        base,
        store if store.sha256 != scored.run.manifest.store_sha256 else None,
        segments.fold,
        scored.protocol,
        calibrated=scored.calibrated,
        condition=scored.condition.words(),
    )
    write_predictions(folder / PREDICTIONS, segments.names, probabilities, segments.scenes)
    if not segments.labelled:
        return Result(folder, segments, None)
    summary = summarise(probabilities, segments)
    about = _about(store, segments, scored.protocol) | scored.about()
    _write_metrics(folder, summary, about)
    sample = scored.sample()
    write_embeddings(folder, sample)
    if with_report:
        data = context.gather(
            scored.run.path.resolve().name,
            store,
            segments,
            probabilities,
            summary=summary,
            about=about,
            run=scored.run,
            sample=sample,
            contrast=scored.contrast(),
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
    segments = segments_in(opened, fold, opened.scenes)
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


def _about(store: Store, segments: Segments, protocol: "Protocol | None") -> dict[str, Any]:
    return {
        "protocol": protocol,
        "fold": segments.fold,
        "quarantined_clips": segments.quarantined,
        "store": {"path": _absolute(store.place), "sha256": store.sha256},
        "versions": environment.versions(),
        "hardware": environment.hardware(),
    }


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).resolve())


def _write_metrics(folder: Path, summary: Summary, about: dict[str, Any]) -> None:
    content = json.dumps(as_json(summary) | about, indent=2, allow_nan=False)
    files.write_text(folder / results.METRICS, content + "\n")
