"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

# Registers the commands; their order is that of `avsc --help`.
from avsc.cli import demo, data, prepare, store, train, evaluate, reproduce, predict  # noqa: I001
from avsc.cli.app import main

__all__ = [
    "data",
    "demo",
    "evaluate",
    "main",
    "predict",
    "prepare",
    "reproduce",
    "store",
    "train",
]
