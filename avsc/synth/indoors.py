"""Backdrops with a roof: the cabin of a vehicle, a large hall."""

import numpy as np

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
    tone,
)
from avsc.synth.scenery import Backdrop, tree


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
            tree(rng, view, (x + width / 2, 330), rng.uniform(130, 220))
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
