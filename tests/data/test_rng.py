import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avsc.data.rng import Purpose, generator

SEEDS = st.integers(0, (1 << 63) - 1)
EPOCHS = st.integers(0, 1000)


def table(seed: int, epoch: int, purpose: Purpose = Purpose.AUGMENT) -> NDArray[np.float64]:
    return generator(seed, epoch, purpose).random((1000, 9))


@given(SEEDS, EPOCHS)
@settings(max_examples=30, deadline=None)
def test_the_same_seed_epoch_and_purpose_draw_the_same_table(seed: int, epoch: int) -> None:
    np.testing.assert_array_equal(table(seed, epoch), table(seed, epoch))


def test_other_seeds_epochs_and_purposes_draw_uncorrelated_tables() -> None:
    tables = [
        table(0, 0),
        table(1, 0),
        table(1 << 8, 0),
        table(1 << 32, 0),
        table((1 << 63) - 1, 0),
        table(0, 1),
        table(0, 1 << 8),
        table(0, 0, Purpose.ORDER),
    ]
    correlations: NDArray[np.float64] = np.corrcoef(np.stack([drawn.ravel() for drawn in tables]))
    off_diagonal = correlations[~np.eye(len(tables), dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(tables[0].size)
