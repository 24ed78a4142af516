"""Waits for tasks to end, and sees when none does: a line every few seconds, and an end at last."""

import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from avsc.console import say
from avsc.errors import AvscError

if TYPE_CHECKING:
    from distributed import Client, Future

TELL_S = 10.0  # between the lines that say what is waited for
ASK_S = 2.0  # between questions for the number of workers
DEATHS = 5  # time limits that one clip may use up on several workers


class Watch:
    """Waits for tasks of one client.

    Args:
        client: A client of the cluster.
        place: Name of the cluster in messages.
        idle_limit_s: Seconds without a task that ends, after which the work is given up when
            there are no workers; with workers, the clips' own time limit is added.
        clip_timeout_s: Time limit of a clip in seconds.
        details: Says more about what is waited for, such as the states of SLURM jobs.
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
        self._workers = 0
        self._asked_s = -ASK_S

    def add(self, future: "Future") -> None:
        """Waits for this task too."""
        future.add_done_callback(self._ended.put)

    def workers(self) -> int:
        """Number of the cluster's threads, at least 1; a few seconds old."""
        return max(1, self._count())

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

    def _count(self) -> int:
        now_s = time.monotonic()
        if now_s - self._asked_s >= ASK_S:
            try:
                self._workers = sum(self.client.nthreads().values())
            except (OSError, TimeoutError, ValueError):
                raise self.lost_scheduler() from None
            self._asked_s = now_s
        return self._workers

    def _tell(self, idle_s: float) -> None:
        if self.client.status != "running":
            raise self.lost_scheduler()
        workers = self._count()
        details = self._details()
        state = f"{workers} workers" + (f", {details}" if details else "")
        limit_s = self._idle_limit_s + (DEATHS * self._clip_timeout_s if workers else 0)
        if idle_s > limit_s:
            raise AvscError(
                f"no clip has ended on {self._place} for {idle_s:.0f} s: {state}",
                f"one at least in {limit_s:.0f} s (idle_limit_s in the cluster profile)",
                "see why its workers do not start or do not work (their logs, the queue), or raise"
                " the limit; what is complete is kept",
            )
        say(f"waiting for {self._place} for {idle_s:.0f} s: {state}")
