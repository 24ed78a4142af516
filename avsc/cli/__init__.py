"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

# Registers the commands; their order is that of `avsc --help`.
from avsc.cli import (
    data,
    demo,
    embed,
    evaluate,
    predict,
    prepare,
    recipe,
    reproduce,
    robustness,
    score,
    store,
    train,
)
from avsc.cli.app import main

__all__ = [
    "data",
    "demo",
    "embed",
    "evaluate",
    "main",
    "predict",
    "prepare",
    "recipe",
    "reproduce",
    "robustness",
    "score",
    "store",
    "train",
]
