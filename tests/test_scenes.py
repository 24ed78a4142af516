import pytest

from avsc.errors import AvscError
from avsc.scenes import SCENES, ClipName, check_scenes, scenes_of


def test_there_are_ten_scenes_in_alphabetical_order() -> None:
    assert len(SCENES) == 10
    assert list(SCENES) == sorted(SCENES)


def test_a_clip_name_gives_its_scene_city_and_location() -> None:
    name = ClipName.parse("street_pedestrian-helsinki-148-4492")
    assert (name.scene, name.city, name.location) == ("street_pedestrian", "helsinki", "148")


@pytest.mark.parametrize("clip_id", ["", "park", "park-lyon-1", "park-lyon--2"])
def test_other_names_are_refused(clip_id: str) -> None:
    with pytest.raises(AvscError):
        ClipName.parse(clip_id)


def test_the_scenes_of_clips_are_taus_ten_unless_there_is_another() -> None:
    assert scenes_of(["tram", "bus", ""]) == SCENES
    assert scenes_of([]) == SCENES
    assert scenes_of(["tram", "büro 3", "bus", "tram"]) == ("bus", "büro 3", "tram")


@pytest.mark.parametrize(
    "name", ["", " ", " office", "office\t", "a\nb", "a\u2028b", "\x7f", "filename", "scene"]
)
def test_a_name_that_no_table_can_hold_is_refused(name: str) -> None:
    with pytest.raises(AvscError) as caught:
        check_scenes(["office", "kitchen", name])
    assert repr(name) in caught.value.got


def test_every_wrong_name_is_named_at_once() -> None:
    with pytest.raises(AvscError) as caught:
        check_scenes(["office", "a\tb", "office", "file"])
    assert all(part in caught.value.got for part in (r"'a\tb'", "'office' (twice)", "'file'"))


@pytest.mark.parametrize("scenes", [(), ("office",)])
def test_fewer_than_two_scenes_are_refused(scenes: tuple[str, ...]) -> None:
    with pytest.raises(AvscError):
        check_scenes(scenes)


def test_names_of_any_script_and_some_hundreds_of_them_are_taken() -> None:
    names = ["会議室", "Küche, groß", 'the "hall"', "a|b", "1", "🚋", "a" * 200]
    rooms = [f"room {number}" for number in range(500)]
    for scenes in (names, rooms):
        check_scenes(scenes)
        assert scenes_of(scenes) == tuple(sorted(scenes))
