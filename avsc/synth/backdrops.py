"""The five families of picture: what of a place stands still, drawn once a location."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avsc.synth.canvas import (
    CANVAS_HEIGHT,
    CANVAS_WIDTH,
    Colour,
    Corridor,
    Picture,
    blank,
    box,
    darker,
    disc,
    gradient,
    line,
    polygon,
    texture,
    tone,
)
from avsc.synth.plan import PictureFamily


@dataclass(frozen=True)
class Backdrop:
    """A place without what moves.

    Attributes:
        picture: uint8 [450, 800, 3].
        horizon: The row people's eyes are at; who is nearer is larger and lower.
        windows: uint8 [450, 800], 255 where a moving outside shows; None where nothing does.
        outside: uint8 [450, W, 3], what scrolls behind the windows, W a multiple of 800.
    """

    picture: Picture
    horizon: float
    windows: NDArray[np.uint8] | None = None
    outside: Picture | None = None


def _sky(rng: np.random.Generator, picture: Picture, bottom: float) -> None:
    kinds: tuple[tuple[Colour, Colour], ...] = (
        ((110, 150, 205), (200, 215, 230)),
        ((165, 170, 178), (205, 207, 210)),
        ((70, 85, 120), (190, 165, 150)),
    )
    upper, lower = kinds[rng.integers(len(kinds))]
    gradient(picture, 0, bottom, tone(rng, upper), tone(rng, lower))
    for _ in range(int(rng.integers(2, 9))):
        centre = (rng.uniform(0, CANVAS_WIDTH), rng.uniform(0, 0.7 * bottom))
        for _ in range(5):
            puff = (centre[0] + rng.normal(0, 35), centre[1] + rng.normal(0, 6))
            disc(picture, puff, (rng.uniform(15, 50), rng.uniform(4, 11)), tone(rng, lower, 6))


def _tree(rng: np.random.Generator, picture: Picture, foot: tuple[float, float], h: float) -> None:
    leaf: Colour = tone(rng, ((70, 105, 45), (95, 110, 50), (135, 95, 45))[rng.integers(3)], 12)
    x, y = foot
    box(picture, (x - h * 0.025, y - h * 0.5), (x + h * 0.025, y), tone(rng, (80, 62, 48), 10))
    for _ in range(16):
        blob = (x + rng.normal(0, 0.14) * h, y - h * rng.uniform(0.38, 0.95))
        size = h * rng.uniform(0.07, 0.16)
        disc(picture, blob, (size, size * 0.8), tone(rng, leaf, 14))


def _window_grid(
    rng: np.random.Generator,
    picture: Picture,
    edges: tuple[float, float, float, float],
    wall: Colour,
) -> None:
    left, top, right, bottom = edges
    columns = max(2, int((right - left) / rng.uniform(24, 46)))
    rows = max(2, int((bottom - top) / rng.uniform(34, 56)))
    glass = tone(rng, (70, 82, 98), 20)
    lit = rng.uniform(0, 0.35)
    wide, high = (right - left) / columns, (bottom - top) / rows
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.25) * wide, top + (row + 0.22) * high
            pane = tone(rng, (235, 205, 140) if rng.random() < lit else glass, 8)
            box(
                picture,
                (x - 2, y - 2),
                (x + 0.5 * wide + 2, y + 0.6 * high + 2),
                darker(wall, 1.15),
            )
            box(picture, (x, y), (x + 0.5 * wide, y + 0.6 * high), pane)


def cabin(rng: np.random.Generator, lean: float) -> Backdrop:
    """Inside a vehicle: windows, seats, poles; dark outside (lean -1) or daylight (1)."""
    room = Corridor.draw(rng, (85, 130))
    wall = tone(rng, (176, 178, 172), 26)
    picture = blank(wall)
    windows = np.zeros(picture.shape[:2], np.uint8)
    polygon(picture, room.strip((0, 1), (-1, 1), 0), tone(rng, (92, 92, 98), 18))
    polygon(picture, room.strip((0, 1), (-1, 1), 1), darker(wall, 1.12))
    seat = tone(rng, ((40, 70, 140), (150, 45, 45), (40, 110, 80), (190, 140, 40))[rng.integers(4)])
    step = rng.uniform(0.1, 0.17)
    for side in (-1, 1):
        polygon(picture, room.quad(side, (0, 1), (0, 0.34)), darker(wall, 0.8))
        for depth in np.arange(0.02, 0.97, step):
            pane = room.quad(side, (depth, min(depth + 0.82 * step, 1)), (0.46, 0.83))
            polygon(picture, pane, (30, 30, 34))
            inner = room.quad(side, (depth + 0.012, min(depth + 0.8 * step, 1)), (0.48, 0.81))
            polygon(windows, inner, (255,))
            rest = room.quad(side, (depth, min(depth + 0.5 * step, 1)), (0.1, 0.44))
            polygon(picture, rest, tone(rng, seat, 8))
            front = room.strip((depth, min(depth + 0.5 * step, 1)), (side * 0.6, side), 0.2)
            polygon(picture, front, darker(seat, 0.75))
    _cabin_fittings(rng, picture, room, wall)
    night = rng.random() < 0.5 - 0.4 * lean
    return Backdrop(picture, room.y, windows, _passing_view(rng, night))


def _cabin_fittings(
    rng: np.random.Generator, picture: Picture, room: Corridor, wall: Colour
) -> None:
    far = [room.across(1, -1, 0), room.across(1, 1, 0), room.across(1, 1, 1), room.across(1, -1, 1)]
    polygon(picture, far, darker(wall, 0.7))
    polygon(picture, room.strip((1, 1), (-0.4, 0.4), 0.5), (40, 40, 44))
    door = [room.across(1, a, h) for a, h in ((-0.35, 0), (0.35, 0), (0.35, 0.85), (-0.35, 0.85))]
    polygon(picture, door, darker(wall, 0.5))
    metal = tone(rng, ((225, 190, 40), (200, 200, 205))[rng.integers(2)], 12)
    for depth in np.arange(0.04, 0.9, rng.uniform(0.12, 0.2)):
        width = max(1, 7 / (0.4 + 4 * depth))
        for across in (-0.5, 0.5):
            line(
                picture, room.across(depth, across, 0), room.across(depth, across, 1), metal, width
            )
            lamp = room.strip((depth, depth + 0.05), (across * 0.5 - 0.1, across * 0.5 + 0.1), 1)
            polygon(picture, lamp, (250, 248, 235))
            strap = room.across(depth + 0.03, across * 0.8, 0.8)
            disc(picture, strap, (width * 1.4, width * 1.8), darker(metal, 0.7))


def _passing_view(rng: np.random.Generator, night: bool) -> Picture:
    view = np.full((CANVAS_HEIGHT, 2 * CANVAS_WIDTH, 3), (22, 22, 28), np.uint8)
    if night:
        for x in np.arange(0, 2 * CANVAS_WIDTH, rng.uniform(150, 300)):
            box(view, (x, 120), (x + 26, 150), (255, 240, 190))
            box(view, (x + 60, 0), (x + 75, CANVAS_HEIGHT), (44, 42, 46))
        return view
    gradient(view, 0, CANVAS_HEIGHT, tone(rng, (180, 200, 225)), tone(rng, (150, 150, 140)))
    x = 0.0
    while x < 2 * CANVAS_WIDTH:
        width = rng.uniform(60, 190)
        facade = tone(rng, (150, 135, 120), 34)
        box(view, (x, rng.uniform(60, 200)), (x + width, CANVAS_HEIGHT), facade)
        if rng.random() < 0.4:
            _tree(rng, view, (x + width / 2, 330), rng.uniform(130, 220))
        x += width + rng.uniform(0, 40)
    return view


def hall(rng: np.random.Generator, lean: float) -> Backdrop:
    """A large hall: columns, lamps, signs; window walls (lean -1) or a platform edge (1)."""
    room = Corridor.draw(rng, (120, 200))
    wall = tone(rng, (188, 184, 176), 26)
    picture = blank(wall)
    floor = tone(rng, (165, 160, 155), 26)
    polygon(picture, room.strip((0, 1), (-1, 1), 1), darker(wall, 0.82))
    polygon(picture, room.strip((0, 1), (-1, 1), 0), floor)
    for depth in np.geomspace(0.02, 1, 16):
        a, b = room.across(depth, -1, 0), room.across(depth, 1, 0)
        line(picture, a, b, darker(floor, 0.86), 1)
        lamp = room.strip((depth, min(depth * 1.2, 1)), (-0.35, 0.35), 1)
        polygon(picture, lamp, (252, 250, 240))
        polygon(picture, room.strip((depth, depth * 1.2), (-0.3, 0.3), 0), darker(floor, 1.1))
    if rng.random() < 0.5 - 0.35 * lean:
        for depth in np.geomspace(0.02, 0.8, 12):
            pane = room.quad(1, (depth, depth * 1.28), (0.15, 0.8))
            polygon(picture, pane, tone(rng, (190, 210, 228), 8))
    if rng.random() < 0.5 + 0.35 * lean:
        polygon(picture, room.strip((0, 1), (-1, -0.55), 0), (38, 36, 38))
        polygon(picture, room.strip((0, 1), (-0.55, -0.45), 0), tone(rng, (225, 195, 60), 10))
    _hall_fittings(rng, picture, room, wall)
    return Backdrop(picture, room.y)


def _hall_fittings(
    rng: np.random.Generator, picture: Picture, room: Corridor, wall: Colour
) -> None:
    column = tone(rng, (150, 148, 146), 26)
    depths = np.geomspace(0.05, 0.9, 6)[::-1]
    for depth in depths:
        for side in (-0.62, 0.62):
            foot, top = room.across(depth, side, 0), room.across(depth, side, 1)
            width = 9 / (0.1 + depth)
            box(picture, (foot[0] - width / 2, top[1]), (foot[0] + width / 2, foot[1]), column)
            box(picture, (foot[0], top[1]), (foot[0] + width / 2, foot[1]), darker(column, 0.8))
    board = tone(rng, ((25, 45, 110), (235, 195, 40), (30, 30, 34))[rng.integers(3)], 10)
    for depth in (0.5, 0.2):
        corners = [
            room.across(depth, a, h)
            for a, h in ((-0.3, 0.72), (0.3, 0.72), (0.3, 0.88), (-0.3, 0.88))
        ]
        polygon(picture, corners, board)
        for row in (0.77, 0.83):
            ends = room.across(depth, -0.26, row), room.across(depth, rng.uniform(0, 0.26), row)
            line(picture, *ends, (245, 245, 235), 2)
    far = [room.across(1, a, h) for a, h in ((-1, 0), (1, 0), (1, 1), (-1, 1))]
    polygon(picture, far, darker(wall, 0.9))


def shops(rng: np.random.Generator, lean: float) -> Backdrop:
    """Rows of shops on both sides; a ceiling above (lean -1) or the sky (1)."""
    room = Corridor.draw(rng, (90, 150))
    picture = blank((200, 200, 200))
    open_air = rng.random() < 0.5 + 0.35 * lean
    if open_air:
        _sky(rng, picture, CANVAS_HEIGHT * 0.6)
    else:
        polygon(picture, room.strip((0, 1), (-1, 1), 1), tone(rng, (225, 222, 215), 12))
    ground = tone(rng, (160, 150, 140), 26)
    polygon(picture, room.strip((0, 1), (-1, 1), 0), ground)
    for depth in np.geomspace(0.02, 1, 18):
        ends = room.across(depth, -1, 0), room.across(depth, 1, 0)
        line(picture, *ends, darker(ground, 0.88), 1)
    for side in (-1, 1):
        _shop_row(rng, picture, room, side)
    far = [room.across(1, a, h) for a, h in ((-1, 0), (1, 0), (1, 0.9), (-1, 0.9))]
    polygon(picture, far, tone(rng, (150, 145, 140), 20))
    for depth in np.geomspace(0.6, 0.1, 4):
        foot = room.across(depth, rng.choice([-0.55, 0.55]), 0)
        height = 2 * room.half_height / (0.07 + 0.93 * depth)
        if rng.random() < 0.45:
            _tree(rng, picture, foot, 0.5 * height)
    return Backdrop(picture, room.y)


def _shop_row(rng: np.random.Generator, picture: Picture, room: Corridor, side: int) -> None:
    bounds = [0.0, *np.geomspace(0.05, 1, int(rng.integers(6, 10)))]
    for near, far in reversed(list(pairwise(bounds))):
        wall = tone(rng, (178, 162, 146), 34)
        polygon(picture, room.quad(side, (near, far), (0, 1.0)), wall)
        inset = 0.08 * (far - near)
        glow = tone(rng, ((235, 220, 180), (120, 140, 155), (210, 225, 235))[rng.integers(3)])
        polygon(picture, room.quad(side, (near + inset, far - inset), (0.03, 0.4)), glow)
        sign = tuple(int(c) for c in rng.integers(20, 240, 3))
        polygon(picture, room.quad(side, (near, far), (0.42, 0.54)), (sign[0], sign[1], sign[2]))
        for row in (0.62, 0.8):
            pane = room.quad(side, (near + 2 * inset, far - 2 * inset), (row, row + 0.11))
            polygon(picture, pane, tone(rng, (95, 105, 118), 16))


def facades(rng: np.random.Generator, lean: float) -> Backdrop:
    """Open ground before a row of houses; lanes (lean -1) or paving and a monument (1)."""
    picture = blank((180, 180, 180))
    horizon = CANVAS_HEIGHT * rng.uniform(0.5, 0.62)
    _sky(rng, picture, horizon)
    x = rng.uniform(-80, 0)
    while x < CANVAS_WIDTH:
        width = rng.uniform(90, 230)
        top = horizon * rng.uniform(0.12, 0.62)
        wall = tone(rng, ((196, 172, 140), (150, 146, 142), (172, 120, 96))[rng.integers(3)], 18)
        box(picture, (x, top), (x + width, horizon + 8), wall)
        box(picture, (x, top - 7), (x + width, top), darker(wall, 0.6))
        _window_grid(rng, picture, (x + 4, top + 6, x + width - 4, horizon - 26), wall)
        box(picture, (x + 6, horizon - 22), (x + width - 6, horizon + 6), darker(wall, 0.45))
        x += width + (rng.uniform(10, 70) if rng.random() < 0.25 else 0)
    ground = tone(rng, (122, 120, 120), 22)
    box(picture, (0, horizon + 6), (CANVAS_WIDTH, CANVAS_HEIGHT), ground)
    if rng.random() < 0.5 - 0.4 * lean:
        _lanes(rng, picture, horizon)
    else:
        _paving(rng, picture, horizon, ground)
    for _ in range(int(rng.integers(0, 5))):
        foot = (rng.uniform(0, CANVAS_WIDTH), horizon + rng.uniform(8, 60))
        _tree(rng, picture, foot, rng.uniform(90, 210))
    return Backdrop(picture, horizon - 6)


def _lanes(rng: np.random.Generator, picture: Picture, horizon: float) -> None:
    box(picture, (0, horizon + 6), (CANVAS_WIDTH, horizon + 20), tone(rng, (165, 162, 158), 10))
    for y, high in ((horizon + 62, 3), (horizon + 118, 5)):
        for x in np.arange(rng.uniform(-80, 0), CANVAS_WIDTH, 130):
            box(picture, (x, y), (x + 66, y + high), (228, 226, 215))
    if rng.random() < 0.5:
        x = rng.uniform(150, 600)
        for number in range(6):
            left = x + 24 * number
            corners = [
                (left, horizon + 22), (left + 12, horizon + 22),
                (left + 60, CANVAS_HEIGHT), (left + 30, CANVAS_HEIGHT),
            ]  # fmt: skip
            polygon(picture, corners, (225, 224, 216))


def _paving(rng: np.random.Generator, picture: Picture, horizon: float, ground: Colour) -> None:
    joint = darker(ground, 0.84)
    for y in horizon + 6 + np.geomspace(4, CANVAS_HEIGHT - horizon, 9):
        line(picture, (0, y), (CANVAS_WIDTH, y), joint, 1)
    for x in np.linspace(-1600, 2400, 41):
        line(picture, (400 + (x - 400) * 0.25, horizon + 6), (x, CANVAS_HEIGHT), joint, 1)
    x, foot = rng.uniform(200, 600), horizon + rng.uniform(30, 70)
    stone = tone(rng, (140, 138, 132), 14)
    box(picture, (x - 40, foot - 40), (x + 40, foot), stone)
    box(picture, (x - 52, foot - 6), (x + 52, foot + 6), darker(stone, 0.8))
    edges = ((-16, 40), (16, 40), (4, 150), (-6, 150))
    polygon(picture, [(x + a, foot - h) for a, h in edges], darker(stone, 0.62))
    disc(picture, (x - 1, foot - 156), (11, 13), darker(stone, 0.6))


def green(rng: np.random.Generator, lean: float) -> Backdrop:
    """A park: grass, a path, trees, perhaps water and houses behind."""
    del lean  # no other scene shares this family
    picture = blank((180, 180, 180))
    horizon = CANVAS_HEIGHT * rng.uniform(0.42, 0.58)
    _sky(rng, picture, horizon + 10)
    if rng.random() < 0.5:
        for x in range(0, CANVAS_WIDTH, 110):
            wall = tone(rng, (165, 150, 138), 20)
            top = horizon - rng.uniform(30, 120)
            box(picture, (x, top), (x + 100, horizon + 5), wall)
            _window_grid(rng, picture, (x + 4, top + 4, x + 96, horizon), wall)
    for foot_x in range(-20, CANVAS_WIDTH + 20, 34):
        if rng.random() < 0.75:
            _tree(rng, picture, (foot_x + rng.normal(0, 12), horizon + 8), rng.uniform(50, 130))
    grass = tone(rng, ((105, 125, 62), (128, 124, 76), (150, 138, 98))[rng.integers(3)], 14)
    gradient(picture, horizon + 6, CANVAS_HEIGHT, darker(grass, 1.1), darker(grass, 0.8))
    texture(rng, picture, 5, 0.07, top=round(horizon + 6))
    _path(rng, picture, horizon)
    for _ in range(int(rng.integers(2, 5))):
        foot_y = horizon + rng.uniform(20, 130)
        _tree(rng, picture, (rng.uniform(0, CANVAS_WIDTH), foot_y), 120 + 1.6 * (foot_y - horizon))
    return Backdrop(picture, horizon - 4)


def _path(rng: np.random.Generator, picture: Picture, horizon: float) -> None:
    colour = tone(rng, ((178, 160, 130), (140, 138, 135))[rng.integers(2)], 12)
    y = np.linspace(horizon + 6, CANVAS_HEIGHT, 24)
    near = (y - y[0]) / (y[-1] - y[0])
    middle = rng.uniform(250, 550) + rng.uniform(-220, 220) * np.sin(near * rng.uniform(1, 3.5))
    half = 5 + rng.uniform(60, 170) * near
    left = list(zip((middle - half).tolist(), y.tolist(), strict=True))
    right = list(zip((middle + half).tolist(), y.tolist(), strict=True))
    polygon(picture, left + right[::-1], colour)
    if rng.random() < 0.5:
        water = (rng.uniform(100, 700), horizon + rng.uniform(40, 80))
        disc(picture, water, (rng.uniform(90, 200), rng.uniform(10, 26)), tone(rng, (95, 120, 135)))


FAMILIES: dict[PictureFamily, Callable[[np.random.Generator, float], Backdrop]] = {
    "cabin": cabin,
    "hall": hall,
    "shops": shops,
    "facades": facades,
    "green": green,
}
