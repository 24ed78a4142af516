"""The five families of picture as tables of rectangles.

A place is a box in one-point perspective. Across it runs x from -1 (left wall) to 1, up it y from
0 (floor) to 1 (ceiling), away z from 0 (at the eye) to 1 (far wall). In the open air the far wall
is as wide as the picture, and y = 1 is the height of a door.
"""

from dataclasses import dataclass

Colour = tuple[int, ...]  # red, green, blue, 0 to 255
Range = tuple[float, float]

COLOURS: dict[str, tuple[Colour, ...]] = {
    "wall": ((196, 190, 178), (170, 176, 178), (190, 172, 150)),
    "floor": ((165, 158, 150), (140, 140, 146), (172, 158, 138)),
    "seat": ((52, 78, 140), (150, 58, 52), (52, 112, 86), (190, 142, 56)),
    "metal": ((214, 180, 62), (196, 196, 200)),
    "stone": ((150, 148, 146), (172, 158, 140)),
    "light": ((252, 248, 234),),
    "dark": ((34, 33, 37),),
    "sign": ((34, 56, 116), (232, 190, 60), (36, 38, 44), (46, 120, 96)),
    "house": ((196, 168, 136), (176, 124, 100), (160, 158, 156), (206, 190, 160)),
    "glow": ((238, 220, 176), (150, 172, 186), (214, 226, 232)),
    "pane": ((84, 98, 116),),
    "ground": ((126, 124, 124), (142, 134, 124)),
    "paint": ((228, 222, 200),),
    "grass": ((104, 128, 66), (128, 130, 80), (150, 142, 96)),
    "path": ((182, 164, 132), (150, 146, 140)),
    "leaf": ((74, 110, 54), (100, 118, 58), (150, 106, 56)),
}
SKIES: tuple[tuple[Colour, Colour], ...] = (  # their top and their foot
    ((106, 150, 205), (206, 220, 232)),
    ((160, 167, 178), (210, 212, 214)),
    ((84, 98, 140), (224, 184, 156)),
)


@dataclass(frozen=True)
class Slab:
    """Rectangles of one kind, flat along one axis; those with x above 0 are on both sides."""

    colour: str
    x: Range
    y: Range
    z: Range = (0, 1)
    shade: float = 1.0  # brightness relative to the place's colour of that name
    own: float = 0.0  # spread of each rectangle's own tone
    columns: int = 1  # number of parts into which x is divided; a place has more or fewer
    rows: int = 1  # number of parts into which z is divided
    share: float = 1.0  # of its part that a rectangle covers; 0: it stands upright in the middle
    only: int = 0  # side of the family (-1, 1) that has it; 0: both
    shift: float = 0.0  # how far a place may move it along x
    window: bool = False  # whether what passes outside shows in it


@dataclass(frozen=True)
class Family:
    """What places of a family have in common."""

    half_width: Range  # of the far wall, pixels
    shape: Range  # the far wall's height by its width
    slabs: tuple[Slab, ...]  # in the order of drawing
    houses: float = 0.0  # chance of a row of houses along the far wall
    roofs: Range = (0, 0)  # their height, pixels
    trees: tuple[int, int] = (0, 0)  # fewest and most
    tree_height: float = 0.0  # in units of y


ALL, WALLS, ON = (-1, 1), (1, 1), (0, 0)  # from wall to wall, both walls, on the floor
UP, WIDE = (0, 1), (-2, 2)  # from floor to ceiling; beyond the picture's edges

