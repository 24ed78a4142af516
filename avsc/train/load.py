"""A trained run opened for use: its recipe, its scorer and its visual encoder.

Shape legend: n samples, m images, B bands, D features of the visual encoder, C scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avsc.data.eval_images import eval_image
from avsc.errors import AvscError
from avsc.models import embedding_cache, visual, visual_weights
from avsc.models.scene_model import Scorer
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.train import checkpoint, manifest
from avsc.train.device import resolve_device
from avsc.train.manifest import Role, RunFacts

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class LoadedRun:
    """A run's system in evaluation mode.

    Attributes:
        path: The run's folder.
        facts: What its checkpoint records: store, settings, recipe, encoder, versions.
        scorer: Acoustic encoder and scene classifier on ``device``.
        visual: The visual encoder on ``device``; None for a run on audio alone.
        device: Where both are.
    """

    path: Path
    facts: RunFacts
    scorer: Scorer
    visual: VisualEncoder | None
    device: torch.device

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe it was trained with."""
        return self.facts.recipe

    @property
    def scenes(self) -> tuple[str, ...]:
        """The names of the C columns."""
        return self.facts.scenes

    @property
    def store_identity(self) -> str:
        """The digest of the store it was trained on."""
        return self.facts.store_sha256

    @property
    def listens(self) -> bool:
        """Whether it needs audio frames."""
        return self.scorer.bands is not None

    @torch.inference_mode()
    def probabilities(self, audio: Floats | None, embedding: Floats | None) -> NDArray[np.float64]:
        """Scores samples: float64 [n, C], rows sum to one.

        Args:
            audio: Frames as the store has them, [n, 2, B]; not used by a run on video alone.
            embedding: Of the images, [n, D]; not used by a run on audio alone.
        """
        logits = self.scorer(
            self._on_device(audio if self.listens else None),
            self._on_device(embedding if self.visual is not None else None),
        )
        return np.asarray(torch.softmax(logits.double(), dim=1).cpu().numpy(), np.float64)

    @torch.inference_mode()
    def joint_embedding(self, audio: Floats | None, embedding: Floats | None) -> Floats:
        """AE(a) ++ VE(v), float32 [n, 1024 + D], of the same arguments (figure 2)."""
        joint = self.scorer.embed(
            self._on_device(audio if self.listens else None),
            self._on_device(embedding if self.visual is not None else None),
        )
        return np.asarray(joint.cpu().numpy(), np.float32)

    def embed(self, images: Sequence[Pixels]) -> Floats:
        """Embeddings of images of any size, uint8 [H, W, 3] each: float32 [m, D]."""
        assert self.visual is not None
        config = self.visual.config
        size = embedding_cache.batch_size(self.device)
        parts = [np.empty((0, self.visual.features), np.float32)]
        for first in range(0, len(images), size):
            squares = np.stack(
                [eval_image(image, config) for image in images[first : first + size]]
            )
            batch = torch.from_numpy(squares).permute(0, 3, 1, 2)
            parts.append(embedding_cache.encode_padded(self.visual, batch))
        return np.concatenate(parts)

    def _on_device(self, values: Floats | None) -> torch.Tensor | None:
        return None if values is None else torch.as_tensor(values, device=self.device)


def load_run(
    run: Path, device: str = "auto", which: Role = "best", ve_weights: str | None = None
) -> LoadedRun:
    """Opens a run's checkpoint, every digest verified.

    Args:
        run: Its folder.
        device: Where to put the models: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        which: The checkpoint of the best validation loss, or the last.
        ve_weights: Where the visual encoder's weights are now, if no longer where they were.

    Raises:
        AvscError: The folder is no run, the checkpoint is absent or damaged, or the visual
            encoder's weights are not those it was trained with.
    """
    if not (run / "config.toml").is_file():
        raise AvscError(
            f"{run} is no run: it has no config.toml", "a folder that `avsc train --out` made"
        )
    place = run / "checkpoints" / which
    saved = checkpoint.load(place, training=False)
    recorded = manifest.parse(saved.facts, str(place))
    where = resolve_device(device)
    encoder = None if recorded.visual is None else _encoder(recorded, where, ve_weights)
    scorer = new_scorer(recorded)
    scorer.load_state_dict(saved.weights)
    return LoadedRun(run, recorded, scorer.to(where).eval(), encoder, where)


def new_scorer(recorded: RunFacts) -> Scorer:
    """A scorer of a run's shape, its weights as they come."""
    features = None if recorded.visual is None else recorded.visual.features
    return Scorer(recorded.bands, features, recorded.recipe.audio.concat)


def _encoder(recorded: RunFacts, device: torch.device, weights: str | None) -> VisualEncoder:
    assert recorded.visual is not None
    recipe = recorded.recipe.visual
    if weights is not None:
        recipe = recipe.model_copy(update={"weights": weights})
    encoder = visual_weights.build(recipe)
    if encoder.sha256 != recorded.visual.sha256:
        raise AvscError(
            f"the weights of {recipe.model} from {recipe.weights} are not those the run was "
            f"trained with: SHA-256 {encoder.sha256[:12]}",
            f"weights with the digest {recorded.visual.sha256[:12]}",
            "--ve-weights PATH of the weights it was trained with",
        )
    # Compiling takes a minute, which only a training run earns back.
    how = replace(visual.execution(recorded.recipe.train, device), compile=False)
    return encoder.run_as(how)
