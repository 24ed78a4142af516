"""The paper's Figure 1: embeddings of sound and picture, joined and classified.

Shape legend: n samples (pairs of an audio frame and an image), m images, 2 channels (average,
difference), B bands, Z pixels of a side, D features of the visual encoder, P of a pre-trained audio
encoder, C scenes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from avsc.data.batch import Inputs
from avsc.models.acoustic import DROPOUT, AcousticEncoder, Concat, StandardisedEncoder, scaled
from avsc.models.own_encoder import build_own
from avsc.models.visual import VisualEncoder

CLASSIFIER_HIDDEN = 1024  # at the paper's width
MODALITIES = ("audio", "image")  # columns of a sample's ``present``


class SceneClassifier(nn.Sequential):
    """SC: a perceptron of one hidden layer, [n, features] -> logits [n, C]."""

    def __init__(self, features: int, scenes: int, width: float = 1.0) -> None:
        hidden = scaled(CLASSIFIER_HIDDEN, width)
        super().__init__(
            nn.Linear(features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(hidden, scenes),
        )


class AudioVisualModel(nn.Module):
    """Acoustic encoder AE, frozen visual encoder VE and scene classifier SC.

    Args:
        acoustic_encoder: Acoustic encoder AE; None for a model of pictures alone.
        visual_encoder: Frozen visual encoder VE; None for a model of sound alone.
        classifier: Scene classifier SC, of as many features as the encoders give together.
        stand_ins: Whether there are learnt embeddings that stand for missing sounds and images.
        tower_features: Number P of features of a pre-trained audio encoder, whose embeddings come
            computed; 0 for none.
    """

    def __init__(
        self,
        acoustic_encoder: StandardisedEncoder | None,
        visual_encoder: VisualEncoder | None,
        classifier: SceneClassifier,
        stand_ins: bool = False,
        tower_features: int = 0,
    ) -> None:
        super().__init__()
        self.acoustic_encoder = acoustic_encoder
        # In a tuple, so that the frozen encoder is no submodule: parameters(), the optimiser,
        # DistributedDataParallel and state_dict() have only what is trained.
        self._frozen = (visual_encoder,)
        self.classifier = classifier
        self.tower_features = tower_features
        self.stand_ins: nn.ParameterDict | None = None
        if stand_ins and self.sound_features and visual_encoder is not None:
            widths = {"audio": self.sound_features, "image": visual_encoder.features}
            self.stand_ins = nn.ParameterDict(
                {name: nn.Parameter(0.02 * torch.randn(width)) for name, width in widths.items()}
            )

    @property
    def visual_encoder(self) -> VisualEncoder | None:
        """VE, or None."""
        return self._frozen[0]

    @property
    def sound_features(self) -> int:
        """Number of the first features of e that are of sound: AE's and the pre-trained ones."""
        trained = 0 if self.acoustic_encoder is None else self.acoustic_encoder.features
        return trained + self.tower_features

    def embed(self, inputs: Inputs) -> Tensor:
        """Equation (1): e = AE(a) ++ VE(v), float32 [n, 1024 + D].

        A pre-trained encoder's embedding of the sound stands behind AE(a), or in its place. With
        stand-ins, a missing sound or image is replaced by the learnt embedding.
        """
        parts = []
        if self.sound_features:
            parts.append(self._or_stand_in("audio", self._sound(inputs), inputs.present))
        if self.visual_encoder is not None:
            parts.append(self._or_stand_in("image", self._image(inputs), inputs.present))
        return torch.cat(parts, dim=1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Equation (2): the scenes' logits SC(e), float32 [n, C]."""
        logits: Tensor = self.classifier(self.embed(inputs))
        return logits

    def _sound(self, inputs: Inputs) -> Tensor:
        """AE(a) and the pre-trained encoder's embedding, those that there are."""
        parts = []
        if self.acoustic_encoder is not None:
            parts.append(self.acoustic_encoder(inputs.audio))
        if inputs.tower is not None:
            parts.append(inputs.mixed(inputs.tower))
        return torch.cat(parts, dim=1)

    def _image(self, inputs: Inputs) -> Tensor:
        """VE(v), encoded here or beforehand."""
        embedding = inputs.embedding
        if embedding is None:
            assert self.visual_encoder is not None
            embedding = self.visual_encoder(inputs.images)
            if inputs.image_index is not None:
                embedding = embedding[inputs.image_index]
        return inputs.mixed(embedding)

    def _or_stand_in(self, name: str, values: Tensor, present: Tensor | None) -> Tensor:
        if self.stand_ins is None or present is None:
            return values
        has = present[:, MODALITIES.index(name), None]
        return torch.where(has, values, self.stand_ins[name])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "AudioVisualModel":
        """Moves the frozen encoder to a device along with what is trained."""
        if self.visual_encoder is not None:
            self.visual_encoder._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def build_model(
    bands: int | None,
    visual_encoder: VisualEncoder | None,
    scenes: int,
    concat: Concat = "all",
    stand_ins: bool = False,
    *,
    own: str | None = None,
    tower_features: int = 0,
    width: float = 1.0,
) -> AudioVisualModel:
    """A new model around a visual encoder; of the paper's sizes at the width 1.

    Args:
        bands: Number of bands of an audio frame; None for a model without AE.
        visual_encoder: Frozen visual encoder VE; None for a model of sound alone.
        scenes: Number of scenes, C.
        concat: Input of AE's linear layers, see ``AcousticEncoder``.
        own: Class of another acoustic encoder, ``package.module:Class``, whose code is run; None
            for the paper's.
        stand_ins: See ``AudioVisualModel``.
        tower_features: See ``AudioVisualModel``.
        width: Factor of the widths of hidden layers; another acoustic encoder has its own.
    """
    acoustic: StandardisedEncoder | None = None
    if bands is not None:
        acoustic = build_own(own, bands) if own else AcousticEncoder(bands, concat, width)
    features = tower_features + (0 if acoustic is None else acoustic.features)
    features += 0 if visual_encoder is None else visual_encoder.features
    classifier = SceneClassifier(features, scenes, width)
    return AudioVisualModel(acoustic, visual_encoder, classifier, stand_ins, tower_features)


_OLD_PREFIXES = {
    "audio_mean": "acoustic_encoder.mean",
    "audio_deviation": "acoustic_encoder.std",
    "acoustic.": "acoustic_encoder.",
}


def renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of a checkpoint of version 1 under today's names.

    >>> list(renamed({"audio_mean": 0, "acoustic.head.0.bias": 0, "classifier.0.bias": 0}))
    ['acoustic_encoder.mean', 'acoustic_encoder.head.0.bias', 'classifier.0.bias']
    """
    found = {}
    for name, value in state.items():
        prefix = next((old for old in _OLD_PREFIXES if name.startswith(old)), "")
        found[_OLD_PREFIXES.get(prefix, "") + name.removeprefix(prefix)] = value
    return found
