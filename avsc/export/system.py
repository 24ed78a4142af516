"""The whole scorer as one module: audio frame and image in, probabilities of the scenes out.

Shape legend: n samples, 2 channels (average, difference), B bands, Z pixels of a side, C scenes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avsc.models.scene_model import Scorer
from avsc.models.visual import Execution, ImageConfig, VisualEncoder

AUDIO, IMAGE, PROBABILITIES = "audio", "image", "probabilities"


class System(nn.Module):
    """Standardisation, both encoders, classifier and softmax; float32, in evaluation mode.

    Args:
        scorer: The run's.
        visual: Its visual encoder; None for a run that does not look.
    """

    def __init__(self, scorer: Scorer, visual: VisualEncoder | None) -> None:
        super().__init__()
        self.scorer = scorer
        self.visual = None if visual is None else visual.run_as(Execution(torch.device("cpu")))
        self.requires_grad_(False).eval()

    def forward(self, audio: Tensor | None = None, image: Tensor | None = None) -> Tensor:
        """Scores samples: float32 [n, C], rows sum to one.

        Args:
            audio: Frames as a store has them, float32 [n, 2, B]; not for a run on pictures alone.
            image: uint8 RGB [n, Z, Z, 3], scaled and cropped; not for a run on sound alone.
        """
        embedding = None if self.visual is None else self.visual(image)
        return torch.softmax(self.scorer(audio, embedding), dim=1)

    def shapes(self) -> "Shapes":
        """What it takes."""
        image = None if self.visual is None else self.visual.config
        return Shapes(self.scorer.bands, image)


@dataclass(frozen=True)
class Shapes:
    """What a system takes: B, and what becomes of an image; None for what it does not take."""

    bands: int | None
    image: ImageConfig | None

    def examples(self, count: int, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs of ``count`` samples, by name."""
        draw = torch.Generator().manual_seed(seed)
        inputs = {}
        if self.bands is not None:
            # Of the size of real features, logarithms of magnitudes.
            inputs[AUDIO] = 2 * torch.randn(count, 2, self.bands, generator=draw) - 4
        if self.image is not None:
            size = (count, self.image.size, self.image.size, 3)
            inputs[IMAGE] = torch.randint(0, 256, size, dtype=torch.uint8, generator=draw)
        return inputs
