"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

# Registers the commands.
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
from avsc.cli.app import app as _avsc
from avsc.cli.app import main

IN_ORDER = (  # of `avsc --help`: as one meets them
    *("demo", "synth", "download"),
    *("prepare", "info", "verify"),
    *("train", "evaluate", "compare", "recipe", "pretrain", "embed"),
    *("score", "calibrate", "ensemble", "robustness", "agree", "reproduce"),
    *("predict", "export"),
)
_avsc.registered_commands.sort(
    key=lambda one: IN_ORDER.index(one.name or getattr(one.callback, "__name__", ""))
)

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
