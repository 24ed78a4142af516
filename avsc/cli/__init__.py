"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

from avsc.cli import data, demo, evaluate, predict, reproduce, store, train  # registers the commands
from avsc.cli.app import main

__all__ = ["data", "demo", "evaluate", "main", "predict", "reproduce", "store", "train"]
