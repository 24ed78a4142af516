"""A visual encoder with a head of its own, trained on labelled images.

Shape legend: n images, Z x Z pixels, C scenes of the image set.
"""

import torch
from torch import Tensor, nn

from avsc.data.batch import Inputs
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

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits of a batch's images, float32 [n, C].

        Args:
            inputs: Images; without an index of each sample's image they are the samples in order.
        """
        assert inputs.images is not None
        images = inputs.images
        images = images if inputs.image_index is None else images[inputs.image_index]
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            logits: Tensor = self.head(self.backbone(images * self.scale + self.shift))
        return logits.float()
