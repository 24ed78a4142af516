"""A clip's pictures: its location's backdrop, what moves before it, and the camera."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from avsc.synth.actors import FPS, Occlusion, Vehicle, Walker
from avsc.synth.backdrops import FAMILIES
from avsc.synth.canvas import CANVAS_HEIGHT, CANVAS_WIDTH, Picture, texture
from avsc.synth.plan import CHARACTERS, ClipPlan, PictureFamily, Place, generator
from avsc.synth.scenery import Backdrop

OCCLUSIONS_PER_S = 0.06
NOISE_SHIFTS = 16  # one field of noise, shifted from picture to picture
NOISE_ZERO = 128
STAGE_WIDTH, STAGE_HEIGHT = (
    CANVAS_WIDTH // 2,
    CANVAS_HEIGHT // 2,
)  # what moves is drawn at half size
PEOPLE: dict[PictureFamily, float] = {
    "cabin": 4.0, "hall": 5.0, "shops": 6.0, "facades": 3.0, "green": 1.5,
}  # fmt: skip


@dataclass(frozen=True)
class Camera:
    """How a location's camera changes every picture."""

    curves: NDArray[np.uint8]  # [1, 256, 3]: exposure, contrast and cast of each channel
    vignette: NDArray[np.uint8]  # [H, W, 3], 255 leaves a pixel as it is
    blur: float  # canvas pixels
    noise: NDArray[np.uint8]  # [H + NOISE_SHIFTS, W + NOISE_SHIFTS, 3] around NOISE_ZERO


def make_camera(seed: int, place: Place, size: tuple[int, int]) -> Camera:
    """The camera of a location for pictures of (width, height)."""
    rng = generator(seed, place.name, "camera")
    width, height = size
    level = np.linspace(0, 1, 256)[:, None]
    cast = np.exp(rng.normal(0, 0.11, 3))
    cast /= cast.mean()
    gamma, exposure = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(-0.08, 0.22))
    curves = np.clip(255 * exposure * cast * level**gamma + rng.uniform(0, 20), 0, 255)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    vignette = 1 - rng.uniform(0, 0.35) * (x**2 + y**2) / 2
    strength = rng.uniform(2, 9)
    noise_size = (height + NOISE_SHIFTS, width + NOISE_SHIFTS, 3)
    noise = rng.normal(NOISE_ZERO, strength, noise_size)
    return Camera(
        curves.astype(np.uint8)[None],
        np.repeat(np.round(255 * vignette).astype(np.uint8)[..., None], 3, axis=2),
        float(rng.uniform(0.6, 3.0)),
        np.clip(noise, 0, 255).astype(np.uint8),
    )


def make_backdrop(seed: int, place: Place) -> Backdrop:
    """What of a location stands still."""
    character = CHARACTERS[place.scene]
    rng = generator(seed, place.name, "backdrop")
    backdrop = FAMILIES[character.picture](rng, character.picture_lean)
    texture(rng, backdrop.picture, 60, 0.07)
    texture(rng, backdrop.picture, 3, 0.03)
    return backdrop


@lru_cache(maxsize=2)  # the clips of a location follow one another
def _stage(seed: int, place: Place, size: tuple[int, int]) -> tuple[Backdrop, Camera]:
    """A location's backdrop at the size of the stage, seen through its lens; and its camera."""
    backdrop, camera = make_backdrop(seed, place), make_camera(seed, place, size)
    picture = cv2.GaussianBlur(backdrop.picture, (0, 0), camera.blur)
    if backdrop.windows is None or backdrop.outside is None:
        return replace(backdrop, picture=_halved(picture)), camera
    # Twice side by side, so that any piece of the endless view is one slice.
    outside = np.hstack([_halved(backdrop.outside)] * 2)
    windows = _halved(backdrop.windows)
    return replace(backdrop, picture=_halved(picture), windows=windows, outside=outside), camera


