import pytest

from avsc.errors import AvscError
from avsc.scenes import SCENES, ClipName, scene_index


def test_there_are_ten_scenes_in_alphabetical_order() -> None:
    assert len(SCENES) == 10
    assert list(SCENES) == sorted(SCENES)


def test_a_clip_name_gives_its_scene_city_and_location() -> None:
    name = ClipName.parse("street_pedestrian-helsinki-148-4492")
    assert (name.scene, name.city, name.location) == ("street_pedestrian", "helsinki", "148")


@pytest.mark.parametrize("clip_id", ["", "park", "park-lyon-1", "park-lyon--2", "beach-nice-1-2"])
def test_other_names_are_refused(clip_id: str) -> None:
    with pytest.raises(AvscError):
        ClipName.parse(clip_id)


def test_an_unknown_scene_is_named_with_the_ten_that_are_known() -> None:
    with pytest.raises(AvscError, match="beach") as caught:
        scene_index("beach")
    assert "airport" in str(caught.value)
