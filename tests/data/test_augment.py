"""Legend: n images, H, W their lines and columns, Z the side of the result."""

from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from avsc.data import augment, augment_gpu, rng
from avsc.data.augment import Augmentations
from avsc.recipe_augment import AugmentRecipe

Pixels = NDArray[np.uint8]

OFF = AugmentRecipe(
    crop_scale_min=1, crop_ratio_max=1, flip=0, brightness=0, contrast=0, saturation=0
)
STRONG = AugmentRecipe(crop_scale_min=0.08, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.3)


def photo(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture with detail at all scales."""
    rng = np.random.default_rng(seed)
    layers = []
    for cell in (1, 4, 16, 64):
        shape = (-(-height // cell), -(-width // cell), 3)
        coarse = rng.normal(0, 12 * cell**0.35, shape).astype(np.float32)
        layers.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    values = np.clip(128 + np.sum(layers, axis=0), 0, 255)
    return np.asarray(values, np.uint8)


def uniform(n: int, seed: int = 0) -> NDArray[np.float64]:
    return rng.generator(seed, 0, rng.Purpose.AUGMENT).random((n, augment.DRAWS))


def on_host(image: Pixels, todo: Augmentations, i: int, side: int, colour: bool = True) -> Pixels:
    scaled, out = (np.empty((side, side, 3), np.uint8) for _ in range(2))
    augment.crop_resize(image, todo.box[i], bool(todo.flip[i]), scaled)
    if not colour:
        return scaled
    augment.jitter(scaled, augment.colour_maps(todo.colour)[i], out)
    return out


def apart(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.abs(np.asarray(one, np.int64) - np.asarray(other, np.int64))


@given(
    st.integers(16, 400),
    st.integers(16, 400),
    st.integers(8, 128),
    st.floats(0.01, 1),
    st.floats(1, 3),
    st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_every_crop_lies_within_its_image(
    height: int, width: int, side: int, scale: float, ratio: float, seed: int
) -> None:
    recipe = AugmentRecipe(crop_scale_min=scale, crop_ratio_max=ratio)
    box = augment.plan(uniform(20, seed), np.tile([height, width], (20, 1)), side, recipe).box
    assert (box[:, :2] >= 0).all()
    assert (box[:, 2:] >= 1).all()
    assert (box[:, 0] + box[:, 2] <= height).all()
    assert (box[:, 1] + box[:, 3] <= width).all()


@pytest.mark.parametrize("size", [(360, 640), (400, 150)])
def test_crops_follow_torchvisions_law(size: tuple[int, int]) -> None:
    count = 4000
    recipe = AugmentRecipe(crop_scale_min=0.2, crop_ratio_max=4 / 3)
    box = augment.plan(uniform(count), np.tile(size, (count, 1)), 288, recipe).box
    torch.manual_seed(0)
    blank = torch.empty(3, *size)
    law = cast(Any, RandomResizedCrop).get_params
    drawn = [law(blank, scale=[0.2, 1.0], ratio=[3 / 4, 4 / 3]) for _ in range(count)]
    theirs = np.array(drawn)
    for ours, other in zip(measured(box, size), measured(theirs, size), strict=True):
        assert stats.ks_2samp(ours, other).pvalue > 1e-4


def measured(box: NDArray[np.int64], size: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Area, aspect ratio and place (as shares of the room there is) of boxes."""
    top, left, height, width = box.T
    room = np.maximum(size[0] - height, 1), np.maximum(size[1] - width, 1)
    return [height * width, width / height, top / room[0], left / room[1]]


def test_an_image_that_no_tried_crop_fits_gives_its_largest_centred_one() -> None:
    todo = augment.plan(uniform(1), np.array([[20, 200]]), 10, OFF)
    assert todo.box.tolist() == [[0, 90, 20, 20]]


def test_with_everything_off_a_square_image_stays_as_it_is() -> None:
    image = photo(48, 48)
    todo = augment.plan(uniform(1), np.array([[48, 48]]), 48, OFF)
    np.testing.assert_array_equal(on_host(image, todo, 0, 48), image)
    batch = torch.from_numpy(image)[None]
    device = augment_gpu.jitter(augment_gpu.crop_resize(batch, todo, 48), todo.colour)
    np.testing.assert_array_equal(device[0].numpy(), image)
    assert not augment.changes_colours(OFF)


def test_every_image_has_draws_of_its_own_within_the_recipes_ranges() -> None:
    todo = augment.plan(uniform(2000), np.tile([360, 640], (2000, 1)), 288, STRONG)
    assert len(np.unique(todo.box, axis=0)) > 1990
    assert 0.45 < todo.flip.mean() < 0.55
    for column, (low, high) in zip(
        todo.colour.T, [(0.2, 1.8), (0.2, 1.8), (0.2, 1.8), (-0.3, 0.3)], strict=True
    ):
        assert stats.kstest(column, stats.uniform(low, high - low).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("recipe", "mirrored"), [(OFF, False), (AugmentRecipe(flip=1), True)])
def test_flip_is_a_probability(recipe: AugmentRecipe, mirrored: bool) -> None:
    assert (
        augment.plan(uniform(50), np.tile([64, 64], (50, 1)), 32, recipe).flip == mirrored
    ).all()


def slow_resize(crop: Pixels, side: int) -> NDArray[np.float64]:
    """The definition, pixel by pixel in float64: whole blocks averaged, then bilinear."""
    values = crop.astype(np.float64)
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        shrink = max(len(values) // side, 1)
        cells = values.reshape(-1, shrink, *values.shape[1:]).mean(axis=1)
        lines = []
        for i in range(side):
            centre = min(max((i + 0.5) * len(cells) / side - 0.5, 0), len(cells) - 1)
            low = int(centre)
            high = min(low + 1, len(cells) - 1)
            lines.append((low + 1 - centre) * cells[low] + (centre - low) * cells[high])
        values = np.moveaxis(np.stack(lines), 0, axis)
    return values


@given(st.integers(20, 150), st.integers(20, 150), st.integers(8, 64), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_both_places_scale_as_defined_to_within_rounding(
    height: int, width: int, side: int, seed: int
) -> None:
    image = photo(height, width, seed)
    todo = augment.plan(uniform(3, seed), np.tile([height, width], (3, 1)), side, STRONG)
    batch = torch.from_numpy(np.stack([image] * 3))
    device = augment_gpu.crop_resize(batch, todo, side).numpy()
    for i in range(3):
        top, left, lines, columns = todo.box[i]
        expected = slow_resize(image[top : top + lines, left : left + columns], side)
        expected = expected[:, ::-1] if todo.flip[i] else expected
        host = on_host(image, todo, i, side, colour=False)
        # The device rounds once; OpenCV rounds after averaging too, and its weights to 11 bits.
        assert np.abs(device[i] - expected).max() <= 0.501
        assert np.abs(host - expected).max() <= 1.5
        assert apart(host, device[i]).max() <= 2
        assert (apart(host, device[i]) > 1).mean() < 1e-3


def test_both_places_agree_to_one_level_at_the_papers_sizes() -> None:
    batch = np.stack([photo(360, 640, seed) for seed in range(6)])
    todo = augment.plan(uniform(6), np.tile([360, 640], (6, 1)), 288, STRONG)
    scaled = augment_gpu.crop_resize(torch.from_numpy(batch), todo, 288)
    host = np.stack([on_host(batch[i], todo, i, 288, colour=False) for i in range(6)])
    assert apart(host, scaled.numpy()).max() <= 1
    device = augment_gpu.jitter(torch.from_numpy(host), todo.colour).numpy()
    coloured = np.stack([on_host(batch[i], todo, i, 288) for i in range(6)])
    # OpenCV's colour weights have 10 bits, and strong factors multiply what they lack.
    assert apart(coloured, device).max() <= 2
    assert apart(coloured, device).mean() < 0.2


def test_detail_finer_than_the_result_turns_grey_instead_of_aliasing() -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    todo = augment.plan(uniform(8), np.tile([256, 256], (8, 1)), 32, AugmentRecipe())
    for i in range(8):
        shrink = augment.whole_shrink(todo.box[i, 2:], 32)
        assert (todo.box[i, 2:] % shrink == 0).all()
        assert (shrink >= 4).all()
        result = on_host(image, todo, i, 32, colour=False)
        assert abs(result.mean() - 127.5) < 2
        assert result.std() < 30


@pytest.mark.parametrize(
    ("position", "theirs"),
    [(0, tv.adjust_brightness), (1, tv.adjust_contrast), (2, tv.adjust_saturation)],
)
@pytest.mark.parametrize("factor", [0.7, 1.2])
def test_each_colour_change_alone_is_torchvisions(
    position: int, theirs: object, factor: float
) -> None:
    image = photo(64, 64) // 2 + 40  # so that nothing is clamped
    colour = np.array([[1.0, 1.0, 1.0, 0.0]])
    colour[0, position] = factor
    out = np.empty_like(image)
    augment.jitter(image, augment.colour_maps(colour)[0], out)
    assert callable(theirs)
    expected = theirs(torch.from_numpy(image).permute(2, 0, 1), factor).permute(1, 2, 0).numpy()
    # torchvision cuts off where we round, and its mean grey is of rounded greys.
    assert apart(out, expected).max() <= 2


def test_colour_changes_commute() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (500, 3))
    single = np.array([[1.3, 1, 1, 0], [1, 0.6, 1, 0], [1, 1, 1.4, 0], [1, 1, 1, 0.2]])
    together = augment.colour_maps(single.prod(axis=0)[None] + [[0, 0, 0, 0.2]])[0]

    def apply(pixels: NDArray[np.float64], colour_map: NDArray[np.float64]) -> NDArray[np.float64]:
        grey = float((pixels @ augment.GREY).mean())
        return pixels @ colour_map[:, :3].T + colour_map[:, 3] * grey

    expected = apply(image, together)
    rng = np.random.default_rng(1)
    for _ in range(6):
        changed = image
        for number in rng.permutation(4):
            changed = apply(changed, augment.colour_maps(single[number : number + 1])[0])
        np.testing.assert_allclose(changed, expected, rtol=1e-9, atol=1e-9)


@given(st.floats(-0.5, 0.5))
def test_hue_turns_colours_and_keeps_greys_and_lightness(hue: float) -> None:
    matrix = augment.colour_maps(np.array([[1.0, 1.0, 1.0, hue]]))[0, :, :3]
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), atol=1e-9)
    np.testing.assert_allclose(augment.GREY @ matrix, augment.GREY, atol=1e-9)
    back = augment.colour_maps(np.array([[1.0, 1.0, 1.0, -hue]]))[0, :, :3]
    np.testing.assert_allclose(matrix @ back, np.eye(3), atol=1e-9)


def test_a_third_of_a_turn_makes_red_mostly_another_primary() -> None:
    third = augment.colour_maps(np.array([[1.0, 1.0, 1.0, 1 / 3], [1.0, 1.0, 1.0, -1 / 3]]))
    turned = {int((m[:, :3] @ np.array([1.0, 0, 0])).argmax()) for m in third}
    assert turned == {1, 2}
