from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform

from avsc.data.eval_images import EvalView, eval_image, iter_eval_images
from avsc.data.image_source import Item, StoredImages
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.store.read import Store


@pytest.mark.parametrize("size", [(360, 640), (641, 360), (97, 131), (40, 40)])
@pytest.mark.parametrize(("side", "crop_pct"), [(288, 1.0), (224, 0.95), (64, 0.875)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_view_is_timms(
    size: tuple[int, int], side: int, crop_pct: float, interpolation: Literal["bicubic", "bilinear"]
) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (size[0] // 4, size[1] // 4, 3), np.uint8)
    image = np.array(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))
    transform = create_transform(
        (3, side, side), crop_pct=crop_pct, interpolation=interpolation, normalize=False
    )
    theirs = transform(Image.fromarray(image)).permute(1, 2, 0).numpy()
    ours = eval_image(image, EvalView(side, crop_pct, interpolation))
    assert ours.shape == (side, side, 3)
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    # Both round to whole levels between the two directions, each with weights of its own.
    assert apart.max() <= 2
    assert (apart > 1).mean() < 1e-3


def test_every_image_comes_once_and_in_order_whatever_the_threads(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    rows = np.array([3, 0, 2])
    source, view = StoredImages(store, rows), EvalView(32, 0.9)
    expected = np.stack(
        [eval_image(jpeg.decode(store.jpeg(int(r), s)), view) for r in rows for s in range(10)]
    )
    for threads, batch in ((1, 7), (3, 64), (2, 30)):
        numbers, found = [], []
        for first, pixels in iter_eval_images(source, 3, 10, view, threads=threads, batch=batch):
            assert pixels.is_contiguous(memory_format=torch.channels_last)
            numbers.append(first)
            found.append(pixels.permute(0, 2, 3, 1).numpy().copy())
        assert numbers == list(range(0, 30, batch))
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_a_damaged_image_is_named(make_store: Callable[..., Path], tmp_path: Path) -> None:
    class Cut(StoredImages):
        def fetch(self, clip: int, second: int) -> Item:
            item = bytes(super().fetch(clip, second))
            return item[: len(item) // 2] if (clip, second) == (1, 7) else item

    store = Store.open(make_store(tmp_path / "store", 4))
    with pytest.raises(AvscError, match=f"clip {store.clips[1].id}, second 7"):
        list(iter_eval_images(Cut(store, np.array([3, 1])), 2, 10, EvalView(32), threads=2))
