import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from avsc.data import augment
from avsc.data.eval_images import eval_image
from avsc.data.image_source import StoredImages, decoded
from avsc.errors import AvscError
from avsc.models import visual, visual_weights
from avsc.models.view_bank import ViewBank
from avsc.models.view_maker import ViewMaker, view_draws
from avsc.recipe_augment import AugmentRecipe
from avsc.recipe_sections import TrainRecipe, VisualRecipe
from avsc.store.reader import Store


@pytest.fixture
def store(make_store: Callable[..., Path], store_settings: object, tmp_path: Path) -> Store:
    made = make_store(tmp_path / "store", 20, settings=store_settings, size=(36, 64))
    return Store.open(made)


@pytest.fixture(scope="module")
def encoder() -> visual.VisualEncoder:
    return visual_weights.build(VisualRecipe(model="test_resnet", weights="random", image_size=32))


ROWS = np.array([2, 3, 9, 11, 19])  # in all three partitions of eight clips


def _cache(store: Store, encoder: visual.VisualEncoder) -> ViewBank:
    return ViewBank(store, encoder, Path("nowhere"))


def _bank(
    store: Store, encoder: visual.VisualEncoder, views: int, **augmentation: float
) -> ViewBank:
    given = AugmentRecipe.model_validate(augmentation)
    return ViewBank(store, encoder, Path("nowhere"), given, views)


def _encoded_one_by_one(store: Store, encoder: visual.VisualEncoder, row: int) -> np.ndarray:
    source = StoredImages(store, np.array([row]))
    images = [decoded(source, 0, second, source.fetch(0, second)) for second in range(2)]
    squares = torch.from_numpy(np.stack([eval_image(image, encoder.config) for image in images]))
    return np.asarray(encoder(squares))


