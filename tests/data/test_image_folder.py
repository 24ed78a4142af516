import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from avsc.data import image_source
from avsc.data.image_folder import ImageSet, read_image_set
from avsc.errors import AvscError

SCENES = ("beach", "forest", "night")


def make_images(root: Path, per_scene: int = 6) -> Path:
    """Images of one grey each, a third of them for validation; number 1 is a PNG."""
    for scene in SCENES:
        for number in range(per_scene):
            folder = root / ("val" if number % 3 == 0 else "train") / scene
            folder.mkdir(parents=True, exist_ok=True)
            kind = "png" if number == 1 else "jpg"
            grey = np.full((48, 64, 3), 40 * number, np.uint8)
            cv2.imwrite(str(folder / f"{number}.{kind}"), grey)
    return root


def greys(found: ImageSet) -> list[int]:
    """The grey of every training image, as a stream reads it."""
    train = found.train
    pixels = [image_source.decoded(train, i, 0, train.fetch(i, 0)) for i in range(len(train))]
    assert all(image.shape == (48, 64, 3) for image in pixels)
    return [round(float(image.mean())) for image in pixels]


def test_every_image_is_read_with_its_scene(tmp_path: Path) -> None:
    found = read_image_set(make_images(tmp_path))
    assert found.scenes == SCENES
    assert found.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert greys(found) == [40, 80, 160, 200] * 3
    shares = [found.train.share(rank, 3).paths for rank in range(3)]
    assert sorted(path for paths in shares for path in paths) == sorted(found.train.paths)
    assert found.train.name(0, 0) == str(tmp_path / "train" / "beach" / "1.png")


def test_linked_images_and_folders_are_followed(tmp_path: Path) -> None:
    real = make_images(tmp_path / "real")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "val").symlink_to(real / "val")
    (linked / "train").mkdir()
    (linked / "train" / "beach").symlink_to(real / "train" / "beach")
    for scene in SCENES[1:]:
        (linked / "train" / scene).mkdir()
        for path in (real / "train" / scene).iterdir():
            (linked / "train" / scene / path.name).symlink_to(path)
    assert greys(read_image_set(linked)) == greys(read_image_set(real))


@pytest.mark.parametrize("fault", ["cut JPEG", "no image", "dangling link"])
def test_an_image_that_cannot_be_used_is_named(fault: str, tmp_path: Path) -> None:
    root = make_images(tmp_path)
    path = root / "train" / "forest" / "2.jpg"
    content = path.read_bytes()
    path.unlink()
    if fault == "dangling link":
        path.symlink_to(tmp_path / "absent.jpg")
    else:
        path.write_bytes(content[:200] if fault == "cut JPEG" else b"GIF8 but not really")
    with pytest.raises(AvscError) as caught:
        greys(read_image_set(root))
    assert str(path) in caught.value.got


@pytest.mark.parametrize("fault", ["no folders", "one scene", "scenes differ", "an empty scene"])
def test_what_is_no_image_set_is_refused(tmp_path: Path, fault: str) -> None:
    root = tmp_path / "images"
    root.mkdir()
    named = str(root)
    if fault == "one scene":
        for split in ("train", "val"):
            (root / split / "beach").mkdir(parents=True)
            cv2.imwrite(str(root / split / "beach" / "1.png"), np.zeros((8, 8, 3), np.uint8))
    elif fault != "no folders":
        named = "river"
        make_images(root)
        for split in ("train", "val"):
            (root / split / "river").mkdir()
            if fault == "scenes differ":
                cv2.imwrite(str(root / split / "river" / "1.png"), np.zeros((8, 8, 3), np.uint8))
        if fault == "scenes differ":
            (root / "val" / "river").rename(root / "val" / "lake")
    with pytest.raises(AvscError) as caught:
        read_image_set(root)
    assert named in caught.value.got


def test_places365_is_read_by_torchvisions_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import Places365

    root = make_images(tmp_path)
    (root / "train").rename(root / "data_256_standard")
    (root / "val").rename(root / "val_256")
    lists = {
        "categories_places365.txt": "/b/beach 0\n/f/forest 1\n/n/night 2\n",
        "places365_train_standard.txt": "/beach/2.jpg 0\n/forest/2.jpg 1\n/night/4.jpg 2\n",
        "places365_val.txt": "beach/0.jpg 0\nnight/3.jpg 2\n",
    }
    digests = {}
    for name, text in lists.items():
        (root / name).write_text(text)
        digests[name] = hashlib.md5(text.encode()).hexdigest()
    names = list(lists)
    monkeypatch.setattr(Places365, "_CATEGORIES_META", (names[0], digests[names[0]]))
    meta = {
        split: (name, digests[name])
        for split, name in zip(("train-standard", "val"), names[1:], strict=True)
    }
    monkeypatch.setattr(Places365, "_FILE_LIST_META", meta)
    found = read_image_set(root)
    assert found.scenes == ("/b/beach", "/f/forest", "/n/night")
    assert found.train.labels.tolist() == [0, 1, 2]
    assert found.val.paths == [
        str(root / f"val_256/{name}") for name in ("beach/0.jpg", "night/3.jpg")
    ]
    assert bytes(found.val.fetch(0, 0)) == (root / "val_256/beach/0.jpg").read_bytes()
    (root / names[1]).write_text("tampered")
    with pytest.raises(AvscError) as caught:
        read_image_set(root)
    assert str(root) in caught.value.got
