import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.models.scene_model import (
    AcousticEncoder,
    Concat,
    ResidualBlock,
    SceneClassifier,
    Scorer,
    concatenated,
)


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
    assert _parameters(SceneClassifier(features)) == expected


def test_the_linear_layers_see_what_concatenated_says() -> None:
    assert (concatenated(290, "all"), concatenated(290, "last")) == (2888, 1156)
    assert (concatenated(256, "all"), concatenated(256, "last")) == (2560, 1024)


def test_a_scorer_standardises_with_its_own_buffers() -> None:
    scorer = Scorer(64, None).eval()
    frames = torch.randn(4, 2, 64)
    plain = scorer(frames, None)
    scorer.audio_mean.fill_(3.0)
    scorer.audio_deviation.fill_(2.0)
    torch.testing.assert_close(scorer(frames * 2 + 3, None), plain, rtol=1e-4, atol=1e-5)


def test_audio_alone_and_video_alone_are_the_same_classifier_over_one_part() -> None:
    assert Scorer(64, None).classifier[0].in_features == 1024
    assert Scorer(None, 96).classifier[0].in_features == 96
    assert Scorer(64, 96)(torch.randn(2, 2, 64), torch.randn(2, 96)).shape == (2, 10)
    assert "audio_mean" not in Scorer(None, 96).state_dict()


def test_a_frozen_acoustic_encoder_does_not_move_while_the_classifier_trains() -> None:
    scorer = Scorer(64, 8)
    scorer.freeze_acoustic()
    scorer.train()
    before = {k: v.clone() for k, v in scorer.state_dict().items() if k.startswith("acoustic")}
    trained = [p for p in scorer.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    scorer(torch.randn(8, 2, 64), torch.randn(8, 8)).square().sum().backward()
    optimizer.step()
    after = scorer.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert scorer.classifier.training
