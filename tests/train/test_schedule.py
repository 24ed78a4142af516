import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avsc.train.schedule import learning_rate


@given(
    epoch=st.floats(0, 1000),
    cycle=st.integers(1, 50),
    factor=st.integers(1, 4),
)
def test_the_rate_stays_between_its_bounds(epoch: float, cycle: int, factor: int) -> None:
    assert 1e-5 <= learning_rate(epoch, 1e-2, 1e-5, cycle, factor) <= 1e-2 * (1 + 1e-12)


@given(cycle=st.integers(1, 50), factor=st.integers(1, 4), restarts=st.integers(0, 5))
def test_every_cycle_starts_at_the_top_and_is_longer_by_the_factor(
    cycle: int, factor: int, restarts: int
) -> None:
    start = sum(cycle * factor**i for i in range(restarts))
    length = cycle * factor**restarts
    assert learning_rate(start, 1e-2, 1e-5, cycle, factor) == pytest.approx(1e-2)
    middle = learning_rate(start + length / 2, 1e-2, 1e-5, cycle, factor)
    assert middle == pytest.approx((1e-2 + 1e-5) / 2)
    end = learning_rate(start + length * (1 - 1e-6), 1e-2, 1e-5, cycle, factor)
    assert end == pytest.approx(1e-5, rel=1e-2)


@pytest.mark.parametrize(("cycle", "factor"), [(10, 1), (10, 2), (3, 3)])
def test_it_is_pytorchs_schedule(cycle: int, factor: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, cycle, factor, 1e-5)
    for step in range(400):
        epoch = step / 8
        theirs.step(epoch)
        ours = learning_rate(epoch, 1e-2, 1e-5, cycle, factor)
        assert ours == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
