"""The learning rate: cosine annealing with warm restarts, as a pure function of time."""

import math


def learning_rate(
    epoch: float, lr_max: float, lr_min: float, restart_epochs: int, restart_factor: int
) -> float:
    """The learning rate at a fractional epoch.

    It falls from ``lr_max`` to ``lr_min`` along half a cosine in ``restart_epochs`` epochs, starts
    again from the top, and takes ``restart_factor`` times longer in every further cycle.

    >>> [round(learning_rate(t, 1.0, 0.0, 10, 2), 3) for t in (0, 5, 9.99, 10, 20, 30)]
    [1.0, 0.5, 0.0, 1.0, 0.5, 1.0]
    """
    into, length = epoch, restart_epochs
    while into >= length:
        into -= length
        length *= restart_factor
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * into / length)) / 2
