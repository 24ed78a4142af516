"""Backdrops along a street: shop fronts, facades, a park."""

from itertools import pairwise

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
    texture,
    tone,
)
from avsc.synth.scenery import Backdrop, sky, tree, window_grid


def shops(rng: np.random.Generator, lean: float) -> Backdrop:
    """Rows of shops on both sides; a ceiling above (lean -1) or the sky (1)."""
    room = Corridor.draw(rng, (90, 150))
    picture = blank((200, 200, 200))
    open_air = rng.random() < 0.5 + 0.35 * lean
    if open_air:
        sky(rng, picture, CANVAS_HEIGHT * 0.6)
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
            tree(rng, picture, foot, 0.5 * height)
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
    sky(rng, picture, horizon)
    x = rng.uniform(-80, 0)
    while x < CANVAS_WIDTH:
        width = rng.uniform(90, 230)
        top = horizon * rng.uniform(0.12, 0.62)
        wall = tone(rng, ((196, 172, 140), (150, 146, 142), (172, 120, 96))[rng.integers(3)], 18)
        box(picture, (x, top), (x + width, horizon + 8), wall)
        box(picture, (x, top - 7), (x + width, top), darker(wall, 0.6))
        window_grid(rng, picture, (x + 4, top + 6, x + width - 4, horizon - 26), wall)
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
        tree(rng, picture, foot, rng.uniform(90, 210))
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
    sky(rng, picture, horizon + 10)
    if rng.random() < 0.5:
        for x in range(0, CANVAS_WIDTH, 110):
            wall = tone(rng, (165, 150, 138), 20)
            top = horizon - rng.uniform(30, 120)
            box(picture, (x, top), (x + 100, horizon + 5), wall)
            window_grid(rng, picture, (x + 4, top + 4, x + 96, horizon), wall)
    for foot_x in range(-20, CANVAS_WIDTH + 20, 34):
        if rng.random() < 0.75:
            tree(rng, picture, (foot_x + rng.normal(0, 12), horizon + 8), rng.uniform(50, 130))
    grass = tone(rng, ((105, 125, 62), (128, 124, 76), (150, 138, 98))[rng.integers(3)], 14)
    gradient(picture, horizon + 6, CANVAS_HEIGHT, darker(grass, 1.1), darker(grass, 0.8))
    texture(rng, picture, 5, 0.07, top=round(horizon + 6))
    _path(rng, picture, horizon)
    for _ in range(int(rng.integers(2, 5))):
        foot_y = horizon + rng.uniform(20, 130)
        tree(rng, picture, (rng.uniform(0, CANVAS_WIDTH), foot_y), 120 + 1.6 * (foot_y - horizon))
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
