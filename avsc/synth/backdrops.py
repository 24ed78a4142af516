"""The five families of picture: what of a place stands still, drawn once a location."""

from collections.abc import Callable

import numpy as np

from avsc.synth.indoors import cabin, hall
from avsc.synth.outdoors import facades, green, shops
from avsc.synth.plan import PictureFamily
from avsc.synth.scenery import Backdrop

FAMILIES: dict[PictureFamily, Callable[[np.random.Generator, float], Backdrop]] = {
    "cabin": cabin,
    "hall": hall,
    "shops": shops,
    "facades": facades,
    "green": green,
}
