import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avsc.predict.downsample import Averaged, Thinned, binned


@given(st.integers(1, 500), st.integers(1, 20))
def test_thinned_items_begin_with_the_first_and_are_evenly_spaced(count: int, most: int) -> None:
    thinned: Thinned[int] = Thinned(most)
    for number in range(count):
        thinned.offer(lambda number=number: number)  # type: ignore[misc]
    kept = thinned.items()
    assert kept[0] == 0
    assert min(count, most + 1) // 2 <= len(kept) <= most
    assert len(set(np.diff(kept).tolist())) <= 1


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60), st.integers(1, 10))
def test_averaged_columns_keep_the_mean_of_everything(sizes: list[int], half: int) -> None:
    frames = np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(np.float32)
    averaged, start = Averaged(2 * half), 0
    for size in sizes:
        averaged.add(frames[start : start + size])
        start += size
    columns = averaged.columns()
    assert len(columns) <= 2 * half
    stride = next(s for s in (2**k for k in range(12)) if -(-len(frames) // s) == len(columns))
    wanted = [frames[i : i + stride].mean(axis=0) for i in range(0, len(frames), stride)]
    assert np.allclose(columns, wanted, atol=1e-5)


@given(st.integers(1, 300), st.integers(1, 50))
def test_bins_are_means_of_equally_many_rows(count: int, most: int) -> None:
    values = np.random.default_rng(1).uniform(size=(count, 4))
    found = binned(values, most)
    size = -(-count // most)
    assert len(found) <= most
    wanted = [values[i : i + size].mean(axis=0) for i in range(0, count, size)]
    assert np.allclose(found, wanted)