def test_stored_embeddings_are_those_of_each_clips_own_images(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    cache = _cache(store, encoder)
    cache.compute(ROWS, threads=2)
    (found,) = cache.read(ROWS)
    assert found.shape == (5, 2, encoder.features)
    for row, values in zip(ROWS, found, strict=True):
        expected = _encoded_one_by_one(store, encoder, row)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_the_cache_lies_beside_the_store_and_is_not_computed_twice(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cache(store, encoder).compute(ROWS, threads=1)
    place = Path(store.place)
    assert len(list((place.parent / "store.embeddings").glob("*.zarr"))) == 1
    monkeypatch.setattr(Store, "jpeg", lambda *_: pytest.fail("an image was read again"))
    again = _cache(store, encoder)
    again.compute(ROWS[::-1], threads=1)
    assert np.isfinite(again.read(ROWS)).all()


def test_what_is_there_does_not_depend_on_how_it_came_there(
    store: Store,
    encoder: visual.VisualEncoder,
    make_store: Callable[..., Path],
    store_settings: object,
    tmp_path: Path,
) -> None:
    whole, bit_by_bit = _cache(store, encoder), None
    whole.compute(ROWS, threads=1)
    other = Store.open(
        make_store(tmp_path / "b" / "store", 20, settings=store_settings, size=(36, 64))
    )
    bit_by_bit = _cache(other, encoder)
    for some in (ROWS[3:], ROWS[:1], ROWS):
        bit_by_bit.compute(some, threads=2)
    np.testing.assert_array_equal(whole.read(ROWS), bit_by_bit.read(ROWS))


def test_processes_share_the_partitions_and_each_image_is_encoded_once(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = ViewMaker.encode

    def slow(self: ViewMaker, *given: Any) -> np.ndarray:
        time.sleep(0.2)  # so that the other one begins before this one ends
        values = encode(self, *given)
        encoded.append(len(values))
        return values

    monkeypatch.setattr(ViewMaker, "encode", slow)
    banks = [_bank(store, encoder, views=3) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(banks[i].compute, ROWS, 1, i, 2) for i in range(2)]
        for one in done:
            one.result()
    assert sorted(encoded) == [6, 12, 12]  # views, clips and seconds of the three partitions
    assert [path.suffix for path in banks[0].path.parent.iterdir()] == [".zarr"]  # and no locks
    np.testing.assert_array_equal(banks[0].read(ROWS), banks[1].read(ROWS))


def test_what_was_stored_before_a_stop_is_kept(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, calls = ViewMaker.encode, []

    def once(self: ViewMaker, *given: Any) -> np.ndarray:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(self, *given)

    monkeypatch.setattr(ViewMaker, "encode", once)
    with pytest.raises(KeyboardInterrupt):
        _cache(store, encoder).compute(ROWS, threads=1)
    missing = _cache(store, encoder).missing(ROWS)
    assert missing.tolist() == [[False, False, True, True, True]]


@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_a_damaged_chunk_is_computed_again_aloud(
    harm: str,
    store: Store,
    encoder: visual.VisualEncoder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cache = _cache(store, encoder)
    cache.compute(ROWS, threads=1)
    before = cache.read(ROWS)
    chunk = cache.path / "c" / "0" / "1" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(data if harm == "flip" else data[:50])
    again = _cache(store, encoder)
    again.compute(ROWS, threads=1)
    np.testing.assert_array_equal(again.read(ROWS), before)
    assert "chunk 1" in capsys.readouterr().err


def test_another_encoder_size_precision_or_store_has_another_cache(
    store: Store,
    encoder: visual.VisualEncoder,
    make_store: Callable[..., Path],
    store_settings: object,
    tmp_path: Path,
) -> None:
    def key(model: str = "test_resnet", size: int = 32, precision: str = "float32") -> str:
        recipe = VisualRecipe(model=model, weights="random", image_size=size)
        how = visual.execution(
            TrainRecipe(precision="bf16" if precision == "bf16" else "float32"),
            torch.device("cpu"),
        )
        return _cache(store, visual_weights.build(recipe).run_as(how)).path.name

    other = Store.open(make_store(tmp_path / "other", 20, settings=store_settings, seed=1))
    names = [key(), key(model="test_efficientnet"), key(size=48), key(precision="bf16")]
    names.append(_cache(other, encoder).path.name)
    assert len(set(names)) == 5
    assert key() == names[0]


def test_a_cache_that_was_made_of_something_else_is_refused(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    cache = _cache(store, encoder)
    zarr.open_array(cache.path, mode="r+").attrs["key"] = {"version": 0}
    with pytest.raises(AvscError, match="made of") as caught:
        _cache(store, encoder)
    assert "remove" in caught.value.remedy


def test_where_the_store_is_read_only_embeddings_go_to_the_run(
    store: Store,
    encoder: visual.VisualEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    cache = ViewBank(store, encoder, tmp_path / "run" / "embeddings")
    assert cache.path.parent == tmp_path / "run" / "embeddings"
    assert "cannot be written" in capsys.readouterr().err


def test_embeddings_that_are_not_finite_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = visual_weights.build(
        VisualRecipe(model="test_resnet", weights="random", image_size=32)
    )
    monkeypatch.setattr(broken, "_encode", lambda x: torch.full((len(x), broken.features), np.nan))
    with pytest.raises(AvscError, match="not finite"):
        _cache(store, broken).compute(ROWS, threads=1)


def test_a_view_is_the_augmentation_of_its_own_draws(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    bank = _bank(store, encoder, views=3, seed=7)
    bank.compute(ROWS, threads=2)
    found = bank.read(ROWS)
    assert found.shape == (3, 5, 2, encoder.features)
    assert found.dtype == np.float16
    source, recipe = StoredImages(store, ROWS), AugmentRecipe(seed=7)
    for view, clip, second in ((0, 0, 0), (2, 3, 1), (1, 4, 0)):
        image = decoded(source, clip, second, source.fetch(clip, second))
        drawn = view_draws(7, view, int(ROWS[clip]) * 2 + second)[None]
        todo = augment.plan(drawn, np.array([image.shape[:2]]), 32, recipe)
        scaled, out = (np.empty((32, 32, 3), np.uint8) for _ in range(2))
        augment.crop_resize(image, todo.box[0], bool(todo.flip[0]), scaled)
        augment.jitter(scaled, augment.colour_maps(todo.colour)[0], out)
        expected = encoder(torch.from_numpy(out)[None])[0].numpy()
        np.testing.assert_allclose(found[view, clip, second], expected, rtol=2e-3, atol=1e-4)
    assert len(np.unique(found.reshape(-1, encoder.features), axis=0)) == 3 * 5 * 2


def test_a_bank_grows_without_doing_its_views_again(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = _bank(store, encoder, views=2)
    small.compute(ROWS, threads=1)
    made: list[int] = []
    encode = ViewMaker.encode

    def noting(self: ViewMaker, source: Any, where: Any, view: Any, *more: Any) -> np.ndarray:
        made.extend(view.tolist())
        return encode(self, source, where, view, *more)

    monkeypatch.setattr(ViewMaker, "encode", noting)
    large = _bank(store, encoder, views=5)
    assert large.path == small.path
    large.compute(ROWS, threads=1)
    assert sorted(set(made)) == [2, 3, 4]
    np.testing.assert_array_equal(large.read(ROWS)[:2], small.read(ROWS))
    small.compute(np.array([0]), threads=1)  # opened before it grew
    np.testing.assert_array_equal(large.read(ROWS)[:2], small.read(ROWS))
    assert _bank(store, encoder, views=1).read(ROWS).shape[0] == 1


def test_another_augmentation_or_seed_has_another_bank(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    banks = [
        _bank(store, encoder, 2),
        _bank(store, encoder, 2, seed=1),
        _bank(store, encoder, 2, crop_scale_min=0.5),
        _cache(store, encoder),
    ]
    assert len({bank.path for bank in banks}) == 4


def test_views_that_vanish_are_an_error_and_never_nan(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    bank = _bank(store, encoder, views=2)
    bank.compute(ROWS, threads=1)
    (bank.path / "c" / "1" / "0" / "0" / "0").unlink()
    with pytest.raises(AvscError) as caught:
        bank.read(ROWS)
    assert str(bank.path) in caught.value.got
    bank.compute(ROWS, threads=1)
    assert not np.isnan(bank.read(ROWS)).any()


def test_a_bank_killed_with_9_goes_on_and_another_process_takes_its_partition_over(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    script = f"""
import time
from pathlib import Path
import numpy as np
from avsc.models import visual_weights, view_maker
from avsc.models.view_bank import ViewBank
from avsc.recipe_augment import AugmentRecipe
from avsc.recipe_sections import VisualRecipe
from avsc.store.reader import Store
encode, calls = view_maker.ViewMaker.encode, []
def stuck(self, *given):
    if calls:
        print("stuck", flush=True)
        time.sleep(60)
    calls.append(1)
    return encode(self, *given)
view_maker.ViewMaker.encode = stuck
encoder = visual_weights.build(VisualRecipe(model="test_resnet", weights="random", image_size=32))
bank = ViewBank(Store.open({str(store.place)!r}), encoder, Path("no"), AugmentRecipe(), 3)
bank.compute(np.array({ROWS.tolist()}), 1)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    bank = _bank(store, encoder, views=3)
    assert bank.missing(ROWS).any(axis=0).tolist() == [False, False, True, True, True]
    bank.compute(ROWS, threads=1)
    assert not bank.missing(ROWS).any()
