import itertools

import numpy as np
import pytest

from avsc.scenes import SCENES
from avsc.synth.drawing import make_backdrop
from avsc.synth.pictures import Actor, make_picture, make_pictures
from avsc.synth.plan import CHARACTERS, ClipPlan, SynthSettings, clips, places
from avsc.synth.scenery import COLOURS, FAMILIES

SIZE = (96, 54)
COAT = (10, 10, 10)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_has_pictures_that_move(scene: str) -> None:
    clip = next(c for c in clips(SynthSettings(2, 2)) if c.place.scene == scene)
    pictures = list(make_pictures(0, clip, SIZE, 1))
    assert len(pictures) == 30
    assert all(p.shape == (54, 96, 3) and p.dtype == np.uint8 for p in pictures)
    assert pictures[0].std() > 5
    assert not np.array_equal(pictures[0], pictures[-1])


def test_one_picture_is_a_frame_of_its_clip() -> None:
    clip = clips(SynthSettings(2, 2))[-1]
    frames = list(itertools.islice(make_pictures(0, clip, SIZE), 31))
    assert np.array_equal(make_picture(0, clip, SIZE, 30 * 1001 / 30_000), frames[30])


def test_pictures_are_a_function_of_seed_and_clip() -> None:
    first, second = clips(SynthSettings(4, 2))[:2]
    picture = make_picture(0, first, SIZE)
    assert np.array_equal(picture, make_picture(0, first, SIZE))
    assert not np.array_equal(picture, make_picture(0, second, SIZE))
    assert not np.array_equal(picture, make_picture(1, first, SIZE))


def test_clips_of_a_location_look_more_alike_than_locations_do() -> None:
    shops = [p for p in places(SynthSettings(8, 8)) if p.scene == "shopping_mall"]
    colours = np.array(
        [
            [make_picture(0, ClipPlan(place, str(n)), SIZE).mean((0, 1)) for n in range(3)]
            for place in shops
        ]
    )  # [places, clips, 3]
    assert colours.std(axis=1).mean() < 0.5 * colours.mean(axis=1).std(axis=0).mean()


@pytest.mark.parametrize("scene", SCENES)
def test_a_place_fills_its_picture_and_only_vehicles_have_windows(scene: str) -> None:
    for place in (p for p in places(SynthSettings(4, 4)) if p.scene == scene):
        backdrop = make_backdrop(0, place)
        assert backdrop.picture.max(axis=(1, 2)).min() > 0
        shown = np.mean(backdrop.windows > 0)
        assert 0.02 < shown < 0.5 if CHARACTERS[scene].picture == "cabin" else shown == 0
        width = backdrop.picture.shape[1]
        assert np.array_equal(backdrop.outside[:, :width], backdrop.outside[:, -width:])


def test_the_tables_name_only_colours_and_families_that_there_are() -> None:
    assert set(FAMILIES) == {character.picture for character in CHARACTERS.values()}
    slabs = [slab for family in FAMILIES.values() for slab in family.slabs]
    assert {slab.colour for slab in slabs} <= set(COLOURS)


def test_a_back_covers_most_of_the_picture_and_goes() -> None:
    back = Actor((COAT, COAT, COAT), 1900, 0.74, 500.0, 5000.0, 2000.0)
    covered, empty = np.full((2, 270, 480, 3), 200, np.uint8)
    back.draw(covered, 1.0, 130.0)
    back.draw(empty, 4.0, 130.0)
    assert np.mean(covered < 100) > 0.6
    assert empty.min() == 200


def test_a_car_drives_to_the_side_its_speed_points_to() -> None:
    for speed in (-100.0, 100.0):
        car = Actor((COAT,), 120, 0.36, speed, 2000.0, 1000.0)
        columns = []
        for t_s in (0.0, 0.5):
            picture = np.full((270, 480, 3), 200, np.uint8)
            car.draw(picture, t_s, 130.0)
            columns.append(np.mean(np.nonzero(picture.min(axis=(0, 2)) < 200)[0]))
        assert columns[1] - columns[0] == pytest.approx(speed / 2, abs=2)
