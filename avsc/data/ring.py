"""A ring of reusable buffers that threads fill ahead of the consumer, batch after batch."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

PlanT = TypeVar("PlanT")
BufferT = TypeVar("BufferT")

CHUNK = 16  # images a thread takes at a time


def filled(
    plans: Iterable[tuple[PlanT, int]],
    buffers: Iterable[BufferT],
    fill: Callable[[PlanT, BufferT, int, int], None],
    threads: int,
) -> Generator[tuple[PlanT, BufferT]]:
    """Yields plans in order, each with the buffer that threads have filled for it.

    A buffer belongs to the consumer until it asks for the next one. An exception in a thread is
    raised here, at its plan's turn. No thread is left, whether the iteration comes to its end or
    is ended by an exception, by ``close`` or by an interrupt.

    Args:
        plans: Plans, each with its number of images.
        buffers: Buffers; their number bounds the plans that are worked on, the consumer's included.
        fill: Function that fills images [start, stop) of a plan's buffer; called in threads.
        threads: Number of threads.
    """
    waiting = iter(plans)
    free = deque(buffers)
    begun: deque[tuple[PlanT, BufferT, list[Future[None]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="avsc-images")
    try:
        while True:
            while free and (upcoming := next(waiting, None)) is not None:
                plan, count = upcoming
                buffer = free.popleft()
                parts = [
                    pool.submit(fill, plan, buffer, start, min(start + CHUNK, count))
                    for start in range(0, count, CHUNK)
                ]
                begun.append((plan, buffer, parts))
            if not begun:
                return
            plan, buffer, parts = begun.popleft()
            for part in parts:
                part.result()
            yield plan, buffer
            free.append(buffer)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
