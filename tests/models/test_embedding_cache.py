from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

from avsc.data.eval_images import eval_image
from avsc.data.image_source import StoredImages, decoded
from avsc.errors import AvscError
from avsc.models import visual, visual_weights
from avsc.models.embedding_cache import EmbeddingCache
from avsc.recipe import TrainRecipe, VisualRecipe
from avsc.store.reader import Store


@pytest.fixture
def store(make_store: Callable[..., Path], store_settings: object, tmp_path: Path) -> Store:
    made = make_store(tmp_path / "store", 20, settings=store_settings, size=(36, 64))
    return Store.open(made)


@pytest.fixture(scope="module")
def encoder() -> visual.VisualEncoder:
    return visual_weights.build(VisualRecipe(model="test_resnet", weights="random", image_size=32))


ROWS = np.array([2, 3, 9, 11, 19])  # in all three partitions of eight clips


def _cache(store: Store, encoder: visual.VisualEncoder) -> EmbeddingCache:
    return EmbeddingCache(store, encoder, Path("nowhere"))


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
    found = cache.read(ROWS)
    assert found.shape == (5, 2, encoder.features)
    for row, values in zip(ROWS, found, strict=True):
        expected = _encoded_one_by_one(store, encoder, row)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_the_cache_lies_beside_the_store_and_is_not_computed_twice(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cache(store, encoder).compute(ROWS, threads=1)
    place = Path(store.place)
    assert [p.suffix for p in (place.parent / "store.embeddings").iterdir()] == [".zarr"]
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


def test_ranks_share_the_partitions_and_together_compute_everything(
    store: Store, encoder: visual.VisualEncoder
) -> None:
    cache = _cache(store, encoder)
    cache.compute(ROWS, threads=1, rank=0, world=2)
    done = np.isfinite(cache.read(ROWS)).all(axis=(1, 2))
    assert done.tolist() == [True, True, False, False, True]
    cache.compute(ROWS, threads=1, rank=1, world=2)
    assert np.isfinite(cache.read(ROWS)).all()


def test_what_was_stored_before_a_stop_is_kept(
    store: Store, encoder: visual.VisualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _cache(store, encoder)
    put = EmbeddingCache._put

    def put_once(self: EmbeddingCache, rows: np.ndarray, values: np.ndarray) -> None:
        put(self, rows, values)
        raise KeyboardInterrupt

    monkeypatch.setattr(EmbeddingCache, "_put", put_once)
    with pytest.raises(KeyboardInterrupt):
        cache.compute(ROWS, threads=1)
    monkeypatch.undo()
    done = np.isfinite(_cache(store, encoder).read(ROWS)).all(axis=(1, 2))
    assert done.tolist() == [True, True, False, False, False]


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
    chunk = cache.path / "c" / "1" / "0" / "0"
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
    cache = EmbeddingCache(store, encoder, tmp_path / "run" / "embeddings")
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
