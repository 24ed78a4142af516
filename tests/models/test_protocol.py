import numpy as np
import pytest
import torch

from avsc.data.batch import Inputs
from avsc.models import visual_weights
from avsc.models.protocol import Samples, segment_embeddings, segment_probabilities
from avsc.models.scene_model import AudioVisualModel, build_model
from avsc.recipe_sections import VisualRecipe

FRAMES = (5, 1, 3)  # of three segments


@pytest.fixture(scope="module")
def model() -> AudioVisualModel:
    recipe = VisualRecipe(model="test_resnet", weights="random", image_size=32)
    torch.manual_seed(0)
    return build_model(32, visual_weights.build(recipe), 10).eval()


@pytest.fixture(scope="module")
def samples(model: AudioVisualModel) -> Samples:
    assert model.visual_encoder is not None
    torch.manual_seed(1)
    return Samples(
        torch.randn(sum(FRAMES), 2, 32),
        torch.randn(len(FRAMES), model.visual_encoder.features),
        torch.repeat_interleave(torch.tensor(FRAMES)),
        len(FRAMES),
    )


@torch.inference_mode()
def test_a_segment_has_the_float64_mean_of_its_frames_softmax(
    model: AudioVisualModel, samples: Samples
) -> None:
    found = segment_probabilities(model, samples)
    assert found.dtype == torch.float64
    assert samples.audio is not None
    assert samples.embedding is not None
    for segment in range(3):
        frames = [
            model(
                Inputs(samples.audio[k : k + 1], embedding=samples.embedding[segment : segment + 1])
            )
            for k in (samples.segment == segment).nonzero().flatten().tolist()
        ]
        by_hand = np.mean([torch.softmax(one.double(), 1).numpy() for one in frames], axis=(0, 1))
        np.testing.assert_allclose(found[segment], by_hand, atol=1e-6)


def test_the_order_of_samples_does_not_matter(model: AudioVisualModel, samples: Samples) -> None:
    assert samples.audio is not None
    order = torch.randperm(sum(FRAMES))
    shuffled = samples._replace(audio=samples.audio[order], segment=samples.segment[order])
    torch.testing.assert_close(
        segment_probabilities(model, shuffled), segment_probabilities(model, samples)
    )


@torch.inference_mode()
def test_embeddings_of_a_segment_keep_its_image_and_average_its_frames(
    model: AudioVisualModel, samples: Samples
) -> None:
    assert samples.audio is not None
    assert samples.embedding is not None
    assert model.acoustic_encoder is not None
    joint = segment_embeddings(model, samples)
    torch.testing.assert_close(joint[:, 1024:], samples.embedding.double())
    acoustic = model.acoustic_encoder(samples.audio[:5]).double().mean(dim=0)
    torch.testing.assert_close(joint[0, :1024], acoustic, rtol=1e-4, atol=1e-5)
