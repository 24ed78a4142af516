"""A run's model as it is exported: audio frame and image in, probabilities of the scenes out.

Shape legend: n samples, 2 channels (average, difference), B bands, Z pixels of a side, P features
of a pre-trained audio encoder, C scenes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avsc.data.batch import Inputs
from avsc.models.scene_model import AudioVisualModel
from avsc.models.visual import Execution, ImageConfig

AUDIO, AUDIO_EMBEDDING, IMAGE = "audio", "audio_embedding", "image"
PROBABILITIES = "probabilities"


class System(nn.Module):
    """A model and softmax; float32, in evaluation mode.

    Args:
        model: Model of the run.
    """

    def __init__(self, model: AudioVisualModel) -> None:
        super().__init__()
        self.model = model
        encoder = model.visual_encoder
        # A submodule here, for an export holds the frozen encoder too.
        self.visual_encoder = encoder and encoder.run_as(Execution(torch.device("cpu")))
        self.requires_grad_(False).eval()

    def forward(
        self,
        audio: Tensor | None = None,
        image: Tensor | None = None,
        audio_embedding: Tensor | None = None,
    ) -> Tensor:
        """Scores samples: float32 [n, C], rows sum to one.

        Args:
            audio: Frames as a store has them, float32 [n, 2, B]; not for a run on pictures alone.
            image: Images, uint8 RGB [n, Z, Z, 3], scaled and cropped; not for a run on sound alone.
            audio_embedding: Embeddings of the sound, float32 [n, P], by the run's pre-trained audio
                encoder, which is not part of the system; for a run with such an encoder.
        """
        embedding = None if self.visual_encoder is None else self.visual_encoder(image)
        logits = self.model(Inputs(audio, embedding=embedding, tower=audio_embedding))
        return torch.softmax(logits, dim=1)

    def shapes(self) -> "Shapes":
        """What it takes."""
        acoustic = self.model.acoustic_encoder
        image = None if self.visual_encoder is None else self.visual_encoder.config
        bands = None if acoustic is None else acoustic.bands
        return Shapes(bands, image, self.model.tower_features)


@dataclass(frozen=True)
class Shapes:
    """What a system takes: B, what becomes of an image, P; None or 0 for what it does not take."""

    bands: int | None
    image: ImageConfig | None
    tower_features: int = 0

    def examples(self, count: int, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs of ``count`` samples, by name."""
        draw = torch.Generator().manual_seed(seed)
        inputs = {}
        if self.bands is not None:
            # Of the size of real features, logarithms of magnitudes.
            inputs[AUDIO] = 2 * torch.randn(count, 2, self.bands, generator=draw) - 4
        if self.tower_features:
            inputs[AUDIO_EMBEDDING] = torch.randn(count, self.tower_features, generator=draw)
        if self.image is not None:
            size = (count, self.image.size, self.image.size, 3)
            inputs[IMAGE] = torch.randint(0, 256, size, dtype=torch.uint8, generator=draw)
        return inputs
