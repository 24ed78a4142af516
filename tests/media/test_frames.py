from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from avsc.media.frames import (
    KEYFRAME_REACH_S,
    NoPicture,
    Packet,
    Timeline,
    nearest_keyframes,
    on_screen,
    plan_stretches,
)
from avsc.timebase import LENGTH_TOLERANCE_S

TICK_S = Fraction(1, 100)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Packets in a decoding order, with open and closed groups and uneven steps."""
    steps = draw(st.lists(st.integers(1, 40), min_size=1, max_size=60))
    pts = [sum(steps[:i]) for i in range(len(steps))]
    rows: list[int] = []
    while len(rows) < len(pts):  # an anchor is decoded before the pictures between
        size = draw(st.integers(1, 4))
        rest = list(range(len(rows), min(len(rows) + size, len(pts))))
        rows += [rest[-1], *rest[:-1]]
    keys = [i == 0 or draw(st.integers(0, 5)) == 0 for i in range(len(rows))]
    packets = [Packet(pts[row], steps[row], key) for row, key in zip(rows, keys, strict=True)]
    first = min(range(len(rows)), key=lambda i: packets[i].pts)
    packets.insert(0, packets.pop(first)._replace(is_key=True))
    return Timeline(packets, TICK_S, zero=0)


@given(timelines(), st.lists(st.floats(0, 30), min_size=1, max_size=20).map(sorted))
def test_the_chosen_picture_is_the_last_that_does_not_begin_after_the_time(
    timeline: Timeline, times_s: list[float]
) -> None:
    chosen = on_screen(timeline, times_s)
    starts = sorted(Fraction(p.pts) * TICK_S for p in timeline.packets)
    if isinstance(chosen, NoPicture):
        assert chosen.time_s > timeline.seconds(timeline.end())
        return
    for time_s, tick in zip(times_s, chosen, strict=True):
        assert tick * TICK_S == max(s for s in starts if s <= Fraction(time_s))


# A keyframe that is decoded early and shown late: no encoder does it, a stranger's file may.
_LATE_KEYFRAME = Timeline(
    [Packet(pts, length, True) for pts, length in ((0, 11), (51, 24), (11, 40))],
    TICK_S,
)


@example(_LATE_KEYFRAME, [0.5, 0.75])
@given(timelines(), st.lists(st.floats(0, 30), min_size=1, max_size=20).map(sorted))
def test_stretches_are_disjoint_begin_with_a_keyframe_and_hold_every_wanted_picture_once(
    timeline: Timeline, times_s: list[float]
) -> None:
    chosen = on_screen(timeline, [t for t in times_s if t <= float(timeline.end() * TICK_S)] or [0])
    assert not isinstance(chosen, NoPicture)
    runs = plan_stretches(timeline, chosen)
    assert [i for run in runs for i in run.wanted] == list(dict.fromkeys(chosen))
    assert all(a.last < b.first for a, b in pairwise(runs))
    for run in runs:
        assert timeline.packets[run.first].is_key
        for wanted in run.wanted:
            assert wanted in [p.pts for p in timeline.packets[run.first : run.last + 1]]
            assert wanted >= run.not_before


@given(timelines(), st.lists(st.floats(0, 30), min_size=1, max_size=20).map(sorted))
def test_the_nearest_keyframe_is_nearest_and_within_reach(
    timeline: Timeline, times_s: list[float]
) -> None:
    keys_s = [timeline.seconds(p.pts) for p in timeline.packets if p.is_key]
    chosen = nearest_keyframes(timeline, times_s)
    if isinstance(chosen, NoPicture):
        assert min(abs(k - chosen.time_s) for k in keys_s) > KEYFRAME_REACH_S
        return
    for time_s, tick in zip(times_s, chosen, strict=True):
        distance_s = abs(timeline.seconds(tick) - time_s)
        assert distance_s == min(abs(k - time_s) for k in keys_s)


def test_a_picture_that_begins_exactly_at_the_time_is_on_screen() -> None:
    timeline = _timeline([0, 50, 100])
    assert on_screen(timeline, [0.49, 0.5, 1.0]) == [0, 50, 100]


def test_the_last_picture_stays_for_its_duration_and_a_hair_longer() -> None:
    timeline = _timeline([0, 50, 100])
    assert on_screen(timeline, [1.5 + LENGTH_TOLERANCE_S / 2]) == [100]
    missing = on_screen(timeline, [0.5, 1.52])
    assert missing == NoPicture(1.52, "its last picture ends at 1.500 s")


def test_a_last_picture_without_duration_stays_as_long_as_the_one_before() -> None:
    packets = [Packet(pts, 0, True) for pts in (0, 50, 100)]
    assert Timeline(packets, TICK_S).end() == 150


def test_nothing_is_on_screen_before_the_first_picture() -> None:
    missing = on_screen(_timeline([70, 120]), [0.5])
    assert missing == NoPicture(0.5, "its first picture appears at 0.700 s")


def test_pictures_outside_the_edit_list_are_never_chosen() -> None:
    packets = [Packet(pts, 50, True, is_shown=pts >= 0) for pts in (-50, -10, 40, 90)]
    assert on_screen(Timeline(packets, TICK_S), [0.5]) == [40]
    assert isinstance(on_screen(Timeline(packets[:2], TICK_S), [0.5]), NoPicture)


def test_times_count_from_where_the_presentation_starts() -> None:
    timeline = Timeline(_timeline([1000, 1050, 1100]).packets, TICK_S, zero=1000)
    assert on_screen(timeline, [0.5]) == [1050]
    assert timeline.seconds(1050) == 0.5


def test_a_leading_picture_of_an_open_group_is_decoded_from_the_group_before() -> None:
    packets = [
        Packet(0, 10, True),
        Packet(10, 10, False),
        Packet(30, 10, True),
        Packet(20, 10, False),
        Packet(40, 10, False),
    ]
    timeline = Timeline(packets, TICK_S)
    leading, trailing = plan_stretches(timeline, [20]), plan_stretches(timeline, [40])
    assert (leading[0].first, leading[0].last) == (0, 3)
    assert (trailing[0].first, trailing[0].not_before) == (2, 30)
    both = plan_stretches(timeline, [20, 40])
    assert [(run.first, run.last) for run in both] == [(0, 4)]


def test_a_picture_without_a_keyframe_before_it_is_not_shown() -> None:
    # As where a broadcast was cut: in the middle of a group, whose next keyframe has leading ones.
    packets = [
        Packet(0, 10, False),
        Packet(10, 10, False),
        Packet(30, 10, True),
        Packet(20, 10, False),
        Packet(40, 10, False),
    ]
    timeline = Timeline(packets, TICK_S)
    assert timeline.shown == [30, 40]
    assert isinstance(on_screen(timeline, [0.25]), NoPicture)
    with pytest.raises(LookupError):
        plan_stretches(timeline, [10])
    assert Timeline(packets[:2], TICK_S).shown == []


def test_of_pictures_with_one_time_all_are_decoded() -> None:
    packets = [Packet(pts, 50, pts == 0) for pts in (0, 50, 50, 100)]
    timeline = Timeline(packets, TICK_S)
    assert on_screen(timeline, [0.5, 0.9]) == [50, 50]
    (run,) = plan_stretches(timeline, [50])
    assert (run.first, run.last, run.wanted) == (0, 2, (50,))


def _timeline(starts: Sequence[int]) -> Timeline:
    return Timeline([Packet(pts, 50, True) for pts in starts], TICK_S)
