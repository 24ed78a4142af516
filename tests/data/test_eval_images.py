from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from avsc.data.eval_images import eval_image, iter_eval_images
from avsc.data.image_source import Item, StoredImages
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.models.visual import ImageConfig
from avsc.models.visual_weights import image_config
from avsc.store.reader import Store

Pixels = NDArray[np.uint8]

SMALL = ImageConfig(32, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.9)


def photographs() -> list[Pixels]:
    """A temple and a flower, 427 x 640, one upright, and a part smaller than any result."""
    temple, flower = (np.asarray(photo) for photo in load_sample_images().images)
    return [
        temple,
        np.ascontiguousarray(flower.transpose(1, 0, 2)),
        flower[100:140, 200:250].copy(),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "efficientnetv2_rw_s.ra2_in1k",  # bicubic, the whole image
        "resnet50.a1_in1k",  # bicubic, 0.95 of it
        "mobilenetv3_large_100.ra_in1k",  # 0.875
        "vgg11.tv_in1k",  # bilinear
        "vit_so150m_patch16_reg4_gap_384.sbb_e250_in12k_ft_in1k",  # squashed to a square
    ],
)
@pytest.mark.parametrize("size", [None, 96])
def test_an_image_is_what_timms_transform_of_the_weights_makes_of_it(
    name: str, size: int | None
) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    asked = {} if size is None else {"img_size": size}
    data: dict[str, Any] = resolve_data_config(asked, model=model)  # type: ignore[no-untyped-call]
    transform = create_transform(**data, is_training=False)
    mean, std = (torch.tensor(data[key]).view(3, 1, 1) for key in ("mean", "std"))
    for photo in photographs():
        theirs = (transform(Image.fromarray(photo)) * std + mean) * 255
        ours = eval_image(photo, image_config(model, size))
        assert ours.dtype == np.uint8
        np.testing.assert_array_equal(ours, theirs.permute(1, 2, 0).round().numpy())


def test_a_border_has_the_weights_mean_colour() -> None:
    config = ImageConfig(64, (0.2, 0.4, 0.6), (0.5,) * 3, "bicubic", 1.0, "border")
    framed = eval_image(photographs()[0], config)
    assert framed.shape == (64, 64, 3)
    assert (framed[0] == [51, 102, 153]).all()
    assert framed[32].std() > 10


def test_every_image_comes_once_and_in_order_whatever_the_threads(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store.open(make_store(tmp_path / "store", 4))
    rows = np.array([3, 0, 2])
    source = StoredImages(store, rows)
    expected = np.stack(
        [eval_image(jpeg.decode(store.jpeg(int(r), s)), SMALL) for r in rows for s in range(10)]
    )
    for threads, batch in ((1, 7), (3, 64), (2, 30)):
        numbers, found = [], []
        for first, pixels in iter_eval_images(source, 3, 10, SMALL, threads=threads, batch=batch):
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
    with pytest.raises(AvscError) as caught:
        list(iter_eval_images(Cut(store, np.array([3, 1])), 2, 10, SMALL, threads=2))
    assert store.clips[1].id in caught.value.got
    assert "second 7" in caught.value.got
