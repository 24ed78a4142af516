"""A recipe's keys of the encoders of sound."""

import pytest

from avsc import recipe as recipes
from avsc.errors import AvscError
from avsc.recipe import Recipe


@pytest.mark.parametrize(
    "audio",
    [
        {"encoder": "pretrained"},
        {"encoder": "both"},
        {"model": "models/ast"},
        {"encoder": "ae", "model": "models/ast"},
        {"encoder": "a.b:C", "model": "models/ast"},
        {"encoder": "neither", "model": "models/ast"},
    ],
)
def test_keys_that_contradict_each_other_are_named(audio: dict[str, str]) -> None:
    with pytest.raises(AvscError) as caught:
        Recipe(audio=audio)
    assert "audio." in caught.value.got


@pytest.mark.parametrize(
    "sections",
    [
        {"train": {"acoustic": "pretrained"}},
        {"train": {"audio_run": "runs/audio"}},
        {"augment_audio": {"gain_db": 3.0}},
    ],
)
def test_in_place_of_a_pretrained_encoder_there_are_no_frames_to_encode(
    sections: dict[str, dict[str, object]],
) -> None:
    Recipe(audio={"encoder": "both", "model": "models/ast"}, **sections)
    with pytest.raises(AvscError) as caught:
        Recipe(audio={"encoder": "pretrained", "model": "models/ast"}, **sections)
    assert "audio.encoder" in caught.value.got


def test_ae_is_the_papers_encoder_as_unset_is() -> None:
    assert Recipe(audio={"encoder": "ae"}) == Recipe()
    assert recipes.load(None, ["audio.encoder=ae"]) == Recipe()
