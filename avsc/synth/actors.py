"""What moves through a picture: people, vehicles, and now and then someone before the lens."""

from dataclasses import dataclass

import numpy as np

from avsc.synth.canvas import (
    CANVAS_HEIGHT,
    CANVAS_WIDTH,
    Colour,
    Picture,
    box,
    darker,
    disc,
    line,
    polygon,
    tone,
)

FPS = 30_000 / 1001
_CLOTHES: tuple[Colour, ...] = (
    (40, 44, 60), (120, 40, 44), (70, 90, 60), (170, 160, 140), (30, 30, 34), (60, 90, 140),
    (190, 60, 50), (215, 210, 200),
)  # fmt: skip
_SKIN: tuple[Colour, ...] = ((224, 184, 156), (186, 140, 110), (120, 84, 62))


@dataclass(frozen=True)
class Walker:
    """Someone who crosses the picture, sways in place, or comes nearer."""

    x: float  # canvas pixels at the clip's begin
    speed: float  # canvas pixels a second
    size: float  # height in canvas pixels
    growth: float  # of size, a second
    coat: Colour
    legs: Colour
    skin: Colour
    pace_hz: float
    phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator, walks: bool) -> "Walker":
        """A random person; ``walks`` or stands."""
        size = float(np.exp(rng.uniform(np.log(55), np.log(260))))
        speed = rng.choice([-1, 1]) * size * rng.uniform(0.25, 0.6) if walks else 0.0
        return cls(
            rng.uniform(0, CANVAS_WIDTH),
            float(speed),
            size,
            float(rng.normal(0, 0.03)) if walks else 0.0,
            tone(rng, _CLOTHES[rng.integers(len(_CLOTHES))], 12),
            tone(rng, _CLOTHES[rng.integers(len(_CLOTHES))], 12),
            tone(rng, _SKIN[rng.integers(len(_SKIN))], 8),
            rng.uniform(0.8, 1.2),
            rng.uniform(0, 6.28),
        )

    def show(self, picture: Picture, t_s: float, horizon: float) -> None:
        """Draws the person at a time; eyes are at the horizon, so feet show the distance."""
        h = self.size * float(np.exp(self.growth * t_s))
        span = CANVAS_WIDTH + h
        x = (self.x + self.speed * t_s) % span - h / 2
        swing = np.sin(2 * np.pi * self.pace_hz * t_s + self.phase) * (0.12 if self.speed else 0.02)
        top = horizon - 0.08 * h + (0.01 * h * np.cos(2 * swing / 0.12) if self.speed else 0)
        hip, feet = top + 0.52 * h, top + h
        for sign in (-1, 1):
            foot = (x + sign * swing * h, feet)
            line(picture, (x + sign * 0.03 * h, hip), foot, self.legs, 0.08 * h)
            hand = (x - sign * swing * h * 0.8 + sign * 0.1 * h, hip - 0.02 * h)
            line(
                picture,
                (x + sign * 0.09 * h, top + 0.2 * h),
                hand,
                darker(self.coat, 0.8),
                0.05 * h,
            )
        shoulders, waist = 0.12 * h, 0.09 * h
        polygon(
            picture,
            [
                (x - shoulders, top + 0.17 * h),
                (x + shoulders, top + 0.17 * h),
                (x + waist, hip + 0.04 * h),
                (x - waist, hip + 0.04 * h),
            ],
            self.coat,
        )
        disc(picture, (x, top + 0.08 * h), (0.052 * h, 0.07 * h), self.skin)
        disc(picture, (x, top + 0.045 * h), (0.052 * h, 0.04 * h), darker(self.legs, 0.6))


@dataclass(frozen=True)
class Vehicle:
    """A car or a van that drives across."""

    begin_s: float
    speed: float  # canvas pixels a second, the sign is the direction
    size: float  # length in canvas pixels
    lane: float  # wheels' rows below the horizon
    tall: float
    paint: Colour

    @classmethod
    def draw(cls, rng: np.random.Generator, seconds: float) -> "Vehicle":
        """A random one that passes within the clip."""
        near = rng.random() < 0.5
        size = rng.uniform(190, 270) * (1.35 if near else 1.0)
        return cls(
            rng.uniform(-1, seconds),
            float(rng.uniform(160, 380) * (1 if near else -1)),
            size,
            rng.uniform(96, 125) if near else rng.uniform(44, 58),
            rng.choice([0.36, 0.55], p=[0.8, 0.2]),
            tone(
                rng, ((190, 190, 194), (40, 42, 48), (150, 30, 32), (40, 70, 130))[rng.integers(4)]
            ),
        )

    def show(self, picture: Picture, t_s: float, horizon: float) -> None:
        """Draws the vehicle at a time."""
        along = (t_s - self.begin_s) * abs(self.speed) - self.size
        if not 0 < along + self.size < CANVAS_WIDTH + 2 * self.size:
            return
        left = along if self.speed > 0 else CANVAS_WIDTH - along - self.size
        long, ground = self.size, horizon + self.lane
        high = self.tall * long
        box(picture, (left, ground - 0.62 * high), (left + long, ground - 0.06 * long), self.paint)
        roof = 0.18 if self.tall < 0.5 else 0.05
        end = 1 - roof / 2
        cabin = [(roof, 0.6), (roof + 0.08, 1.0), (0.92 - roof, 1.0), (end - 0.02, 0.6)]
        polygon(picture, [(left + a * long, ground - b * high) for a, b in cabin], self.paint)
        glass = [
            (roof + 0.04, 0.62),
            (roof + 0.1, 0.93),
            (0.9 - roof, 0.93),
            (0.93 - roof / 2, 0.62),
        ]
        polygon(picture, [(left + a * long, ground - b * high) for a, b in glass], (52, 60, 70))
        for a in (0.2, 0.8):
            disc(picture, (left + a * long, ground), (0.075 * long, 0.075 * long), (24, 24, 26))
            disc(picture, (left + a * long, ground), (0.04 * long, 0.04 * long), (120, 120, 124))


@dataclass(frozen=True)
class Occlusion:
    """Someone's back, close before the lens for a second or two."""

    middle_s: float
    half_s: float
    coat: Colour
    direction: float

    @classmethod
    def draw(cls, rng: np.random.Generator, seconds: float) -> "Occlusion":
        """A random one within the clip."""
        coat = tone(rng, _CLOTHES[rng.integers(len(_CLOTHES))], 12)
        half_s = rng.uniform(0.6, 1.4)
        return cls(rng.uniform(0, seconds), half_s, coat, float(rng.choice([-1, 1])))

    def show(self, picture: Picture, t_s: float) -> None:
        """Draws the back at a time."""
        phase = (t_s - self.middle_s) / self.half_s
        if abs(phase) > 1.6:
            return
        x = CANVAS_WIDTH * (0.5 + 0.75 * self.direction * phase)
        disc(picture, (x, CANVAS_HEIGHT * 0.95), (400, 430), self.coat)
        disc(picture, (x + 60, CANVAS_HEIGHT * 1.0), (250, 380), darker(self.coat, 0.82))
        disc(picture, (x, CANVAS_HEIGHT * 0.12), (130, 160), darker(self.coat, 0.4))
