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
        {"encoder": "neither"},
        {"encoder": "neither", "model": "models/ast"},
        {"encoder": "a:b:C", "model": "models/ast"},
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


@pytest.mark.parametrize(
    ("audio", "frames", "tower", "own"),
    [
        ({}, True, False, None),
        ({"encoder": "pretrained", "model": "m"}, False, True, None),
        ({"encoder": "both", "model": "m"}, True, True, None),
        ({"encoder": "a.b:C"}, True, False, "a.b:C"),
        ({"encoder": "a.b:C", "model": "m"}, True, True, "a.b:C"),
    ],
)
def test_a_model_stands_beside_the_encoder_that_is_named(
    audio: dict[str, str], frames: bool, tower: bool, own: str | None
) -> None:
    found = Recipe(audio=audio).audio
    assert (found.uses_frames, found.uses_tower, found.own_class) == (frames, tower, own)
