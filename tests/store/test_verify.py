import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.store import schema
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, StoreSettings
from avsc.store.verify import verify

if TYPE_CHECKING:
    from tests.conftest import MakeStore

SETTINGS = StoreSettings(
    features=("fbank",), partition_clips=4, clip_seconds=3, image=ImageSettings(short_side=24)
)
SPECS = schema.array_specs(6, SETTINGS)
FILES = [
    "zarr.json",
    "clips.csv",
    "partitions/000001.json",
    *[f"{spec.group}/zarr.json" for spec in SPECS],
    *[f"{spec.name}/zarr.json" for spec in SPECS],
    *[spec.shard_name(1) for spec in SPECS],
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, make_store: "MakeStore") -> Path:
    path = tmp_path_factory.mktemp("sound") / "store"
    return make_store(path, 6, settings=SETTINGS, size=(24, 32), quarantined=[1])


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def lines(store: Path) -> list[str]:
    try:
        return [str(damage) for damage in verify(store)]
    except AvscError as error:
        return [error.got]


def flip(file: Path, place: int, mask: int = 0x10) -> None:
    with file.open("r+b") as opened:
        opened.seek(place, 0 if place >= 0 else 2)
        byte = opened.read(1)[0]
        opened.seek(-1, 1)
        opened.write(bytes([byte ^ mask]))


def test_a_sound_store_has_no_damage(sound: Path) -> None:
    steps = []
    assert verify(sound, lambda: steps.append(1)) == []
    assert len(steps) == 2


@pytest.mark.parametrize("name", dict.fromkeys(FILES))
def test_a_bit_flipped_anywhere_in_any_file_is_found_and_its_file_named(
    store: Path, name: str
) -> None:
    rng = random.Random(name)
    size = (store / name).stat().st_size
    for place in (0, size // 2, size - 1, *(rng.randrange(size) for _ in range(5))):
        mask = 1 << rng.randrange(8)
        flip(store / name, place, mask)
        assert any(name in line for line in lines(store)), (place, mask)
        flip(store / name, place, mask)
    assert lines(store) == []


@pytest.mark.parametrize("name", dict.fromkeys(FILES))
def test_a_file_that_is_gone_is_named(store: Path, name: str) -> None:
    (store / name).unlink()
    assert any(name in line for line in lines(store))


@pytest.mark.parametrize("name", [spec.shard_name(0) for spec in SPECS])
def test_a_shard_cut_short_is_named(store: Path, name: str) -> None:
    data = (store / name).read_bytes()
    for length in (0, 7, len(data) - 1):
        (store / name).write_bytes(data[:length])
        (found,) = verify(store)
        assert found.file.endswith(name)
        assert found.partition == 0


def test_damage_is_named_by_array_partition_and_clip(store: Path) -> None:
    opened = Store.open(store)
    first = sum(len(opened.jpeg(0, second)) for second in range(3))
    flip(store / "image/jpeg/c.0.0", first + len(opened.jpeg(2, 0)) + 5)
    flip(store / "segment/fbank/c.1.0.0.0.0", 100)
    picture, features = sorted(verify(store), key=lambda damage: damage.file)
    assert (picture.array, picture.partition) == ("image/jpeg", 0)
    assert picture.clips == (opened.clips[2].id,)
    assert (features.array, features.partition) == ("segment/fbank", 1)
    assert features.clips == (opened.clips[4].id,)
    assert f"partition 0, clip {opened.clips[2].id}" in str(picture)


def test_what_lies_behind_the_pictures_is_checked_and_no_clip_blamed(store: Path) -> None:
    flip(store / "image/jpeg/c.0.0", schema.JPEG_CHUNK - 1)
    (found,) = verify(store)
    assert (found.array, found.partition, found.clips) == (schema.IMAGE_JPEG, 0, ())


def test_two_shards_that_changed_places_are_both_named(store: Path) -> None:
    one, other = store / "audio/fbank/c.0.0.0.0", store / "segment/fbank/c.0.0.0.0.0"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    named = {damage.array for damage in verify(store)}
    assert named == {"audio/fbank", "segment/fbank"}


def test_a_partition_of_another_store_is_not_taken_for_ours(
    store: Path, tmp_path: Path, make_store: "MakeStore"
) -> None:
    other = make_store(tmp_path / "other", 6, settings=SETTINGS, size=(24, 32), seed=8)
    for spec in SPECS:
        shutil.copy(other / spec.shard_name(0), store / spec.shard_name(0))
    shutil.copy(other / "partitions/000000.json", store / "partitions/000000.json")
    (found,) = verify(store)
    assert found.file.endswith("partitions")


def test_files_that_do_not_belong_are_named_and_hidden_ones_are_not(store: Path) -> None:
    (store / "image/jpeg/c.7.0").write_bytes(b"")
    (store / "image/jpeg/.partial-c.1.0-x").write_bytes(b"")
    (store / ".prepare").mkdir()
    (store / ".prepare/lock").write_text("")
    (found,) = verify(store)
    assert found.file.endswith("image/jpeg/c.7.0")


def test_a_store_that_is_incomplete_is_not_called_sound(
    tmp_path: Path, make_store: "MakeStore"
) -> None:
    path = make_store(tmp_path / "s", 6, settings=SETTINGS, size=(24, 32), complete=False)
    (found,) = verify(path)
    assert found.file == str(path / "zarr.json")
    (path / "clip/status/c.1").unlink()
    assert [damage.file for damage in verify(path)] == [str(path / "clip/status/c.1")]


def test_a_damaged_list_of_clips_does_not_hide_other_damage(store: Path) -> None:
    flip(store / "clips.csv", 70)
    flip(store / "audio/fbank/c.0.0.0.0", 9)
    listed, features = verify(store)
    assert listed.file.endswith("clips.csv")
    assert features.clips == ("row 0",)


def test_no_single_bit_of_the_small_files_goes_unseen(store: Path) -> None:
    for name in ("zarr.json", "clip/status/c.0", "partitions/000000.json"):
        size = (store / name).stat().st_size
        for bit in np.random.default_rng(0).choice(8 * size, 60, replace=False).tolist():
            flip(store / name, bit // 8, 1 << bit % 8)
            assert any(name in line for line in lines(store)), bit
            flip(store / name, bit // 8, 1 << bit % 8)
    assert lines(store) == []
