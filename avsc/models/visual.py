"""The visual encoder VE: any timm model without its head, frozen (DESIGN section 7).

``AudioVisualModel`` keeps it out of the optimiser and of checkpoints, which record its name and the
SHA-256 of its weights instead.

Shape legend: n images, H x W pixels, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import AliasChoices, Field
from torch import Tensor, nn

from avsc.models.weights import sha256_state
from avsc.recipe_sections import TrainRecipe


@dataclass(frozen=True)
class ImageConfig:
    """What the weights expect of an image.

    Attributes:
        size: Side of the square image in pixels.
        mean: Mean of each channel, of pixels scaled to 0..1.
        std: Standard deviation of each channel, of pixels scaled to 0..1.
        interpolation: Interpolation of the resize, such as ``bilinear`` or ``bicubic``.
        crop_pct: Part of a resized image's side that the central crop keeps.
        crop_mode: timm's way from any image to a square: ``center`` (scale the shorter side, cut
            out the middle), ``squash`` (change the aspect ratio) or ``border`` (scale the longer
            side, add a border).
    """

    size: int
    mean: tuple[float, float, float]
    # Files of version 0.1 call it `deviation`.
    std: Annotated[
        tuple[float, float, float], Field(validation_alias=AliasChoices("std", "deviation"))
    ]
    interpolation: str
    crop_pct: float
    crop_mode: Literal["center", "squash", "border"] = "center"


@dataclass(frozen=True)
class Execution:
    """How the encoder runs on a device."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = False
    compile: bool = False


def execution(recipe: TrainRecipe, device: torch.device) -> Execution:
    """Resolves the recipe's choices: fast ones on CUDA, plain float32 elsewhere."""
    cuda = device.type == "cuda"
    return Execution(
        device=device,
        bf16=recipe.precision == "bf16" or (recipe.precision == "auto" and cuda),
        channels_last=cuda if recipe.channels_last is None else recipe.channels_last,
        compile=cuda if recipe.compile is None else recipe.compile,
    )


class VisualEncoder(nn.Module):
    """A frozen encoder of uint8 images; always in evaluation mode.

    Args:
        backbone: Timm model without its head.
        name: Timm name of the model.
        config: Image size and normalisation of its weights.

    Attributes:
        sha256: Digest of parameters and buffers, see ``weights.sha256_state``.
        features: Number of values of an embedding, D.
    """

    scale: Tensor  # [3]
    shift: Tensor  # [3]

    def __init__(self, backbone: nn.Module, name: str, config: ImageConfig) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.name = name
        self.config = config
        self.sha256 = sha256_state(backbone.state_dict())
        std = torch.tensor(config.std)
        # (x / 255 - mean) / std as one multiplication and one addition.
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -torch.tensor(config.mean) / std, persistent=False)
        self._encode: Callable[[Tensor], Tensor] = self._normalise_and_encode
        self._execution = Execution(torch.device("cpu"))
        self._largest_batch = 0  # so far
        self.train(False)
        black = torch.zeros(1, config.size, config.size, 3, dtype=torch.uint8)
        self.features = int(self(black).shape[1])

    def train(self, mode: bool = True) -> "VisualEncoder":
        """Stays in evaluation mode whatever is asked: batch statistics must not move."""
        del mode
        super().train(False)
        return self

    def run_as(self, how: Execution) -> "VisualEncoder":
        """Moves to a device and sets precision, memory layout and compilation."""
        self._execution = how
        self.to(how.device)
        if how.channels_last:
            self.backbone.to(memory_format=torch.channels_last)
        self._encode = (
            torch.compile(self._normalise_and_encode) if how.compile else self._normalise_and_encode
        )
        return self

    @property
    def device(self) -> torch.device:
        """Where images are encoded."""
        return self._execution.device

    @property
    def is_bf16(self) -> bool:
        """Whether it computes in bfloat16."""
        return self._execution.bf16

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Encodes uint8 images [n, H, W, 3] or [n, 3, H, W] to float32 [n, D]."""
        how = self._execution
        with torch.autocast(how.device.type, torch.bfloat16, enabled=how.bf16):
            if how.compile:
                return self._encode(self._filled_up(images))[: len(images)].float()
            return self._encode(images).float()

    def _filled_up(self, images: Tensor) -> Tensor:
        """The images, and black ones up to the largest batch so far.

        A compiled encoder sees one batch size only: for the smaller last batches of an epoch,
        compiling again would take longer than encoding some black images along with them.
        """
        self._largest_batch = max(self._largest_batch, len(images))
        if len(images) == self._largest_batch:
            return images
        # In the same memory layout, which a compiled encoder asks for as well.
        full = images.new_empty_strided((self._largest_batch, *images.shape[1:]), images.stride())
        full[: len(images)] = images
        full[len(images) :] = 0
        return full

    def _normalise_and_encode(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2) if images.shape[3] == 3 else images
        x = x * self.scale.view(3, 1, 1) + self.shift.view(3, 1, 1)
        if not self._execution.channels_last:
            x = x.contiguous()
        features: Tensor = self.backbone(x)
        return features