CABIN = (
    Slab("wall", ALL, WALLS, shade=1.12),
    Slab("floor", ALL, ON, shade=0.62),
    Slab("wall", WALLS, UP),
    Slab("wall", WALLS, (0, 0.36), shade=0.8),
    Slab("wall", ALL, UP, (1, 1), shade=0.72),
    Slab("wall", (-0.35, 0.35), (0, 0.85), (1, 1), shade=0.5),
    Slab("dark", WALLS, (0.45, 0.84), rows=7, share=0.86),
    Slab("dark", WALLS, (0.47, 0.82), rows=7, share=0.8, window=True),
    Slab("seat", WALLS, (0.1, 0.46), rows=7, share=0.55, own=6),
    Slab("seat", (0.62, 1), (0.2, 0.2), rows=7, share=0.55, shade=0.8),
    Slab("seat", (0.62, 0.62), (0.04, 0.2), rows=7, share=0.55, shade=0.6),
    Slab("light", (0.2, 0.42), WALLS, rows=8, share=0.5),
    Slab("metal", (0.47, 0.49), UP, (0.06, 0.9), rows=6, share=0),
)
HALL = (
    Slab("wall", ALL, WALLS, shade=0.84),
    Slab("floor", ALL, ON),
    Slab("floor", ALL, ON, shade=0.95, rows=12, share=0.5),
    Slab("light", (-0.35, 0.35), WALLS, rows=9, share=0.5),
    Slab("wall", WALLS, UP),
    Slab("glow", WALLS, (0.15, 0.82), rows=9, share=0.85, own=5, only=-1),
    Slab("dark", (-1, -0.55), ON, only=1),
    Slab("paint", (-0.55, -0.47), ON, only=1),
    Slab("wall", ALL, UP, (1, 1), shade=0.9),
    Slab("stone", (0.56, 0.64), UP, (0.06, 0.95), rows=5, share=0),
    Slab("stone", (0.61, 0.64), UP, (0.06, 0.95), rows=5, share=0, shade=0.8),
    Slab("sign", (-0.3, 0.3), (0.72, 0.88), (0.1, 0.8), rows=2, share=0),
    Slab("light", (-0.25, 0.15), (0.82, 0.84), (0.1, 0.8), rows=2, share=0),
)
SHOPS = (
    Slab("wall", ALL, WALLS, shade=1.15, only=-1),
    Slab("light", (0.1, 0.3), WALLS, rows=6, share=0.5, only=-1),
    Slab("floor", ALL, ON),
    Slab("floor", ALL, ON, shade=0.93, rows=14, share=0.5),
    Slab("house", WALLS, UP, rows=7, own=16),
    Slab("glow", WALLS, (0.03, 0.4), rows=7, share=0.84, own=14),
    Slab("sign", WALLS, (0.43, 0.53), rows=7, share=0.94, own=55),
    Slab("pane", WALLS, (0.6, 0.73), rows=14, share=0.6, own=12),
    Slab("pane", WALLS, (0.8, 0.92), rows=14, share=0.6, own=12),
    Slab("house", ALL, (0, 0.9), (1, 1), shade=0.85),
    Slab("pane", (-0.9, 0.9), (0.5, 0.75), (1, 1), columns=6, share=0.6, own=10),
)
FACADES = (
    Slab("ground", WIDE, ON),
    Slab("path", WIDE, ON, (0.7, 1)),
    Slab("ground", WIDE, ON, shade=0.86, rows=14, share=0.08, only=1),
    Slab("ground", WIDE, ON, shade=0.86, columns=60, share=0.06, only=1),
    Slab("stone", (-0.09, 0.09), (0, 1.2), (0.7, 0.7), only=1, shift=0.5),
    Slab("stone", (-0.03, 0.03), (1.2, 4.5), (0.7, 0.7), shade=0.7, only=1, shift=0.5),
    Slab("ground", WIDE, ON, (0, 0.6), shade=0.75, only=-1),
    Slab("paint", WIDE, ON, (0.26, 0.28), columns=24, share=0.5, only=-1),
    Slab("paint", (-0.15, 0.05), ON, (0.08, 0.55), columns=6, share=0.5, only=-1, shift=0.25),
)
GREEN = (
    Slab("grass", WIDE, ON),
    Slab("grass", WIDE, ON, shade=0.92, rows=5, share=0.5),
    Slab("path", (-0.05, 0.05), ON, shift=0.25),
)
FAMILIES: dict[str, Family] = {
    "cabin": Family((52, 80), (0.5, 0.72), CABIN),
    "hall": Family((70, 120), (0.5, 0.75), HALL),
    "shops": Family((54, 90), (0.55, 0.8), SHOPS, trees=(0, 4), tree_height=0.5),
    "facades": Family((240, 270), (0.045, 0.05), FACADES, 1.0, (55, 125), (0, 5), 4.5),
    "green": Family((240, 270), (0.045, 0.05), GREEN, 0.5, (20, 70), (16, 34), 4.0),
}
