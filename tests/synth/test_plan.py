from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.scenes import SCENES, ClipName
from avsc.synth.plan import CHARACTERS, SynthSettings, clips, generator, places


@st.composite
def settings(draw: st.DrawFn) -> SynthSettings:
    locations = draw(st.integers(2, 40))
    return SynthSettings(draw(st.integers(locations, 100)), locations, draw(st.integers(0, 9)))


def test_each_scene_has_its_own_pair_of_families_and_shares_them() -> None:
    pairs = [(c.sound, c.picture) for c in CHARACTERS.values()]
    assert tuple(CHARACTERS) == SCENES
    assert len(set(pairs)) == len(SCENES)
    assert set(Counter(sound for sound, _ in pairs).values()) == {2}
    assert Counter(picture for _, picture in pairs)["green"] == 1
    assert len({picture for _, picture in pairs}) == 5


@given(settings())
def test_folds_share_no_location_and_are_about_70_to_30(asked: SynthSettings) -> None:
    found = places(asked)
    folds = Counter(place.fold for place in found)
    assert len({place.location for place in found}) == len(found)
    assert len(found) == 10 * asked.locations_per_scene
    assert abs(folds["train"] - 0.7 * len(found)) <= 10
    for scene in SCENES:
        assert {place.fold for place in found if place.scene == scene} == {"train", "test"}


@given(settings())
def test_each_scene_gets_its_clips_spread_evenly(asked: SynthSettings) -> None:
    found = clips(asked)
    assert Counter(clip.place.scene for clip in found) == dict.fromkeys(
        SCENES, asked.clips_per_scene
    )
    assert len({clip.id for clip in found}) == len(found)
    a_location = Counter(clip.place.name for clip in found).values()
    assert max(a_location) - min(a_location) <= 1
    assert all(ClipName.parse(clip.id).location == clip.place.location for clip in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips_per_scene": 3, "locations_per_scene": 4},
        {"locations_per_scene": 1},
        {"width": 321},
        {"height": 8},
    ],
)
def test_settings_that_make_no_data_set_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(AvscError):
        SynthSettings(**wrong)  # type: ignore[arg-type]


def test_draws_are_a_function_of_seed_and_name() -> None:
    assert generator(1, "a", "b").random() == generator(1, "a", "b").random()
    assert generator(1, "a", "b").random() != generator(1, "ab").random()
    assert generator(1, "a").random() != generator(2, "a").random()
