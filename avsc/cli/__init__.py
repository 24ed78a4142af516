"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

# Registers the commands; their order is that of `avsc --help`.
from avsc.cli import demo, data, prepare, store, train, recipe, evaluate, score, reproduce, predict  # noqa: I001
from avsc.cli.app import main

__all__ = [
    "data",
    "demo",
    "evaluate",
    "main",
    "predict",
    "prepare",
    "recipe",
    "reproduce",
    "score",
    "store",
    "train",
]
