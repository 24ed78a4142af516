"""Audio-visual scene classification from one second of sound and picture.

The Python interface; each name is imported on first use, and strings are paths everywhere:

- ``prepare(dataset, store)``: every clip of a data set once, into a store
- ``Store.open(store)``: a store's clips, frames, pictures; ``.dataset(fold, recipe)`` for PyTorch
- ``Recipe()``: what is trained and how; ``train`` also takes the name or path of one
- ``train(store, run, recipe)``: trains a system, or goes on with it
- ``evaluate(run)``: its scores on the test fold
- ``Run.open(run)``: a trained system; ``.predict(video)`` gives the scene of each second
- ``predict(run, videos)``: the same for many files, which it can also write to disk
- ``scalogram(waveform, rate)``: the audio feature of any sound
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avsc.evaluate.evaluation import evaluate as evaluate
    from avsc.predict.predict import predict as predict
    from avsc.prepare.run import prepare as prepare
    from avsc.recipe import Recipe as Recipe
    from avsc.store.reader import Store as Store
    from avsc.train.load import Run as Run
    from avsc.train.run import train as train
    from avsc.waveform import scalogram as scalogram

__version__ = "0.1.0"
__all__ = ["Recipe", "Run", "Store", "evaluate", "predict", "prepare", "scalogram", "train"]

_HOMES = {
    "Recipe": "avsc.recipe",
    "Run": "avsc.train.load",
    "Store": "avsc.store.reader",
    "scalogram": "avsc.waveform",
}
_CALLABLE_PACKAGES = ("evaluate", "predict", "prepare", "train")


def __getattr__(name: str) -> object:
    if name in _CALLABLE_PACKAGES:
        return importlib.import_module(f"avsc.{name}")
    if name in _HOMES:
        found: object = getattr(importlib.import_module(_HOMES[name]), name)
        return found
    raise AttributeError(f"module 'avsc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
