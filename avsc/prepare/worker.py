"""A worker process: takes partitions from its standard input, says what it does on the other end.

One JSON object a line. In: ``{"partition": 3, "banned": {clip: reason}, "noted": true}``. Out:
``{"begin": clip}`` and ``{"end": clip, "reason": ""}`` around each clip, ``{"written": 3}`` when
the partition is in the store, ``{"error": [got, expected, remedy], "traceback": ...}`` when it
cannot be.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from avsc.errors import AvscError
from avsc.prepare.events import ClipBegun, ClipDone, PartitionDone
from avsc.prepare.ledger import Note

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Runs until the standard input closes, which is how the parent's end is noticed."""
    # Ctrl-C reaches the whole group; the parent decides, and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say = _outlet()
    orders = _orders()
    try:
        _work(Path(sys.argv[1]), Path(sys.argv[2]), orders, say)
    except AvscError as error:
        say({"error": list(error.args), "traceback": traceback.format_exc()})
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        report = ["a worker failed: " + got, "", "run it again with --debug, and report this"]
        say({"error": report, "traceback": traceback.format_exc()})


def _work(dataset: Path, store: Path, orders: Iterator[dict[str, Any]], say: Say) -> None:
    import cv2

    from avsc.prepare.partition import Preparer

    cv2.setNumThreads(1)
    preparer = Preparer(dataset, store)
    for order in orders:
        for event in preparer.steps(order["partition"], order["banned"]):
            match event:
                case ClipBegun(clip):
                    if order["noted"]:  # here and at once: the parent may die of it too
                        Note(store, order["partition"]).write(clip)
                    say({"begin": clip})
                case ClipDone(clip, reason):
                    say({"end": clip, "reason": reason})
                case PartitionDone(partition):
                    say({"written": partition})


def _outlet() -> Say:
    """A private copy of the standard output; whatever else prints goes to the standard error."""
    outlet = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        outlet.write(json.dumps(message) + "\n")
        outlet.flush()

    return say


def _orders() -> Iterator[dict[str, Any]]:
    """The orders as they come; the process ends at once when there can be no more."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            waiting.put(line)
        # At once and not after this partition: the next run may already be writing it.
        os._exit(0)

    threading.Thread(target=listen, name="avsc-orders", daemon=True).start()
    while True:
        yield json.loads(waiting.get())


if __name__ == "__main__":
    main()
