"""Disturbances of training: sounds and images that are missing, images of another second.

Not in the paper, which names them as future work. A system that was trained with them can be
scored with both modalities, with one of them alone, and with sound and picture out of step.

Shape legend: n samples, U images.
"""

import numpy as np
from numpy.typing import NDArray

from avsc.data import rng
from avsc.recipe_sections import TrainRecipe

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def present(samples: int, recipe: TrainRecipe, epoch: int) -> Bools:
    """Whether each sample of an epoch has its sound and its image, [n, 2]; it has one at least.

    Args:
        samples: Number of samples of an epoch, n.
        recipe: Recipe with the seed and the two probabilities.
        epoch: Number of the epoch, from 0.
    """
    uniform = rng.generator(recipe.seed, epoch, rng.Purpose.DROP).random(samples)
    return np.stack([uniform >= recipe.drop_audio, uniform < 1 - recipe.drop_image], axis=1)


def shifted(second: Ints, length: Ints, recipe: TrainRecipe, epoch: int) -> Ints:
    """The second that each image of an epoch is taken from, [U], within its clip.

    Args:
        second: Second of the image without a shift, [U].
        length: Number of seconds of its clip, [U].
        recipe: Recipe with the seed and the largest shift.
        epoch: Number of the epoch, from 0.
    """
    # Only seconds of the clip are drawn from, all equally often: none piles up at its ends.
    first = np.maximum(second - recipe.shift_s, 0)
    last = np.minimum(second + recipe.shift_s, length - 1)
    uniform = rng.generator(recipe.seed, epoch, rng.Purpose.SHIFT).random(len(second))
    return np.asarray(first + np.floor(uniform * (last - first + 1)), np.int64)
