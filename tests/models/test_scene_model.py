import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.data.batch import Inputs, Mix
from avsc.errors import AvscError
from avsc.models import visual_weights
from avsc.models.acoustic import AcousticEncoder, Concat, ResidualBlock, concatenated
from avsc.models.scene_model import SceneClassifier, build_model
from avsc.models.visual import VisualEncoder
from avsc.recipe_sections import VisualRecipe


def _parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_blocks_halve_290_bands_as_the_paper_says() -> None:
    lengths = []
    x = torch.zeros(2, 2, 290)
    for block in AcousticEncoder(290).blocks:
        x = block(x)
        lengths.append(x.shape[2])
    assert lengths == [145, 72, 36, 18]
    assert x.shape == (2, 32, 18)


@given(length=st.integers(3, 400))
@settings(deadline=None, max_examples=60)
def test_the_shortcut_fits_the_straight_way_for_every_length(length: int) -> None:
    assert ResidualBlock(2, 4)(torch.zeros(2, 2, length)).shape == (2, 4, length // 2)


@pytest.mark.parametrize("bands", [24, 25, 64, 255, 256, 290, 291])
@pytest.mark.parametrize("concat", ["all", "last"])
def test_any_number_of_bands_gives_1024_features(bands: int, concat: Concat) -> None:
    encoder = AcousticEncoder(bands, concat)
    assert encoder(torch.randn(3, 2, bands)).shape == (3, 1024)


def test_too_few_bands_are_refused_in_words() -> None:
    with pytest.raises(AvscError, match="23 bands"):
        AcousticEncoder(23)


LATER_LAYERS = 4096 + 2048 * 1024 + 1024 + 2048  # BN, linear, BN


@pytest.mark.parametrize(("concat", "seen"), [("all", 2888), ("last", 1156)])
def test_the_acoustic_encoder_has_the_parameters_of_table_1(concat: Concat, seen: int) -> None:
    # By hand: 3,640 in the blocks (5 in out + 4 out each), the rest in linear layers and BN.
    expected = 3_640 + seen * 2048 + 2048 + LATER_LAYERS
    assert _parameters(AcousticEncoder(290, concat)) == expected


@pytest.mark.parametrize("features", [1024, 1024 + 1792, 1024 + 2048])
def test_the_classifier_has_the_parameters_of_table_1(features: int) -> None:
    expected = features * 1024 + 1024 + 2048 + 1024 * 10 + 10
    assert _parameters(SceneClassifier(features, 10)) == expected


def test_the_linear_layers_see_what_concatenated_says() -> None:
    assert (concatenated(290, "all"), concatenated(290, "last")) == (2888, 1156)
    assert (concatenated(256, "all"), concatenated(256, "last")) == (2560, 1024)


def test_the_acoustic_encoder_standardises_with_its_own_buffers() -> None:
    encoder = AcousticEncoder(64).eval()
    frames = torch.randn(4, 2, 64)
    plain = encoder(frames)
    encoder.mean.fill_(3.0)
    encoder.std.fill_(2.0)
    torch.testing.assert_close(encoder(frames * 2 + 3), plain, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def visual_encoder() -> VisualEncoder:
    recipe = VisualRecipe(model="test_resnet", weights="random", image_size=32)
    return visual_weights.build(recipe)


def test_figure_1_is_the_encoders_side_by_side_under_the_classifier(
    visual_encoder: VisualEncoder,
) -> None:
    model = build_model(64, visual_encoder, 10).eval()
    assert model.acoustic_encoder is not None
    audio = torch.randn(3, 2, 64)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    index = torch.tensor([1, 0, 1])
    a, v = model.acoustic_encoder(audio), visual_encoder(images)[index]
    joint = model.embed(Inputs(audio, images, index))
    torch.testing.assert_close(joint, torch.cat([a, v], dim=1))
    torch.testing.assert_close(model(Inputs(audio, images, index)), model.classifier(joint))
    torch.testing.assert_close(model(Inputs(audio, embedding=v)), model.classifier(joint))


def test_sound_alone_and_pictures_alone_are_the_same_classifier_over_one_part(
    visual_encoder: VisualEncoder,
) -> None:
    assert build_model(64, None, 10).classifier[0].in_features == 1024
    pictures = build_model(None, visual_encoder, 7)
    assert pictures.classifier[0].in_features == visual_encoder.features
    logits = pictures(Inputs(embedding=torch.randn(2, visual_encoder.features)))
    assert logits.shape == (2, 7)
    assert not any("acoustic" in name for name in pictures.state_dict())


def test_mixup_mixes_the_embeddings_of_images_raw_or_stored(visual_encoder: VisualEncoder) -> None:
    model = build_model(64, visual_encoder, 10).eval()
    audio = torch.randn(3, 2, 64)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    index = torch.tensor([1, 0, 1])
    mix = Mix(torch.tensor([1, 0, 1]), torch.tensor([0.9, 0.5, 1.0]))
    v = visual_encoder(images)[index]
    blended = torch.stack([0.9 * v[0] + 0.1 * v[1], 0.5 * v[1] + 0.5 * v[0], v[2]])
    wanted = model.embed(Inputs(audio, embedding=blended))
    torch.testing.assert_close(model.embed(Inputs(audio, images, index, mix=mix)), wanted)
    torch.testing.assert_close(model.embed(Inputs(audio, embedding=v, mix=mix)), wanted)


def test_the_frozen_encoder_is_in_the_model_and_in_nothing_that_is_trained_or_kept(
    visual_encoder: VisualEncoder,
) -> None:
    model = build_model(64, visual_encoder, 10)
    frozen = {tensor.data_ptr() for tensor in visual_encoder.parameters()}
    frozen |= {tensor.data_ptr() for tensor in visual_encoder.buffers()}
    held = [*model.parameters(), *model.buffers(), *model.state_dict().values()]
    assert not frozen & {tensor.data_ptr() for tensor in held}
    assert not model.train().visual_encoder.training  # type: ignore[union-attr]
    model.to(torch.device("meta"))
    assert model.visual_encoder is not None
    assert {p.device.type for p in model.visual_encoder.parameters()} == {"meta"}


def test_a_frozen_acoustic_encoder_does_not_move_while_the_classifier_trains() -> None:
    model = build_model(64, None, 10)
    assert model.acoustic_encoder is not None
    model.acoustic_encoder.freeze()
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("acoustic")}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    model(Inputs(torch.randn(8, 2, 64))).square().sum().backward()
    optimizer.step()
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert model.classifier.training
