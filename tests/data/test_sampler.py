import itertools
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from avsc.data.sampler import batch_bounds, epoch_order, shard_of

SEEDS = st.integers(0, (1 << 63) - 1)
SIZES = st.integers(0, 500)


@given(SIZES, SEEDS, st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_an_order_is_a_permutation_and_the_same_every_time(n: int, seed: int, epoch: int) -> None:
    order = epoch_order(n, seed, epoch)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    np.testing.assert_array_equal(order, epoch_order(n, seed, epoch))


def test_every_epoch_and_seed_has_an_order_of_its_own() -> None:
    orders = {epoch_order(20, s, e).tobytes() for s, e in itertools.product(range(10), range(10))}
    assert len(orders) == 100


def test_all_orders_of_few_samples_are_equally_likely() -> None:
    counts = Counter(tuple(epoch_order(3, 5, epoch).tolist()) for epoch in range(3000))
    assert len(counts) == 6
    assert all(400 < count < 600 for count in counts.values())


@given(SIZES, st.integers(1, 64))
def test_batches_hold_every_sample_once_and_none_is_too_large(n: int, size: int) -> None:
    bounds = batch_bounds(n, size)
    assert bounds[0] == 0
    assert bounds[-1] == n
    assert (np.diff(bounds) > 0).all()
    assert np.diff(bounds).max(initial=0) <= size


@given(st.integers(1, 500), st.integers(2, 64))
def test_all_batches_but_the_last_two_are_full_and_none_is_less_than_half(
    n: int, size: int
) -> None:
    lengths = np.diff(batch_bounds(n, size))
    assert (lengths[:-2] == size).all()
    if n >= size:
        assert lengths.min() >= size / 2


@given(SIZES, SEEDS, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_shards_are_disjoint_complete_and_even(n: int, seed: int, world: int) -> None:
    order = epoch_order(n, seed, 0)
    shards = [shard_of(order, rank, world) for rank in range(world)]
    np.testing.assert_array_equal(np.concatenate(shards), order)
    lengths = [len(shard) for shard in shards]
    assert max(lengths) - min(lengths) <= 1
