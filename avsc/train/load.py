"""A trained run opened for use: its recipe and its model.

Shape legend: m images, B bands, D features of the visual encoder, P of a pre-trained audio encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from avsc.data.eval_images import eval_image
from avsc.errors import AvscError
from avsc.models import view_maker, visual, visual_weights
from avsc.models.audio_tower import AudioTower, TowerFolder
from avsc.models.own_encoder import untrusted
from avsc.models.protocol import Samples
from avsc.models.scene_model import AudioVisualModel, build_model
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.train import checkpoint, manifest
from avsc.train.device import resolve_device
from avsc.train.manifest import Role, RunManifest

if TYPE_CHECKING:
    from avsc.predict.timeline import SceneTimeline

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, repr=False)
class Run:
    """A trained run opened for use, its model in evaluation mode.

    Attributes:
        path: Folder of the run.
        manifest: Manifest of its checkpoint: store, settings, recipe, encoder, versions.
        model: The model on ``device``.
        device: Device of the model.
        audio_model: Folder of the pre-trained audio encoder, if it was moved.
    """

    path: Path
    manifest: RunManifest
    model: AudioVisualModel
    device: torch.device
    audio_model: Path | str | None = None

    def __repr__(self) -> str:
        return (
            f"Run({str(self.path)!r}: {self.recipe.train.strategy}, {' and '.join(self.inputs)}, "
            f"{len(self.scenes)} scenes, epoch {self.manifest.epoch}, on {self.device})"
        )

    @classmethod
    def open(
        cls,
        run: Path | str,
        device: str = "auto",
        which: Role = "best",
        ve_weights: str | None = None,
        *,
        trust_code: bool = False,
        audio_model: Path | str | None = None,
    ) -> "Run":
        """Opens a run's checkpoint, every digest verified.

        Args:
            run: Folder of the run.
            device: Device of the model: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
            which: Name of the checkpoint: that of the best validation loss, or the last.
            ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
            trust_code: Whether the class that the run names as its own acoustic encoder may be
                imported, which runs its code.
            audio_model: Folder of the pre-trained audio encoder, if it is no longer where it was.

        Raises:
            AvscError: The folder is no run, the checkpoint is absent or damaged, the visual
                encoder's weights are not those it was trained with, or its code is not trusted.
        """
        folder = Path(run)
        if not (folder / "config.toml").is_file():
            raise AvscError(
                f"{folder} is no run: it has no config.toml",
                "a folder that `avsc train --out` made",
                "check the path",
            )
        place = folder / "checkpoints" / which
        saved = checkpoint.load(place, training=False)
        recorded = manifest.parse(saved.manifest, str(place))
        own = recorded.recipe.audio.own_class
        if own is not None and not trust_code:
            raise untrusted(own, folder)
        where = resolve_device(device)
        encoder = None if recorded.visual is None else _encoder(recorded, where, ve_weights)
        model = new_model(recorded, encoder)
        model.load_state_dict(saved.weights)
        return cls(folder, recorded, model.to(where).eval(), where, audio_model)

    def predict(self, recording: Path | str, audio: Path | str | None = None) -> "SceneTimeline":
        """The scene of each second of a recording; ``to_frame()`` of the result is a table.

        Args:
            recording: Path of a video; or of a sound file, for a run on sound alone.
            audio: Path of the sound, if it is not the video's own track.

        Raises:
            AvscError: The recording cannot be used.
        """
        from avsc.predict.predict import predict_one

        return predict_one(self, Path(recording), None if audio is None else Path(audio))

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe it was trained with."""
        return self.manifest.recipe

    @property
    def scenes(self) -> tuple[str, ...]:
        """The names of the columns of probabilities."""
        return self.manifest.scenes

    @property
    def visual_encoder(self) -> VisualEncoder | None:
        """The frozen visual encoder; None for a run on sound alone."""
        return self.model.visual_encoder

    @property
    def uses_audio(self) -> bool:
        """Whether it needs sound."""
        return self.model.sound_features > 0

    @property
    def uses_frames(self) -> bool:
        """Whether it needs audio frames: it has an acoustic encoder of its own."""
        return self.model.acoustic_encoder is not None

    @property
    def uses_images(self) -> bool:
        """Whether it needs images."""
        return self.visual_encoder is not None

    @property
    def inputs(self) -> list[str]:
        """What it takes, for a person: audio feature and encoders."""
        found: list[str] = [self.recipe.audio.feature] if self.uses_frames else []
        if self.manifest.audio_tower is not None and self.recipe.audio.model is not None:
            found.append(f"{self.manifest.audio_tower.model} {Path(self.recipe.audio.model).name}")
        return found + ([self.recipe.visual.model] if self.uses_images else [])

    def samples(
        self,
        audio: Floats | None,
        embedding: Floats | None,
        segment: NDArray[np.int64],
        count: int,
        present: NDArray[np.bool_] | None = None,
        *,
        tower: Floats | None = None,
    ) -> Samples:
        """The samples of ``count`` segments on the model's device, without what it does not use.

        Args:
            audio: Audio frames as the store has them, [m, 2, B], or None.
            embedding: Embedding of each segment's image, [count, D], or None.
            segment: Each sample's segment, [m].
            count: Number of segments.
            present: Whether each segment has its sound and its image, [count, 2]; None for both.
            tower: Pre-trained embedding of each segment's sound, [count, P], or None.
        """
        return Samples(
            self._on_device(audio if self.uses_frames else None),
            self._on_device(embedding if self.uses_images else None),
            torch.from_numpy(segment).to(self.device),
            count,
            None if present is None else torch.from_numpy(present).to(self.device),
            self._on_device(tower),
        )

    def audio_tower(self) -> AudioTower | None:
        """The pre-trained audio encoder, loaded; None for a run without one.

        Raises:
            AvscError: Its folder is not there or holds another encoder, or the package that loads
                it is not installed.
        """
        recorded = self.manifest.audio_tower
        if recorded is None:
            return None
        place = Path(self.audio_model or self.recipe.audio.model or "")
        if not place.is_dir():
            raise AvscError(
                f"there is no folder {place}, with the audio encoder that {self.path} was trained "
                "with",
                f"a folder with the {recorded.model} model of the digest {recorded.sha256[:12]}",
                "--audio-model FOLDER, where it lies now",
            )
        folder = TowerFolder.read(place)
        if folder.sha256 != recorded.sha256:
            raise AvscError(
                f"the audio encoder in {place} is not the one that {self.path} was trained with: "
                f"digest {folder.sha256[:12]}",
                f"the unchanged files of that model, {recorded.sha256[:12]}",
                "--audio-model FOLDER with the encoder it was trained with",
            )
        return _loaded(folder, self.device)

    def encode(self, images: Sequence[Pixels]) -> Floats:
        """Embeddings of images of any size, uint8 [H, W, 3] each: float32 [m, D]."""
        encoder = self.visual_encoder
        assert encoder is not None
        size = view_maker.batch_size(self.device)
        parts = [np.empty((0, encoder.features), np.float32)]
        for first in range(0, len(images), size):
            squares = np.stack(
                [eval_image(image, encoder.config) for image in images[first : first + size]]
            )
            batch = torch.from_numpy(squares).permute(0, 3, 1, 2)
            parts.append(view_maker.encode_padded(encoder, batch))
        return np.concatenate(parts)

    def _on_device(self, values: Floats | None) -> torch.Tensor | None:
        return None if values is None else torch.as_tensor(values, device=self.device)


@lru_cache(maxsize=1)
def _loaded(folder: TowerFolder, device: torch.device) -> AudioTower:
    """An audio encoder, kept for the next recording."""
    return AudioTower(folder, device)


def new_model(recorded: RunManifest, encoder: VisualEncoder | None) -> AudioVisualModel:
    """A model of a run's shape, its weights as they come."""
    recipe = recorded.recipe
    return build_model(
        recorded.bands,
        encoder,
        len(recorded.scenes),
        recipe.audio.concat,
        stand_ins=recipe.train.drops,
        own=recipe.audio.own_class,
        tower_features=0 if recorded.audio_tower is None else recorded.audio_tower.features,
        width=recipe.model.width,
    )


def _encoder(recorded: RunManifest, device: torch.device, weights: str | None) -> VisualEncoder:
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
