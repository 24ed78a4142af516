"""Which packets to decode for the pictures wanted: the choice by time, pure and without files.

A video's packets come in decoding order, which is not the order of showing when there are
B-frames. A picture is decoded from a keyframe on, so the wanted pictures are gathered into
*runs*: stretches of packets that begin with a keyframe and end with the last wanted picture that
this keyframe leads to. Nothing outside the runs is ever decoded.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import NamedTuple

from avsc.timebase import LENGTH_TOLERANCE_S

KEYFRAME_REACH_S = 0.5


class Packet(NamedTuple):
    """What a packet's header says; times in ticks of the stream's time base."""

    pts: int
    duration: int  # 0 when the container does not say
    is_key: bool  # the container's word: a player recovers from here
    is_start: bool  # decoding is exact from here on, for what is shown from here on
    is_shown: bool = True  # False outside the edit list: decoded for others' sake only


@dataclass(frozen=True)
class Timeline:
    """A video stream's packets in decoding order and their clock.

    Args:
        packets: Every packet of the stream.
        tick_s: The length of a tick.
        zero: The tick at which the presentation starts.
    """

    packets: Sequence[Packet]
    tick_s: Fraction
    zero: int = 0

    def seconds(self, ticks: int) -> float:
        """A presentation time in seconds."""
        return float((ticks - self.zero) * self.tick_s)

    def ticks(self, time_s: float) -> int:
        """The last tick that is not after a time; exact, as floats are fractions."""
        return self.zero + floor(Fraction(time_s) / self.tick_s)

    def shown(self) -> list[int]:
        """The packets that reach the screen, as indices in the order of showing."""
        rows = [i for i, packet in enumerate(self.packets) if packet.is_shown]
        return sorted(rows, key=lambda i: self.packets[i].pts)

    def has_clean_cuts(self) -> bool:
        """Whether nothing decoded after a keyframe depends on anything before it."""
        key_pts = None
        for packet in self.packets:
            if packet.is_key:
                key_pts = packet.pts
            if packet.is_key != packet.is_start or (key_pts is not None and packet.pts < key_pts):
                return False
        return True

    def end(self) -> int:
        """The tick at which the last picture leaves the screen."""
        order = self.shown()
        last = self.packets[order[-1]]
        # Without a duration the last picture stays as long as the one before it did.
        step = last.pts - self.packets[order[-2]].pts if len(order) > 1 else 0
        return last.pts + (last.duration or step)


@dataclass(frozen=True)
class NoPicture:
    """A wanted time at which there is no picture, and why."""

    time_s: float
    reason: str


@dataclass(frozen=True)
class Run:
    """Packets ``first..last`` to decode, as indices; those before ``not_before`` are left out.

    After the leading keyframe of an open group come pictures that are shown before it and refer
    to the group before; nothing later refers to them, so they are not fed to the decoder.
    """

    first: int
    last: int
    not_before: int
    wanted: tuple[int, ...]  # packets, in the order of showing, each once


def on_screen(timeline: Timeline, times_s: Sequence[float]) -> list[int] | NoPicture:
    """The packet whose picture is on screen at each time: the last that is not after it."""
    order = timeline.shown()
    starts = [timeline.packets[i].pts for i in order]
    if not order:
        return NoPicture(times_s[0], "it holds no picture")
    end_s = timeline.seconds(timeline.end())
    chosen = []
    for time_s in times_s:
        place = bisect_right(starts, timeline.ticks(time_s)) - 1
        if place < 0:
            first_s = timeline.seconds(starts[0])
            return NoPicture(time_s, f"its first picture appears at {first_s:.3f} s")
        if place == len(order) - 1 and time_s > end_s + LENGTH_TOLERANCE_S:
            return NoPicture(time_s, f"its last picture ends at {end_s:.3f} s")
        chosen.append(order[place])
    return chosen


def nearest_keyframes(timeline: Timeline, times_s: Sequence[float]) -> list[int] | NoPicture:
    """The keyframe nearest to each time (the earlier of two), at most half a second away."""
    order = [i for i in timeline.shown() if timeline.packets[i].is_start]
    starts = [timeline.packets[i].pts for i in order]
    chosen = []
    for time_s in times_s:
        place = bisect_left(starts, timeline.ticks(time_s))
        near = range(max(place - 1, 0), min(place + 2, len(order)))
        best = min(near, key=lambda i: abs(timeline.seconds(starts[i]) - time_s), default=None)
        if best is None:
            return NoPicture(time_s, "it holds no keyframe")
        distance_s = abs(timeline.seconds(starts[best]) - time_s)
        if distance_s > KEYFRAME_REACH_S:
            return NoPicture(time_s, f"its nearest keyframe is {distance_s:.3f} s away")
        chosen.append(order[best])
    return chosen


def plan_runs(timeline: Timeline, chosen: Sequence[int]) -> list[Run]:
    """The stretches of packets to decode for the chosen ones, in decoding order and disjoint.

    Args:
        timeline: The stream.
        chosen: Packets in the order of showing; the same one may repeat.

    Raises:
        LookupError: No keyframe comes before a chosen packet.
    """
    runs: list[Run] = []
    for packet in dict.fromkeys(chosen):
        first = _keyframe_before(timeline.packets, packet)
        run = Run(first, packet, timeline.packets[first].pts, (packet,))
        while runs and run.first <= runs[-1].last:
            run = _joined(runs.pop(), run)
        runs.append(run)
    return runs


def _joined(earlier: Run, later: Run) -> Run:
    """Two runs that overlap as one; ``earlier`` is shown before."""
    return Run(
        min(earlier.first, later.first),
        max(earlier.last, later.last),
        min(earlier.not_before, later.not_before),
        (*earlier.wanted, *later.wanted),
    )


def _keyframe_before(packets: Sequence[Packet], packet: int) -> int:
    # A keyframe that is shown after the picture leads an open group, and the picture, though
    # decoded after it, refers to the group before.
    shown_at = packets[packet].pts
    for i in range(packet, -1, -1):
        if packets[i].is_start and packets[i].pts <= shown_at:
            return i
    raise LookupError(packet)
