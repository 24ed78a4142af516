"""Waits for tasks to end; says what it waits for when none does, and gives up at last."""

import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from avsc.console import say
from avsc.errors import AvscError

if TYPE_CHECKING:
    from distributed import Client, Future

TELL_S = 10.0  # between two lines that say what is waited for
TRIES = 5  # no clip uses up its time limit more often than that before it is quarantined


class Watch:
    """Waits for tasks of one client.

    Args:
        client: Client of a Dask cluster.
        place: Name of the cluster in messages.
        idle_limit_s: Seconds without a task that ends, after which the work is given up; where
            there are workers, the time limits of clips are added.
        clip_timeout_s: Time limit of a clip in seconds.
        details: Says more about the workers, such as the states of SLURM jobs.
    """

    def __init__(
        self,
        client: "Client",
        place: str,
        idle_limit_s: float,
        clip_timeout_s: float,
        details: Callable[[], str] = str,
    ) -> None:
        self.client = client
        self._place = place
        self._idle_limit_s = idle_limit_s
        self._clip_timeout_s = clip_timeout_s
        self._details = details
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def add(self, future: "Future") -> None:
        """Waits for this task too."""
        future.add_done_callback(self._ended.put)

    def workers(self) -> int:
        """Number of tasks that the cluster works on at once.

        Raises:
            AvscError: The scheduler is gone.
        """
        try:
            return sum(self.client.nthreads().values())
        except (OSError, TimeoutError, ValueError):
            raise self.lost_scheduler() from None

    def next_ended(self) -> "Future":
        """The next task that has ended, well or not.

        Raises:
            AvscError: None did for too long, or the scheduler is gone.
        """
        began_s = time.monotonic()
        while True:
            try:
                return self._ended.get(timeout=TELL_S)
            except queue.Empty:
                self._tell(time.monotonic() - began_s)

    def lost_scheduler(self) -> AvscError:
        """The error for a scheduler that no longer answers."""
        return AvscError(
            f"the connection to {self._place} is lost",
            "a scheduler that runs until the work is done",
            "look into its log, start it again, and run the same command again; what is complete"
            " is kept",
        )

    def _tell(self, idle_s: float) -> None:
        workers = self.workers()
        state = ", ".join(filter(None, [f"{workers} workers", self._details()]))
        limit_s = self._idle_limit_s + (TRIES * self._clip_timeout_s if workers else 0)
        if idle_s <= limit_s:
            say(f"no clip has ended for {idle_s:.0f} s on {self._place}: {state}")
            return
        raise AvscError(
            f"no clip has ended for {idle_s:.0f} s on {self._place}: {state}",
            f"one at least in {limit_s:.0f} s (idle_limit_s in the cluster profile)",
            "see why its workers do not start or do not work (their logs, the queue), or raise"
            " the limit; what is complete is kept",
        )
