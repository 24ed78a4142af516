"""How large a model's parts are: parameters, bytes, multiply-adds."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from avsc.models.scene_model import AudioVisualModel
from avsc.store.schema import SEGMENT_FRAMES


@dataclass(frozen=True)
class PartSize:
    """The size of one part of a model.

    Attributes:
        name: AE, VE or SC.
        parameters: Number of parameters.
        size: Bytes of parameters and buffers as they are in memory.
        multiply_adds: Number of multiply-adds of one evaluation of ``unit``.
        unit: What is evaluated: a one-second segment, or an image.
    """

    name: str
    parameters: int
    size: int
    multiply_adds: int
    unit: str


def part_sizes(model: AudioVisualModel) -> list[PartSize]:
    """The sizes of AE, VE and SC, those that the model has.

    AE and SC are counted for a one-second segment: 3 audio frames, each classified by itself, or
    one sample where there is no sound. VE is counted for an image, of which a segment has one.

    Args:
        model: A model in evaluation mode.
    """
    acoustic, visual, classifier = model.acoustic_encoder, model.visual_encoder, model.classifier
    device = next(classifier.parameters()).device
    samples = SEGMENT_FRAMES if acoustic is not None else 1
    segment = f"segment of 1 s ({samples} {'sample' if samples == 1 else 'samples'})"
    sizes = []
    if acoustic is not None:
        frames = torch.zeros(samples, 2, acoustic.bands, device=device)
        sizes.append(_part("AE", acoustic, frames, segment))
    if visual is not None:
        side = visual.config.size
        image = torch.zeros(1, 3, side, side, device=device)
        sizes.append(_part("VE", visual.backbone, image, f"image of {side} x {side}"))
    first = classifier[0]
    assert isinstance(first, nn.Linear)
    joint = torch.zeros(samples, first.in_features, device=device)
    return [*sizes, _part("SC", classifier, joint, segment)]


@torch.no_grad()
def _part(name: str, module: nn.Module, example: Tensor, unit: str) -> PartSize:
    tensors = [*module.parameters(), *module.buffers()]
    counter = FlopCounterMode(display=False)
    # Fused kernels of attention are no matrix products to the counter, plain ones are.
    with sdpa_kernel(SDPBackend.MATH), counter:
        module(example)
    return PartSize(
        name,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        size=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        multiply_adds=counter.get_total_flops() // 2,  # torch counts both
        unit=unit,
    )
