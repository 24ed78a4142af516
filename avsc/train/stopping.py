"""A polite end: Ctrl-C, SIGTERM or SIGUSR1 let a training save its place before it ends."""

import signal
import threading
from types import FrameType
from typing import Any

from avsc.console import say

# SIGTERM and SIGUSR1 are what a batch system sends before a job's time is over.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]


class StopRequest:
    """Listens to signals inside ``with``; a second Ctrl-C ends at once.

    Attributes:
        received: Whether this process was asked to end.
        agreed: Whether all ranks know of it, so that they end at the same step.
    """

    def __init__(self) -> None:
        self.received = False
        self.agreed = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        # Python lets the main thread alone handle signals.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.received:
            say("stopping after this step; its place is saved (Ctrl-C again ends at once)")
        self.received = True
