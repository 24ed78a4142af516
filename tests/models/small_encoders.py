"""Small visual encoders of random weights, and files of weights with a head."""

from pathlib import Path

import timm
import torch

from avsc.recipe_sections import VisualRecipe

RESNET = "test_resnet"


def recipe_of(weights: str | Path = "random", model: str = RESNET, size: int = 32) -> VisualRecipe:
    return VisualRecipe(model=model, weights=str(weights), image_size=size)


def headed(classes: int = 365, seed: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    model = timm.create_model(RESNET, num_classes=classes)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
    return dict(model.state_dict())


def some_images(n: int = 3, size: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8)
