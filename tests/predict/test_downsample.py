import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsc.predict.downsample import ColumnMeans, EvenlySpaced, bin_means


@given(st.integers(1, 500), st.integers(1, 20))
def test_kept_items_begin_with_the_first_and_are_evenly_spaced(count: int, most: int) -> None:
    spaced: EvenlySpaced[int] = EvenlySpaced(most)
    for number in range(count):
        spaced.add(number)
    kept = spaced.items()
    assert kept[0] == 0
    assert min(count, most + 1) // 2 <= len(kept) <= most
    assert len(set(np.diff(kept).tolist())) <= 1


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60), st.integers(1, 10))
def test_columns_keep_the_mean_of_everything(sizes: list[int], half: int) -> None:
    frames = np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(np.float32)
    means, start = ColumnMeans(2 * half, 3), 0
    for size in sizes:
        means.add(frames[start : start + size])
        start += size
    columns = means.columns()
    assert len(columns) <= 2 * half
    stride = next(s for s in (2**k for k in range(12)) if -(-len(frames) // s) == len(columns))
    wanted = [frames[i : i + stride].mean(axis=0) for i in range(0, len(frames), stride)]
    assert np.allclose(columns, wanted, atol=1e-5)


@given(st.integers(1, 300), st.integers(1, 50))
def test_bins_are_means_of_equally_many_rows(count: int, most: int) -> None:
    values = np.random.default_rng(1).uniform(size=(count, 4))
    found = bin_means(values, most)
    size = -(-count // most)
    assert len(found) <= most
    wanted = [values[i : i + size].mean(axis=0) for i in range(0, count, size)]
    assert np.allclose(found, wanted)
