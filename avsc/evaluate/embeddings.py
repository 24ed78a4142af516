"""Embeddings of a sample of segments, kept in ``embeddings.npz``, and their maps (figure 2).

Shape legend: m segments of the sample, E features of the joint embedding.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc import files
from avsc.errors import AvscError

EMBEDDINGS = "embeddings.npz"
MOST = 1000  # segments; a t-SNE of these takes seconds
FEWEST = 10
SEED = 0
COMPONENTS = 50  # t-SNE starts from this many principal components, as is usual
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Embeddings:
    """Joint embeddings e = AE(a) ++ VE(v) of some segments, as they were scored.

    Attributes:
        names: Names of the segments, m.
        labels: Scenes by number, [m].
        joint: Joint embeddings, float32 [m, E].
        acoustic_features: Number of the first columns that are AE(a): 0 for a system without
            sound, E for one without pictures.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    joint: NDArray[np.float32]
    acoustic_features: int

    def parts(self) -> dict[str, NDArray[np.float32]]:
        """Embeddings by title: the whole, and the acoustic part of a system with two inputs.

        A modality that the system was scored without has the same stand-in in all rows, which is
        no map: then the other one is there alone.
        """
        width = self.acoustic_features
        acoustic, visual = self.joint[:, :width], self.joint[:, width:]
        if width == 0 or _constant(acoustic):
            return {"Visual embeddings": visual}
        if width == self.joint.shape[1] or _constant(visual):
            return {"Acoustic embeddings": acoustic}
        return {"Audio-visual embeddings": self.joint, "Acoustic embeddings": acoustic}


def _constant(values: NDArray[np.float32]) -> bool:
    """Whether all of several rows are alike."""
    return len(values) > 1 and bool((values == values[0]).all())


def choose(segments: int, most: int = MOST) -> NDArray[np.int64]:
    """Numbers of the segments to embed, rising: all, or a fixed sample of more than ``most``."""
    if segments <= most:
        return np.arange(segments, dtype=np.int64)
    drawn = np.random.default_rng(SEED).choice(segments, most, replace=False)
    return np.sort(drawn).astype(np.int64)


def write_embeddings(folder: Path, found: Embeddings) -> None:
    """Writes ``embeddings.npz``, plain arrays without pickles."""
    with files.write_aside(folder / EMBEDDINGS) as file:
        np.savez(
            file,
            names=np.array(found.names, np.str_),
            labels=found.labels,
            joint=found.joint,
            acoustic_features=np.array(found.acoustic_features),
        )


def read_embeddings(folder: Path) -> Embeddings:
    """Reads ``embeddings.npz`` of an evaluation.

    Raises:
        AvscError: The file is absent or damaged.
    """
    path = folder / EMBEDDINGS
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return Embeddings(
                tuple(held["names"].tolist()),
                held["labels"],
                held["joint"],
                int(held["acoustic_features"]),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise AvscError(
            f"cannot read {path}: {error}",
            "the embeddings that `avsc evaluate` writes",
            f"evaluate the run again: avsc evaluate {folder.parent}",
        ) from None


def project(values: NDArray[np.float32], seed: int = SEED) -> NDArray[np.float64]:
    """The t-SNE of rows in the plane, [m, 2]; the same for the same values and seed."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows, columns = values.shape
    assert rows >= FEWEST
    components = min(COMPONENTS, rows, columns)
    perplexity = min(PERPLEXITY, (rows - 1) / 3)
    # OpenMP's threads wait actively for each other: where other processes use the cores too, two
    # threads take ten times as long as one, and for a thousand points more threads help little.
    with threadpool_limits(1):
        reduced = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(values)
        plane = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced)
    return np.asarray(plane, np.float64)
