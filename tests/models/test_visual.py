"""The visual encoder itself."""

import pytest
import timm
import torch

from avsc.errors import AvscError
from avsc.models import visual, visual_weights, weights
from avsc.recipe_sections import TrainRecipe, VisualRecipe
from tests.models.small_encoders import RESNET, recipe_of, some_images


def test_random_weights_are_a_function_of_the_name_alone() -> None:
    torch.manual_seed(3)
    first = visual_weights.build(recipe_of())
    state = torch.get_rng_state()
    second = visual_weights.build(recipe_of())
    assert first.sha256 == second.sha256
    assert torch.equal(state, torch.get_rng_state())
    assert first.sha256 != visual_weights.build(recipe_of(model="test_efficientnet")).sha256


@pytest.mark.parametrize("model", [RESNET, "test_efficientnet", "test_vit", "test_convnext"])
def test_any_timm_model_gives_features_of_the_length_it_says(model: str) -> None:
    encoder = visual_weights.build(recipe_of(model=model, size=64))
    assert encoder(some_images(2, 64)).shape == (2, encoder.features)


def test_images_are_normalised_as_timm_would_with_the_weights_own_numbers() -> None:
    encoder = visual_weights.build(recipe_of(model="test_efficientnet"))
    images = some_images()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    plain = ((images / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = encoder.backbone(plain)
    torch.testing.assert_close(encoder(images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder(images.permute(0, 3, 1, 2)), expected, rtol=1e-4, atol=1e-5)
    assert encoder.config.interpolation == "bicubic"


def test_the_image_size_is_the_weights_own_unless_asked() -> None:
    recipe = VisualRecipe(model=RESNET, weights="random")
    assert visual_weights.build(recipe).config.size == 160
    assert visual_weights.build(recipe_of(size=48)).config.size == 48


def test_it_stays_in_evaluation_mode_and_without_gradients() -> None:
    encoder = visual_weights.build(recipe_of())
    before = encoder.sha256
    encoder.train()
    features = encoder(some_images(8))
    assert not any(module.training for module in encoder.modules())
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert weights.sha256_state(encoder.backbone.state_dict()) == before


def test_channels_last_and_bf16_are_settings_and_cpu_is_float32_by_default() -> None:
    cpu = torch.device("cpu")
    assert visual.execution(TrainRecipe(), cpu) == visual.Execution(cpu)
    assert visual.execution(TrainRecipe(), torch.device("cuda")) == visual.Execution(
        torch.device("cuda"), bf16=True, channels_last=True, compile=True
    )
    encoder = visual_weights.build(recipe_of())
    images = some_images()
    plain = encoder(images)
    asked = TrainRecipe(precision="bf16", channels_last=True)
    fast = encoder.run_as(visual.execution(asked, cpu))(images)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, plain)
    torch.testing.assert_close(fast, plain, rtol=0.1, atol=0.1)


def test_a_compiled_encoder_meets_one_batch_size_and_one_layout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function: function)
    encoder = visual_weights.build(recipe_of())
    plain = encoder(some_images(2))
    encoder.run_as(visual.Execution(torch.device("cpu"), compile=True))
    met: list[tuple[object, ...]] = []
    encode = encoder._encode

    def noting(x: torch.Tensor) -> torch.Tensor:
        met.append((x.shape, x.stride()))
        return encode(x)

    monkeypatch.setattr(encoder, "_encode", noting)
    batch = some_images(8).permute(0, 3, 1, 2)
    whole, rest = encoder(batch), encoder(batch[:3])
    assert met[0] == met[1]
    assert rest.shape == (3, plain.shape[1])
    torch.testing.assert_close(rest, whole[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "size"), [("test_vit", 65), ("maxvit_nano_rw_256", 100), ("nest_tiny", 100)]
)
def test_a_size_that_patches_do_not_divide_is_refused(model: str, size: int) -> None:
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(model=model, size=size))
    assert model in caught.value.got
    assert str(size) in caught.value.got
    known = timm.get_pretrained_cfg(model)
    assert known is not None
    own = known.input_size[-1]
    assert f"visual.image_size={own}" in caught.value.remedy
    assert visual_weights.build(recipe_of(model=model, size=own)).config.size == own


def test_an_unknown_model_is_answered_with_close_names() -> None:
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(model="resnet5"))
    assert "'resnet5'" in caught.value.got
    assert "resnet50" in caught.value.remedy
    with pytest.raises(AvscError) as caught:
        visual_weights.build(recipe_of(model="resnet18.nobody_in1k"))
    assert "nobody_in1k" in caught.value.got