def _halved(picture: cv2.typing.MatLike) -> NDArray[np.uint8]:
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class Action:
    """All that a clip shows beyond its location."""

    walkers: list[Walker]
    vehicles: list[Vehicle]
    occlusions: list[Occlusion]
    framing: NDArray[np.float32]  # [8] in -1 to 1: offsets, zoom, sway
    scroll: float  # stage pixels a second of what is behind a cabin's windows

    @classmethod
    def draw(cls, seed: int, clip: ClipPlan, seconds: float) -> "Action":
        """A clip's people, vehicles and framing."""
        rng = generator(seed, clip.id, "picture")
        scene, family = clip.place.scene, CHARACTERS[clip.place.scene].picture
        people = rng.poisson(PEOPLE[family])
        walks = family != "cabin"
        walkers = [Walker.draw(rng, walks and rng.random() < 0.8) for _ in range(people)]
        cars = {"street_traffic": 0.35, "public_square": 0.08}.get(scene, 0.0)
        return cls(
            sorted(walkers, key=lambda walker: walker.size),
            [Vehicle.draw(rng, seconds) for _ in range(rng.poisson(cars * seconds))],
            [Occlusion.draw(rng, seconds) for _ in range(rng.poisson(OCCLUSIONS_PER_S * seconds))],
            rng.uniform(-1, 1, 8).astype(np.float32),
            float(rng.uniform(80, 300)),
        )


def make_pictures(
    seed: int, clip: ClipPlan, size: tuple[int, int], seconds: int = 10
) -> Iterator[Picture]:
    """The frames of a clip at 29.97 a second, each uint8 [height, width, 3].

    Every other frame repeats the one before, as a camera does that exposes for a fifteenth of a
    second; that halves the time it takes.
    """
    action = Action.draw(seed, clip, seconds)
    for index in range(0, round(seconds * FPS), 2):
        picture = _frame(seed, clip.place, action, index, size)
        yield picture
        if index + 1 < round(seconds * FPS):
            yield picture


def make_picture(seed: int, clip: ClipPlan, size: tuple[int, int], t_s: float = 0.0) -> Picture:
    """One frame of a ten-second clip, uint8 [height, width, 3]."""
    return _frame(seed, clip.place, Action.draw(seed, clip, 10), round(t_s * FPS), size)


def _frame(seed: int, place: Place, action: Action, index: int, size: tuple[int, int]) -> Picture:
    t_s = index / FPS
    backdrop, camera = _stage(seed, place, size)
    stage = backdrop.picture.copy()
    if backdrop.windows is not None and backdrop.outside is not None:
        shift = round(action.scroll * t_s) % (backdrop.outside.shape[1] // 2)
        view = backdrop.outside[:, shift : shift + STAGE_WIDTH]
        cv2.copyTo(view, backdrop.windows, stage)
    for vehicle in action.vehicles:
        vehicle.show(stage, t_s, backdrop.horizon)
    for walker in action.walkers:
        walker.show(stage, t_s, backdrop.horizon)
    for occlusion in action.occlusions:
        occlusion.show(stage, t_s)
    return _photographed(stage, _view(action.framing, t_s, size), camera, index)


def _view(framing: NDArray[np.float32], t_s: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """The affine map [2, 3] from the stage to the picture: framing and a hand's sway."""
    sway = (
        2.5 * (1 + 0.5 * framing[0:2]) * np.sin((0.6 + 0.3 * framing[2:4]) * t_s + 3 * framing[4:6])
    )
    zoom = 1.12 + 0.08 * float(framing[6])
    scale_x, scale_y = size[0] / STAGE_WIDTH * zoom, size[1] / STAGE_HEIGHT * zoom
    x = STAGE_WIDTH / 2 + 7 * float(framing[7]) + float(sway[0])
    y = STAGE_HEIGHT / 2 + 4 * float(framing[5]) + float(sway[1]) / 2
    return np.array(
        [[scale_x, 0, size[0] / 2 - scale_x * x], [0, scale_y, size[1] / 2 - scale_y * y]]
    )


def _photographed(stage: Picture, view: NDArray[np.float64], camera: Camera, index: int) -> Picture:
    height, width = camera.vignette.shape[:2]
    picture = cv2.warpAffine(stage, view, (width, height), borderMode=cv2.BORDER_REPLICATE)
    picture = cv2.multiply(cv2.LUT(picture, camera.curves), camera.vignette, scale=1 / 255)
    down, right = 7 * index % NOISE_SHIFTS, 11 * index // 2 % NOISE_SHIFTS
    noise = camera.noise[down : down + height, right : right + width]
    return np.asarray(cv2.addWeighted(picture, 1, noise, 1, -NOISE_ZERO), np.uint8)
