"""A visual encoder with a head of its own, trained on labelled images.

Shape legend: n images, Z x Z pixels, C scenes of the image set.
"""

import torch
from torch import Tensor, nn

from avsc.models.visual import Execution, VisualEncoder


class ImageClassifier(nn.Module):
    """Backbone and linear head, both trained; takes a batch's inputs as the loader gives them.

    Args:
        encoder: Encoder whose backbone is trained further.
        scenes: Number of scenes, C.
    """

    scale: Tensor  # [3, 1, 1]
    shift: Tensor  # [3, 1, 1]

    def __init__(self, encoder: VisualEncoder, scenes: int) -> None:
        super().__init__()
        self.backbone = encoder.backbone.requires_grad_(True)
        self.head = nn.Linear(encoder.features, scenes)
        self.register_buffer("scale", encoder.scale.clone().view(3, 1, 1), persistent=False)
        self.register_buffer("shift", encoder.shift.clone().view(3, 1, 1), persistent=False)
        self._bf16 = False

    def run_as(self, how: Execution) -> "ImageClassifier":
        """Moves to a device and sets precision and memory layout."""
        self._bf16 = how.bf16
        self.to(how.device)
        if how.channels_last:
            self.backbone.to(memory_format=torch.channels_last)
        return self

    def forward(  # noqa: PLR0917  the fields of Inputs
        self,
        audio: None,
        images: Tensor,
        image_index: Tensor | None = None,
        embedding: None = None,
        present: None = None,
        mix: None = None,
        tower: None = None,
    ) -> Tensor:
        """Logits of a batch's inputs, float32 [n, C].

        Args:
            audio: None: there is no sound.
            images: Images, uint8 [m, 3, Z, Z].
            image_index: Each sample's image among the m, int64 [n]; None for the images in order.
            embedding: None: nothing is encoded beforehand.
            present: None: no image is missing.
            mix: None: no image is mixed with another.
            tower: None: there is no sound.
        """
        del audio, embedding, present, mix, tower
        images = images if image_index is None else images[image_index]
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            logits: Tensor = self.head(self.backbone(images * self.scale + self.shift))
        return logits.float()
