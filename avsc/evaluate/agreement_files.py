"""What ``avsc agree`` found, and the files that hold it.

``agreement.csv`` has a row for each segment, ``metrics.json`` the scores. The folder of several
seeds has the means in its ``metrics.json``, in the same form, and each seed's scores in ``seeds``.

Shape legend: n segments.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avsc import files
from avsc.evaluate.agreement import Detection
from avsc.evaluate.results import METRICS
from avsc.evaluate.seeds import std
from avsc.evaluate.segments import Segments
from avsc.evaluate.summary import known
from avsc.evaluate.swaps import Swaps

TABLE = "agreement.csv"
WORDS = ("matching", "swapped")
Unit = Literal["segments", "clips"]
UNITS: tuple[Unit, Unit] = ("segments", "clips")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreed:
    """What was found.

    Attributes:
        folder: Folder of the files.
        title: Name of the run, or of the two.
        seed: Name of the seed's folder, such as seed-0; empty for a run alone and for the mean.
        fold: Name of the fold.
        source: How the sounds were swapped.
        n_classes: Number of scenes, or of the classes that the list has for them.
        segments: Detection of swapped seconds; of several seeds the mean.
        clips: Detection of swapped clips, by the means of their seconds.
        scores: Agreement of each segment, [n]; of several seeds one after the other.
        swapped: Whether each segment is swapped, [n].
        about: Runs, store and versions, for ``metrics.json``.
        seeds: What each of several seeds found; none for a run alone.
    """

    folder: Path
    title: str
    seed: str
    fold: str
    source: str
    n_classes: int
    segments: Detection
    clips: Detection
    scores: Floats
    swapped: NDArray[np.bool_]
    about: dict[str, Any]
    seeds: tuple["Agreed", ...] = ()

    def spread(self, unit: Unit, score: str) -> tuple[list[float], float]:
        """A score of each seed by its name in ``Detection``, and their standard deviation."""
        values = [float(getattr(getattr(one, unit), score)) for one in self.seeds]
        return values, std(values)


def write(found: Agreed, segments: Segments, swaps: Swaps) -> None:
    """Writes the table and the scores of one run, or of two.

    Args:
        found: What was found.
        segments: Segments of the fold.
        swaps: Whose sound each clip has.
    """
    lines = ["\t".join(["filename", "sound", "agreement", "decision", "truth"])]
    said = found.segments.below(found.scores)
    rows = zip(segments.names, swaps.sounds(), found.scores, said, found.swapped, strict=True)
    for name, sound, agreement, decision, truth in rows:
        cells = (repr(float(agreement)), WORDS[int(decision)], WORDS[int(truth)])
        lines.append("\t".join([name, segments.names[sound], *cells]))
    files.write_text(found.folder / TABLE, "\n".join(lines) + "\n")
    _write_metrics(found, {})


def write_mean(found: Agreed) -> None:
    """Writes the mean scores of several seeds, and each seed's."""
    _write_metrics(found, {"seeds": _of_seeds(found)})


def _of_seeds(found: Agreed) -> dict[str, Any]:
    content: dict[str, Any] = {
        "n": len(found.seeds),
        "runs": [one.seed for one in found.seeds],
    }
    for unit in UNITS:
        scores = {name: found.spread(unit, name) for name in ("f1", "average_precision")}
        content[unit] = {name: values for name, (values, _) in scores.items()}
        content[unit] |= {
            f"{name}_std": known(deviation) for name, (_, deviation) in scores.items()
        }
        content[unit]["threshold"] = found.spread(unit, "threshold")[0]
    return content


def _write_metrics(found: Agreed, more: dict[str, Any]) -> None:
    content = {
        "segments": _as_json(found.segments),
        "clips": _as_json(found.clips),
        "fold": found.fold,
        "swaps": found.source,
        "classes": found.n_classes,
    }
    text = json.dumps(content | more | found.about, indent=2, allow_nan=False)
    files.write_text(found.folder / METRICS, text + "\n")


def _as_json(found: Detection) -> dict[str, Any]:
    bounds = found.f1_interval
    interval = [bounds.low, bounds.high] if bounds.known else None
    return asdict(found) | {"f1_interval": interval}
