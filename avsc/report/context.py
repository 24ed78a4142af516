"""Gathers what the report shows besides scores: log, pictures, sound, maps, circumstances."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsc import metrics, paper, recipe
from avsc.dataset import manifests
from avsc.evaluate import embeddings
from avsc.evaluate.embeddings import Embeddings
from avsc.evaluate.segments import Segments
from avsc.evaluate.summary import Summary
from avsc.metrics import Probabilities
from avsc.report.report_data import Learning, Projection, ReportData, WorstSegment
from avsc.store.read import Store
from avsc.store.schema import Feature
from avsc.train.log import read_log

if TYPE_CHECKING:
    from avsc.train.load import LoadedRun

WORST = 10
HEARD = {
    "segment": "each heard alone",
    "context": "each heard with the frames of its clip that are centred in it",
    None: "scored by another system",
}


def gather(
    title: str,
    store: Store,
    segments: Segments,
    probabilities: Probabilities,
    *,
    summary: Summary,
    about: dict[str, Any],
    run: "LoadedRun | None" = None,
    sample: Embeddings | None = None,
) -> ReportData:
    """All that the report shows.

    Args:
        title: The page's.
        store: Where pictures and sound of the worst segments are.
        segments: The fold.
        probabilities: [n, 10].
        summary: Their scores.
        about: What ``metrics.json`` says besides the scores.
        run: The system; None for another's predictions.
        sample: Embeddings to map.
    """
    feature: Feature = store.settings.features[0]
    if run is not None and run.uses_audio:
        feature = run.recipe.audio.feature
    return ReportData(
        title=title,
        lead=_lead(segments, summary, about["protocol"], run),
        summary=summary,
        feature=feature,
        paper=None if run is None else paper.row_of(run.recipe),
        official=manifests.is_official(
            segments.fold, (store.clips[row].id for row in segments.rows)
        ),
        learning=None if run is None else _learning(run),
        worst=worst(store, segments, probabilities, feature),
        projections=() if sample is None else _projections(sample),
        recipe="" if run is None else recipe.to_toml(run.recipe),
        facts=_facts(segments, about, run),
        environment=_environment(about),
    )


def worst(
    store: Store, segments: Segments, probabilities: Probabilities, feature: Feature
) -> tuple[WorstSegment, ...]:
    """The segments of the highest loss, one of a clip at most."""
    losses = metrics.segment_losses(probabilities, segments.labels)
    order = np.argsort(-losses, kind="stable")
    _, first = np.unique(order // segments.seconds, return_index=True)
    found = []
    for number in order[np.sort(first)[:WORST]]:
        clip, second = divmod(int(number), segments.seconds)
        row = int(segments.rows[clip])
        found.append(
            WorstSegment(
                name=segments.names[number],
                clip_seconds=segments.seconds,
                second=second,
                scene=int(segments.labels[number]),
                probabilities=probabilities[number],
                loss=float(losses[number]),
                jpeg=bytes(store.jpeg(row, second)),
                sound=picture_of(store.audio(feature, [row])[0, :, 0], feature),
            )
        )
    return tuple(found)


def picture_of(frames: NDArray[np.float32], feature: Feature) -> bytes:
    """A PNG of frames [F, B]: time to the right, high frequencies above."""
    from matplotlib.image import imsave

    # The Morlet bank's first filter is its highest, the mel bank's its lowest.
    bands = frames.T if feature == "scalogram" else frames.T[::-1]
    low, high = np.percentile(bands, [1, 99])
    file = io.BytesIO()
    imsave(file, bands, vmin=low, vmax=max(high, low + 1e-6), cmap="magma", format="png")
    return file.getvalue()


def _lead(
    segments: Segments, summary: Summary, protocol: str | None, run: "LoadedRun | None"
) -> str:
    scored = (
        f"{len(segments.names):,} one-second segments of the {segments.fold} fold "
        f"({summary.n_clips:,} clips of {summary.n_locations:,} locations), {HEARD[protocol]}."
    )
    return scored if run is None else f"{_system(run)}: {scored}"


def _system(run: "LoadedRun") -> str:
    inputs: list[str] = [run.recipe.audio.feature] if run.uses_audio else []
    inputs += [run.recipe.visual.model] if run.uses_images else []
    return f"Strategy {run.recipe.train.strategy} with {' and '.join(inputs)}"


def _learning(run: "LoadedRun") -> Learning | None:
    rows = read_log(run.path)
    if not rows:
        return None
    return Learning(
        train_loss=tuple(row["train_loss"] for row in rows),
        validation_loss=tuple(row["val_loss"] for row in rows),
        validation_accuracy=tuple(row["val_accuracy"] for row in rows),
        best=run.manifest.best_epoch,
    )


def _projections(sample: Embeddings) -> tuple[Projection, ...]:
    if len(sample.labels) < embeddings.FEWEST:
        return ()
    return tuple(
        Projection(title, embeddings.project(values), sample.labels)
        for title, values in sample.parts().items()
    )


def _facts(
    segments: Segments, about: dict[str, Any], run: "LoadedRun | None"
) -> tuple[tuple[str, str], ...]:
    facts = [
        ("fold", segments.fold),
        ("protocol", about["protocol"] or "another system’s"),
        ("left out", f"{segments.quarantined} quarantined clips"),
        ("store", f"{about['store']['path']}, {about['store']['sha256'][:12]}"),
    ]
    if run is None:
        return (("predictions", about["predictions"]), *facts)
    of_run = [("run", about["run"]), ("strategy", run.recipe.train.strategy)]
    if run.manifest.visual is not None:
        visual = run.manifest.visual
        of_run.append(("visual encoder", f"{visual.model}, weights {visual.sha256[:12]}"))
    if run.manifest.best_epoch is not None and run.manifest.best_loss is not None:
        of_run.append(
            (
                "best epoch",
                f"{run.manifest.best_epoch}, validation loss {run.manifest.best_loss:.4f}",
            )
        )
    return (*of_run, *facts)


def _environment(about: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    versions = tuple((name, str(value)) for name, value in about["versions"].items())
    return (*versions, *((name, str(value)) for name, value in about["hardware"].items()))
