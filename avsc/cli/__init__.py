"""The ``avsc`` command. Its modules parse, call one function and print; ``app`` runs them."""

from avsc.cli import data, evaluate, store, train  # registers the commands, in this order
from avsc.cli.app import main

__all__ = ["data", "evaluate", "main", "store", "train"]
