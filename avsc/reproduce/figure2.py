"""Figure 2: t-SNE maps of the test fold's embeddings, pipeline beside joint.

Shape legend: m segments, E features of an embedding.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsc import files
from avsc.errors import AvscError
from avsc.evaluate import embeddings
from avsc.evaluate.embeddings import Embeddings
from avsc.report.formatting import short
from avsc.store.layout import StoredClip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEIGHBOURS = 10
MOST_NAMED = 40  # scenes in the legend: those with the most points
NAMES_DOWN = 20  # of a column of the legend
# Ten colours that differ in lightness as well as in hue, so that neighbours in the maps can be
# told apart; each scene also has a mark of its own, for readers who see fewer colours.
COLOURS = (
    "#0072b2",  # airport
    "#e69f00",  # bus
    "#000000",  # metro
    "#8c8c8c",  # metro_station
    "#009e73",  # park
    "#7fc97f",  # public_square
    "#cc79a7",  # shopping_mall
    "#d55e00",  # street_pedestrian
    "#7b3294",  # street_traffic
    "#56b4e9",  # tram
)
MARKS = "os^Dv<P>Xp"


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: Title above the map.
        plane: Points of the segments, float64 [m, 2].
        labels: Numbers of their scenes, [m].
        scenes: Names of the scenes.
        agreement: Share of neighbours of the same scene, see ``neighbour_agreement``.
    """

    title: str
    plane: NDArray[np.float64]
    labels: Ints
    scenes: tuple[str, ...]
    agreement: float


def panels(
    found: Embeddings, system: str, clips: Sequence[StoredClip], scenes: tuple[str, ...]
) -> list[Panel]:
    """The maps of a system: audio-visual and acoustic embeddings.

    Args:
        found: Embeddings of the system.
        system: Name of the system, for the titles.
        clips: Clips that the segments are of, others among them.
        scenes: Names of the scenes.

    Raises:
        AvscError: There are too few segments for a map.
    """
    if len(found.labels) < embeddings.FEWEST:
        raise AvscError(
            f"{len(found.labels)} segments of the test fold",
            f"at least {embeddings.FEWEST} for a t-SNE",
            "use a store with a larger test fold",
        )
    places = locations(found.names, clips)
    return [
        Panel(
            f"{title}, {system}",
            embeddings.project(values),
            found.labels,
            scenes,
            neighbour_agreement(values, found.labels, places),
        )
        for title, values in found.parts().items()
    ]


def locations(names: Sequence[str], clips: Sequence[StoredClip]) -> Ints:
    """A number for each segment's recording location, [m]; names are ``<clip id>_<second>``."""
    place = {clip.id: f"{clip.city}-{clip.location}" for clip in clips}
    keys = [place[name.rpartition("_")[0]] for name in names]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def neighbour_agreement(
    values: Floats, labels: Ints, places: Ints, neighbours: int = NEIGHBOURS
) -> float:
    """How often a segment's nearest neighbours from other locations are of its own scene.

    The share of all these neighbours, from 0 to 1; measured among the embeddings, not in the map.
    Segments of one location belong to one recording and would agree in any case.

    Args:
        values: Embeddings, [m, E].
        labels: Numbers of the scenes, [m].
        places: Numbers of the locations, [m].
        neighbours: Number of neighbours of each segment.
    """
    wide = values.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * wide @ wide.T  # [m, m]
    distance[places[:, None] == places] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    counted = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
    agrees = labels[nearest] == labels[:, None]
    return float(agrees[counted].mean()) if counted.any() else float("nan")


def write(paths: Sequence[Path], rows: Sequence[Sequence[Panel]], title: str, foot: str) -> None:
    """Draws the maps into files.

    Args:
        paths: Files to write, such as ``fig2.png`` and ``fig2.svg``.
        rows: Rows of panels from the top; all have the same length.
        title: Text above the figure.
        foot: Text below the figure.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across, down = len(rows[0]), len(rows)
    figure = Figure(figsize=(4.6 * across + 1.9, 4.6 * down + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False)
    for panel, place in zip((panel for row in rows for panel in row), axes.flat, strict=True):
        _draw(place, panel)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles,
        [short(name.replace("_", " ")) for name in names],
        ncols=-(-len(names) // NAMES_DOWN),
        loc="outside right upper",
        frameon=False,
        markerscale=1.8,
        fontsize=10,
    )
    figure.suptitle(title, fontsize=13, x=0.01, ha="left")
    figure.supxlabel(foot, fontsize=8.5, color="#444444", x=0.01, ha="left")
    for path in paths:
        kind, file = path.suffix.removeprefix("."), io.BytesIO()
        # No date and no random names in the SVG, so that the same maps give the same file.
        with rc_context({"svg.hashsalt": "avsc"}):
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(file, format=kind, dpi=200, metadata=metadata)
        files.write_bytes(path, file.getvalue())


def _draw(axes: "Axes", panel: Panel) -> None:
    size = float(np.clip(9000 / max(len(panel.labels), 1), 9, 45))
    counts = np.bincount(panel.labels, minlength=len(panel.scenes))
    named = np.argsort(-counts, kind="stable")[:MOST_NAMED]
    others = panel.plane[~np.isin(panel.labels, named)]
    axes.scatter(others[:, 0], others[:, 1], s=size / 3, c="#bbbbbb", linewidths=0)
    for number in np.sort(named):
        mine = panel.plane[panel.labels == number]
        turn = number + number // len(COLOURS)  # another mark where the colours come again
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=size,
            c=COLOURS[number % len(COLOURS)],
            marker=MARKS[turn % len(MARKS)],
            linewidths=0.3,
            edgecolors="white",
            label=panel.scenes[number],
        )
    axes.set_title(panel.title, fontsize=11, loc="left")
    agreement = f"neighbours of the same scene: {100 * panel.agreement:.1f} %"
    axes.set_xlabel(agreement, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.04)
    axes.set_box_aspect(1)
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
