"""Views of a store's images, encoded once and kept in a bank beside the store.

A *view* is an image as the encoder sees it: the plain one, as validation and tests take it, or one
of K augmented ones of ``train.views``. The plain view is float32, a bank of augmented ones float16.
The array is keyed by the store, the encoder's weights and all that makes a view of an image, so
runs with other seeds, features and strategies share it. View v of an image is a function of
(``augment.seed``, v, image), so a bank grows along its first axis, and it does not matter who
computes what. Shape legend: m views to encode, D features.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from avsc.console import ProgressLine
from avsc.data.image_source import StoredImages
from avsc.errors import AvscError
from avsc.models.bank import Bank, Floats, Ints, home
from avsc.models.bank_version import VERSION
from avsc.models.view_maker import ViewMaker
from avsc.models.visual import VisualEncoder
from avsc.recipe_augment import AugmentRecipe
from avsc.store.reader import Store


class ViewBank(Bank):
    """The encoded views of one store's images by one encoder.

    Args:
        store: Store whose images are encoded.
        encoder: Visual encoder on its device.
        elsewhere: Folder to keep the array in where the store's neighbourhood cannot be
            written or is not a local folder.
        augmentation: Augmentation of the views; None for the plain view.
        views: Number of views; an array with fewer grows.

    Raises:
        AvscError: There is an array in the place that was made of something else, or it cannot
            be written.
    """

    def __init__(
        self,
        store: Store,
        encoder: VisualEncoder,
        elsewhere: Path,
        augmentation: AugmentRecipe | None = None,
        views: int = 1,
    ) -> None:
        self._encoder = encoder
        self._maker = ViewMaker(encoder, augmentation)
        key = bank_key(store, encoder, augmentation)
        dtype = np.float32 if augmentation is None else np.float16
        super().__init__(
            store, home(store, elsewhere), key, dtype=dtype, features=encoder.features, views=views
        )

    def compute(self, rows: Ints, threads: int, rank: int = 0, world: int = 1) -> None:
        """Computes and stores what is missing of some clips.

        Processes that do so at the same time share the work. Each returns when all is there.

        Args:
            rows: Rows of the clips.
            threads: Number of decoding threads.
            rank: Number of this process, which begins with another partition than others.
            world: Number of processes.

        Raises:
            AvscError: A picture is damaged, or an embedding is not finite.
        """

        def encode(todo: Ints, line: ProgressLine) -> Floats:
            values = self._encoded(todo, threads)
            line.advance(len(todo))
            return values

        title = "visual embeddings" if self.views == 1 else f"bank of {self.views} views"
        self.fill(rows, encode, title=title, unit="images", rank=rank, world=world)

    def _encoded(self, todo: Ints, threads: int) -> Floats:
        """Embeddings of view, row and second, [m, 3] -> [m, D]."""
        chosen, clip = np.unique(todo[:, 1], return_inverse=True)
        where = np.stack([clip.reshape(-1), todo[:, 2]], axis=1)
        image = todo[:, 1] * self.store.settings.clip_seconds + todo[:, 2]
        source = StoredImages(self.store, chosen)
        values: Floats = self._maker.encode(source, where, todo[:, 0], image, threads)
        with np.errstate(over="ignore"):
            values = values.astype(self.dtype)
        _require_finite(values, self._encoder)
        return values


def bank_key(
    store: Store, encoder: VisualEncoder, augmentation: AugmentRecipe | None
) -> dict[str, object]:
    """Everything that a view depends on but its number, as plain values."""
    return {
        "version": VERSION,
        "store": store.sha256,
        "model": encoder.name,
        "weights": encoder.sha256,
        "image": json.loads(json.dumps(asdict(encoder.config))),
        "bf16": encoder.is_bf16,
        "augment": None if augmentation is None else augmentation.model_dump(mode="json"),
    }


def _require_finite(values: Floats, encoder: VisualEncoder) -> None:
    if not np.isfinite(values).all():
        raise AvscError(
            f"{encoder.name} gives embeddings that are not finite as {values.dtype} numbers",
            "finite numbers",
            "check its weights, or --set train.precision=float32"
            + (", or leave train.views out" if values.dtype == np.float16 else ""),
        )
