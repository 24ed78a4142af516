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
from avsc.evaluate import embeddings, environment, results
from avsc.evaluate.embeddings import Embeddings, write_embeddings
from avsc.evaluate.predictions import PREDICTIONS, align, read_predictions, write_predictions
from avsc.evaluate.segments import EACH, Segments, segments_of
from avsc.evaluate.summary import Summary, as_json, summarise
from avsc.folds import TEST, TRAIN, train_and_test
from avsc.report import context
from avsc.report.pages import report_page
from avsc.store.reader import Store

if TYPE_CHECKING:
    from avsc.evaluate.score import Protocol
    from avsc.train.load import Run

FOLD = "test"
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
) -> Result:
    """Scores a run on a fold and writes its evaluation.

    Args:
        run: Folder of the run.
        store: Path or address of the store; None for the one the run was trained on.
        fold: Name of the fold: ``test``, ``train`` or ``all``.
        protocol: Protocol, see ``avsc.evaluate.score.score``.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        out: Folder to write ``evaluation/`` into instead of the run.
        with_report: Whether to write ``report.html`` too.

    Raises:
        AvscError: The run or the store cannot be used, or they do not fit each other.
    """
    from avsc.evaluate import score
    from avsc.train.device import resolve_device
    from avsc.train.load import load_run

    run = Path(run)
    loaded = load_run(run, str(resolve_device(device)), ve_weights=ve_weights)
    opened = Store.open(store or loaded.manifest.store)
    score.require_fitting(loaded, opened)
    own = opened.sha256 == loaded.manifest.store_sha256
    left_out = loaded.recipe.train.fold if own else None
    segments = _segments(opened, fold, loaded.scenes, left_out)
    probabilities = score.score(loaded, opened, segments, protocol)
    elsewhere = opened if opened.sha256 != loaded.manifest.store_sha256 else None
    folder = evaluation_folder(Path(out or run), elsewhere, segments.fold, protocol)
    write_predictions(folder / PREDICTIONS, segments.names, probabilities, segments.scenes)
    if not segments.labelled:
        return Result(folder, segments, None)
    summary = summarise(probabilities, segments)
    about = _about(opened, segments, protocol) | {
        "run": str(run.resolve()),
        "weights_sha256": results.weights_sha256(run),
        "strategy": loaded.recipe.train.strategy,
        "epoch": loaded.manifest.epoch,
        "hardware": environment.hardware(loaded.device),
    }
    _write_metrics(folder, summary, about)
    sample = _sample(loaded, opened, segments, protocol)
    write_embeddings(folder, sample)
    if with_report:
        data = context.gather(
            run.resolve().name,
            opened,
            segments,
            probabilities,
            summary=summary,
            about=about,
            run=loaded,
            sample=sample,
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
    read = read_predictions(predictions, opened.scenes)
    segments = _segments(opened, fold, opened.scenes)
    if not segments.labelled:
        raise AvscError(
            f"the fold {segments.fold!r} of {store} has no labels",
            "a labelled fold to score against",
            "send such predictions to the challenge; `avsc evaluate` cannot score them",
        )
    probabilities = align(predictions, read, segments)
    if read.disagreeing():
        say(
            f"note: in {read.disagreeing()} rows of {predictions} scene_label is not the most "
            "probable scene; accuracy here is of the most probable"
        )
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
    run: Path, elsewhere: Store | None, fold: str, protocol: "Protocol | None"
) -> Path:
    """Where an evaluation is kept: ``evaluation`` for the official one, else a folder in it.

    Args:
        run: Folder of the run, or the one that takes its place.
        elsewhere: Store that was scored, if it is not the run's own.
        fold: Name of the fold.
        protocol: Protocol; None for another system's predictions.
    """
    base = run / results.EVALUATION
    if elsewhere is None and fold in (FOLD, EACH) and protocol in ("segment", None):
        return base
    words = [fold, protocol]
    if elsewhere is not None:
        words = [Path(elsewhere.place).name, elsewhere.sha256[:8], *words]
    return base / "-".join(word for word in words if word)


def _sample(run: "Run", store: Store, segments: Segments, protocol: "Protocol") -> Embeddings:
    from avsc.evaluate import score

    chosen = embeddings.choose(len(segments.names))
    return Embeddings(
        names=tuple(segments.names[number] for number in chosen),
        labels=segments.labels[chosen],
        joint=score.embed(run, store, segments, protocol, chosen),
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


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).resolve())


def _write_metrics(folder: Path, summary: Summary, about: dict[str, Any]) -> None:
    content = json.dumps(as_json(summary) | about, indent=2, allow_nan=False)
    files.write_text(folder / results.METRICS, content + "\n")
