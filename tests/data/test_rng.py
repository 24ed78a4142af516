import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from avsc.data import rng
from avsc.data.rng import Purpose

SEEDS = st.integers(0, (1 << 63) - 1)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_its_authors_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert rng.philox(np.array(counter, np.uint64), key).tolist() == list(expected)


@given(SEEDS, st.integers(0, 1000), st.lists(st.integers(0, 1 << 40), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_draw_does_not_depend_on_what_is_drawn_with_it(
    seed: int, epoch: int, indices: list[int]
) -> None:
    together = rng.uniform(seed, epoch, np.array(indices), Purpose.AUGMENT, 9)
    alone = [rng.uniform(seed, epoch, np.array([i]), Purpose.AUGMENT, 9)[0] for i in indices]
    np.testing.assert_array_equal(together, alone)


@given(SEEDS, st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_a_longer_row_begins_with_the_shorter(seed: int, short: int, more: int) -> None:
    index = np.arange(3)
    long = rng.words(seed, 0, index, Purpose.ORDER, short + more)
    np.testing.assert_array_equal(long[:, :short], rng.words(seed, 0, index, Purpose.ORDER, short))


def test_draws_are_uniform() -> None:
    drawn = rng.uniform(1, 2, np.arange(100_000), Purpose.AUGMENT, 4)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in drawn.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4


def test_neighbouring_seeds_epochs_indices_words_and_purposes_are_uncorrelated() -> None:
    index = np.arange(50_000)

    def column(
        seed: int = 0, epoch: int = 0, shift: int = 0, word: int = 0, use: int = 1
    ) -> NDArray[np.float64]:
        return rng.uniform(seed, epoch, index + shift, Purpose(use), 8)[:, word]

    neighbours = [
        column(seed=1),
        column(seed=1 << 32),
        column(epoch=1),
        column(shift=1),
        column(shift=1 << 32),
        column(word=1),
        column(word=4),
        column(use=0),
        column(use=2),
    ]
    correlations: NDArray[np.float64] = np.corrcoef(np.stack([column(), *neighbours]))
    off_diagonal = correlations[~np.eye(len(correlations), dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(len(index))


def test_pairs_of_words_fill_the_square_evenly() -> None:
    drawn = rng.uniform(3, 0, np.arange(64_000), Purpose.AUGMENT, 2)
    cells = np.floor(drawn * 8).astype(int)
    counts = np.bincount(cells[:, 0] * 8 + cells[:, 1], minlength=64)
    assert stats.chisquare(counts).pvalue > 1e-4
