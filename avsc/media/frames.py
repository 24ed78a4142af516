"""Which packets to decode for the pictures wanted: the choice by time, pure and without files.

A video's packets come in decoding order, which is not the order of showing when there are
B-frames. A picture is named by its presentation time in ticks: of several with one time, the last
is the one that a player leaves on the screen. A picture is decoded from a keyframe on, so the
wanted pictures are gathered into *stretches* of packets that begin with a keyframe and end with
the last wanted picture that this keyframe leads to.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import floor
from typing import NamedTuple

from avsc.timebase import LENGTH_TOLERANCE_S

KEYFRAME_REACH_S = 0.5


class Packet(NamedTuple):
    """What a packet's header says; times in ticks of the stream's time base."""

    pts: int
    duration: int  # 0 when the container does not say
    is_key: bool  # the container's word: decoding may begin here
    is_shown: bool = True  # False outside the edit list: decoded for others' sake only
    dts: int | None = None  # when it is decoded, if known: ascending, and never after pts


@dataclass(frozen=True)
class Timeline:
    """A video stream's packets in decoding order and their clock.

    Attributes:
        packets: Every packet of the stream that is whole, up to the first that is not.
        tick_s: The length of a tick.
        zero: The tick at which the presentation starts.
        stream: The stream's index in its file.
        by_order: The packets' times say when they are decoded: the n-th picture that comes out of
            the decoder is shown at the n-th of the times, sorted.
        cut: Why what follows the packets cannot be read; empty when nothing does.
        begin: The tick of the first picture that can be decoded; None for the first keyframe's.
    """

    packets: Sequence[Packet]
    tick_s: Fraction
    zero: int = 0
    stream: int = 0
    by_order: bool = False
    cut: str = ""
    begin: int | None = None

    def seconds(self, tick: int) -> float:
        """A presentation time in seconds."""
        return float((tick - self.zero) * self.tick_s)

    def tick(self, time_s: float) -> int:
        """The last tick that is not after a time; exact, as floats are fractions."""
        return self.zero + floor(Fraction(time_s) / self.tick_s)

    @cached_property
    def first_key(self) -> int:
        """The packet with which decoding begins: what comes before it cannot be decoded."""
        return next((i for i, p in enumerate(self.packets) if p.is_key), len(self.packets))

    @cached_property
    def shown(self) -> list[int]:
        """The ticks at which pictures appear, ascending, one a packet.

        Left out are pictures that refer to what was before the first keyframe, and at the end
        those before which a picture is missing.
        """
        rest = self.packets[self.first_key :]
        begin = rest[0].pts if rest and self.begin is None else self.begin
        ticks = sorted(p.pts for p in rest if p.is_shown and begin is not None and p.pts >= begin)
        return ticks[: self._whole(ticks)]

    def _whole(self, ticks: list[int]) -> int:
        """How many pictures, in the order of showing, come before the first missing one."""
        # A file that was cut off ends in the order of decoding: what is missing is decoded later
        # than the last packet, and so shown later.
        last = max((p.dts for p in self.packets if p.dts is not None), default=None)
        if last is None:
            return len(ticks)
        known = bisect_right(ticks, last)
        if self.cut:
            return known
        # Not every format says that it was cut off. A longer step than ever is a missing picture.
        longest = max((b - a for a, b in pairwise(ticks[:known])), default=None)
        for i in range(known, len(ticks)):
            if longest is not None and ticks[i] - ticks[i - 1] > 1.5 * longest:
                return i
        return len(ticks)

    def end(self) -> int:
        """The tick at which the last picture leaves the screen."""
        last = self.shown[-1]
        duration = max(packet.duration for packet in self.packets if packet.pts == last)
        # Without a duration the last picture stays as long as the one before it did.
        return last + (duration or last - max((t for t in self.shown if t < last), default=last))


@dataclass(frozen=True)
class NoPicture:
    """A wanted time at which there is no picture, and why."""

    time_s: float
    reason: str


@dataclass(frozen=True)
class Stretch:
    """Packets ``first..last`` to decode, as indices; those before ``not_before`` are left out.

    After the leading keyframe of an open group come pictures that are shown before it and refer
    to the group before; nothing later refers to them, so they are not fed to the decoder.
    """

    first: int
    last: int
    not_before: int
    wanted: tuple[int, ...]  # ticks, ascending


def on_screen(timeline: Timeline, times_s: Sequence[float]) -> list[int] | NoPicture:
    """The tick of the picture on screen at each time: the last that is not after it."""
    shown = timeline.shown
    if not shown:
        return NoPicture(times_s[0], "it holds no picture")
    end_s = timeline.seconds(timeline.end())
    chosen = []
    for time_s in times_s:
        place = bisect_right(shown, timeline.tick(time_s)) - 1
        if place < 0:
            first_s = timeline.seconds(shown[0])
            return NoPicture(time_s, f"its first picture appears at {first_s:.3f} s")
        if place == len(shown) - 1 and time_s > end_s + LENGTH_TOLERANCE_S:
            return NoPicture(time_s, f"its last picture ends at {end_s:.3f} s")
        chosen.append(shown[place])
    return chosen


def nearest_keyframes(timeline: Timeline, times_s: Sequence[float]) -> list[int] | NoPicture:
    """The tick of the keyframe nearest to each time (the earlier of two), at most 0.5 s away."""
    keys = sorted({p.pts for p in timeline.packets if p.is_key and p.is_shown})
    chosen = []
    for time_s in times_s:
        place = bisect_left(keys, timeline.tick(time_s))
        near = keys[max(place - 1, 0) : place + 2]
        best = min(near, key=lambda tick: abs(timeline.seconds(tick) - time_s), default=None)
        if best is None:
            return NoPicture(time_s, "it holds no keyframe")
        distance_s = abs(timeline.seconds(best) - time_s)
        if distance_s > KEYFRAME_REACH_S:
            return NoPicture(time_s, f"its nearest keyframe is {distance_s:.3f} s away")
        chosen.append(best)
    return chosen


def plan_stretches(timeline: Timeline, ticks: Sequence[int]) -> list[Stretch]:
    """The stretches of packets to decode for some pictures, in decoding order and disjoint.

    Args:
        timeline: The stream.
        ticks: When the pictures appear, ascending.

    Raises:
        LookupError: No keyframe comes before one of them.
    """
    last_at = {packet.pts: i for i, packet in enumerate(timeline.packets)}
    stretches: list[Stretch] = []
    for tick in dict.fromkeys(ticks):
        first = _keyframe_before(timeline.packets, last_at[tick])
        stretch = Stretch(first, last_at[tick], timeline.packets[first].pts, (tick,))
        while stretches and stretch.first <= stretches[-1].last:
            stretch = _joined(stretches.pop(), stretch)
        stretches.append(stretch)
    return stretches


def _joined(earlier: Stretch, later: Stretch) -> Stretch:
    """Two stretches that overlap as one; ``earlier`` is shown before."""
    return Stretch(
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
        if packets[i].is_key and packets[i].pts <= shown_at:
            return i
    raise LookupError(packet)
