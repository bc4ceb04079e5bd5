"""Workers: operations on stacks in processes of their own, so that Python programs of several stacks really run side by side.

Each process runs one program at a time (the engine's callbacks into Python allow for no more). The workers are forked
from a small server that has everything imported; they end with us, also when we are killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.queues import SimpleQueue
from typing import Any

from foundation.errors import LzError, Problem
from landing_zone.engine.events import Listener, Task, Tick
from landing_zone.engine.stack import Outcome, Stacks

Order = Callable[[Stacks], Outcome]
Message = tuple[str, tuple[Any, ...]]
PRELOAD = ["landing_zone.engine.crew", "stacks.programs"]

_stacks: Stacks | None = None  # of a worker


@dataclass(frozen=True)
class Mailbox:
    """A listener in a worker: what it hears goes to the process that hired the worker."""

    queue: SimpleQueue[Message | None]

    def begun(self, task: Task) -> None:
        """An operation has begun."""
        self.queue.put(("begun", (task,)))

    def ticked(self, tick: Tick) -> None:
        """One more resource is done."""
        self.queue.put(("ticked", (tick,)))

    def ended(self, stack: str, good: bool, seconds: float) -> None:
        """An operation has ended."""
        self.queue.put(("ended", (stack, good, seconds)))


@dataclass(frozen=True)
class Crew:
    """Workers that are hired. `do` may be called from several threads."""

    pool: ProcessPoolExecutor

    def do(self, order: Order) -> Outcome:
        """Have one order (it must be picklable) carried out by a free worker, and wait for the outcome."""
        try:
            return self.pool.submit(_carry_out, order).result()
        except BrokenProcessPool:
            raise LzError(
                Problem(
                    "a worker process was ended from outside",
                    why="killed, or out of memory",
                    cure="free memory, or take fewer stacks --side-by-side, and run the same command again: it goes on where it stopped",
                )
            ) from None


@contextlib.contextmanager
def hired(stacks: Stacks, width: int) -> Iterator[Crew]:
    """`width` workers for operations on these stacks; what they report goes to the listener of `stacks`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    queue: SimpleQueue[Message | None] = context.SimpleQueue()
    reader = threading.Thread(target=_hear, args=(queue, stacks.listener), daemon=True)
    reader.start()
    ours = replace(stacks, listener=None)
    pool = ProcessPoolExecutor(width, context, initializer=_begin, initargs=(ours, queue))
    try:
        yield Crew(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        queue.put(None)
        reader.join()


def _begin(stacks: Stacks, queue: SimpleQueue[Message | None]) -> None:
    """First thing in a worker. An interrupt is left to the engine's own process, which finishes what is under way."""
    global _stacks  # noqa: PLW0603  the one thing that a worker is for
    _stacks = replace(stacks, listener=Mailbox(queue))
    signal.signal(signal.SIGINT, lambda *_: None)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _carry_out(order: Order) -> Outcome:
    assert _stacks is not None, "a worker begins with _begin"  # noqa: S101
    return order(_stacks)


def _hear(queue: SimpleQueue[Message | None], listener: Listener | None) -> None:
    while (message := queue.get()) is not None:
        if listener is not None:
            getattr(listener, message[0])(*message[1])
