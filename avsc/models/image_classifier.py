"""A visual encoder with a head of its own, trained on labelled images.

Shape legend: n images, Z x Z pixels, C scenes of the image set.
"""

import torch
from torch import Tensor, nn

from avsc.data.batch import Batch
from avsc.data.eval_images import iter_eval_images
from avsc.data.image_folder import LabelledImages
from avsc.models.visual import Execution, ImageConfig, VisualEncoder
from avsc.train.distributed import Ranks
from avsc.train.validate import Validation

TOP = 5


class ImageClassifier(nn.Module):
    """Backbone and linear head, both trained; takes uint8 images as the streams give them.

    Args:
        encoder: Where the backbone and its weights come from; it is taken over.
        scenes: C.
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

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 [n, C], of uint8 images [n, 3, Z, Z]."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            logits: Tensor = self.head(self.backbone(images * self.scale + self.shift))
        return logits.float()


@torch.inference_mode()
def score(
    model: ImageClassifier,
    images: LabelledImages,
    config: ImageConfig,
    *,
    device: torch.device,
    ranks: Ranks,
    threads: int,
) -> Validation:
    """Scores a split: mean cross-entropy, top-1, top-5. Every rank does its share.

    The model is left in evaluation mode.

    Raises:
        AvscError: An image cannot be decoded.
    """
    mine = images.share(ranks.rank, ranks.world)
    labels = torch.from_numpy(mine.labels).to(device)
    sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, top-1, top-5, images
    model.eval()
    for first, some in iter_eval_images(mine, len(mine), 1, config, threads=threads):
        sums += _sums(model(some.to(device)), labels[first : first + len(some)])
    loss, top1, top5, count = ranks.summed(sums).tolist()
    return Validation(loss / count, top1 / count, top5 / count)


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    loss = nn.functional.cross_entropy(logits, labels, reduction="sum").double()
    best = logits.topk(min(TOP, logits.shape[1]), dim=1).indices == labels[:, None]
    count = torch.tensor(float(len(labels)), dtype=torch.float64, device=logits.device)
    return torch.stack([loss, best[:, 0].sum().double(), best.sum().double(), count])


def images_of(batch: Batch) -> Tensor:
    """A batch's images in the order of its labels, uint8 [n, 3, Z, Z]."""
    assert batch.images is not None
    return batch.images[batch.image_index]
