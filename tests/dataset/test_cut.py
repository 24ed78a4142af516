"""Recordings of any length cut into clips of whole seconds."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.dataset.cut import Cut, cut
from avsc.dataset.recordings import Recording
from avsc.media.probe import Pictures, Probe, Sound

RECORDING = Recording("a", "office", "room", None, "a.mp4", "a.mp4", "a.mp4")


def _probe(sound_s: float, pictures_s: float, start_s: float = 0.0) -> Probe:
    return Probe(Sound(sound_s, 44_100, 1), Pictures(start_s, pictures_s, 64, 48))


def _cut(found: Probe | str, clip_seconds: int = 10, **of: float) -> Cut:
    recording = RECORDING.__class__(**{**RECORDING.__dict__, **of})
    return cut([recording], {"a": found}, clip_seconds)


@given(st.floats(1, 500), st.floats(1, 500), st.integers(1, 60))
def test_every_whole_second_is_in_one_clip_and_the_rest_is_counted(
    sound_s: float, pictures_s: float, clip_seconds: int
) -> None:
    found = _cut(_probe(sound_s, pictures_s), clip_seconds)
    whole = math.floor(min(sound_s, pictures_s) + 0.01)
    covered = [clip.start + k for clip in found.clips for k in range(clip.seconds or 0)]
    assert covered == list(range(whole))
    assert all(1 <= (clip.seconds or 0) <= clip_seconds for clip in found.clips)
    assert found.unused_s == pytest.approx(max(min(sound_s, pictures_s) - whole, 0), abs=1e-6)
    assert len({clip.id for clip in found.clips}) == len(found.clips)
    assert {(clip.scene, clip.location) for clip in found.clips} == {("office", "room")}


def test_a_recording_no_longer_than_a_clip_keeps_its_name() -> None:
    assert [clip.id for clip in _cut(_probe(10.4, 10.2)).clips] == ["a"]
    assert [clip.id for clip in _cut(_probe(23.4, 24)).clips] == ["a+0", "a+10", "a+20"]


def test_a_late_first_picture_moves_the_start_by_whole_seconds() -> None:
    (clip,) = _cut(_probe(9, 9, start_s=1.2)).clips
    assert (clip.start, clip.seconds) == (1.0, 8)
    (clip,) = _cut(_probe(9, 9, start_s=0.3)).clips
    assert (clip.start, clip.seconds) == (0.0, 9)


def test_start_and_end_of_the_table_bound_the_clips() -> None:
    (clip,) = _cut(_probe(60, 60), start_s=12.5, end_s=15.6).clips
    assert (clip.start, clip.seconds) == (12.5, 3)


@pytest.mark.parametrize(
    ("found", "of"),
    [
        (_probe(0.8, 5), {}),
        (_probe(5, 0.98), {}),
        ("a.mp4 has no sound track", {}),
        (_probe(5, 5), {"start_s": 4.5}),
        (_probe(5, 5), {"start_s": 9.0}),
        (_probe(5, 5), {"end_s": 7.0}),
    ],
)
def test_what_will_be_refused_is_one_clip_with_a_reason(
    found: Probe | str, of: dict[str, Any]
) -> None:
    result = _cut(found, **of)
    assert list(result.refused) == ["a"]
    assert [(clip.id, clip.seconds) for clip in result.clips] == [("a", 1)]
