import itertools

import numpy as np
import pytest

from avsc.scenes import SCENES
from avsc.synth.actors import Occlusion
from avsc.synth.canvas import blank
from avsc.synth.picture import make_backdrop, make_picture, make_pictures
from avsc.synth.plan import ClipPlan, SynthSettings, clips, places

SIZE = (96, 54)


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


def test_what_passes_behind_the_windows_is_confined_to_them() -> None:
    bus = next(p for p in places(SynthSettings(2, 2)) if p.scene == "bus")
    backdrop = make_backdrop(0, bus)
    assert backdrop.windows is not None
    assert backdrop.outside is not None
    assert 0.02 < np.mean(backdrop.windows > 0) < 0.5
    assert backdrop.outside.shape[1] % backdrop.picture.shape[1] == 0


def test_a_passer_by_covers_most_of_the_picture_and_goes() -> None:
    back = Occlusion(middle_s=5.0, half_s=1.0, coat=(10, 10, 10), direction=1.0)
    empty, covered = blank((200, 200, 200)), blank((200, 200, 200))
    back.show(empty, 8.0)
    back.show(covered, 5.0)
    assert empty.min() == 200
    assert np.mean(covered < 100) > 0.6
