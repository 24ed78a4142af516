"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

# Registers the commands; their order is that of `avsc --help`.
from avsc.cli import demo, data, store, train, recipe, evaluate, score, reproduce, predict  # noqa: I001
from avsc.cli.app import main

__all__ = [
    "data",
    "demo",
    "evaluate",
    "main",
    "predict",
    "recipe",
    "reproduce",
    "score",
    "store",
    "train",
]
