"""Workers: operations on stacks in processes of their own, so that Python programs of several stacks really run side by side.

Each order has a process of its own (the engine's callbacks into Python allow for no more than one program in it). The
workers are forked from a small server that has everything imported; they end with us, also when we are killed.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import SimpleQueue
from typing import Any

import pulumi
from pulumi.runtime.proto.source_pb2 import StackTrace

from foundation.errors import LzError, Problem
from landing_zone.engine.events import Listener, Task, Tick
from landing_zone.engine.stack import ENDED_OUTSIDE, Outcome, Stacks

Order = Callable[[Stacks], Outcome]
Message = tuple[str, tuple[Any, ...]]
# Imported once, not by each worker: what an order is made of, and the command that was started, which each would import for itself.
PRELOAD = ("landing_zone.engine.crew", "landing_zone.engine.runs", "stacks.programs", "stacks.provider", "landing_zone.cli")

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
    """Who carries out orders, each in a fresh process. `do` may be called from several threads, and limits nothing itself."""

    stacks: Stacks
    queue: SimpleQueue[Message | None]
    context: ForkServerContext

    def do(self, order: Order) -> Outcome:
        """Have one order (it must be picklable) carried out by a worker of its own, and wait for the outcome.

        A worker does not get a second order: the engine's library keeps, in its process, callback servers of event loops that
        have ended, and a run after a failed one may wait for them for ever.
        """
        try:
            with ProcessPoolExecutor(1, self.context, initializer=_begin, initargs=(self.stacks, self.queue)) as worker:
                return worker.submit(_carry_out, order).result()
        except BrokenProcessPool:
            raise LzError(
                Problem(
                    "a worker process was ended from outside",
                    why="killed, or out of memory",
                    cure=ENDED_OUTSIDE,
                )
            ) from None


@contextlib.contextmanager
def hired(stacks: Stacks, more: Iterable[str] = ()) -> Iterator[Crew]:
    """Workers for operations on these stacks; what they report goes to the listener of `stacks`.

    more: modules that orders are made of, beside those of every environment, to be imported once and not by each worker.
    """
    lent = replace(stacks, listener=None)
    lent.read_up()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, *more])
    queue: SimpleQueue[Message | None] = context.SimpleQueue()
    reader = threading.Thread(target=_hear, args=(queue, stacks.listener), daemon=True)
    reader.start()
    try:
        yield Crew(lent, queue, context)
    finally:
        queue.put(None)
        reader.join()


def _begin(stacks: Stacks, queue: SimpleQueue[Message | None]) -> None:
    """First thing in a worker. An interrupt is left to the engine's own process, which finishes what is under way."""
    global _stacks  # noqa: PLW0603  the one thing that a worker is for
    _stacks = stacks
    _stacks.listener = Mailbox(queue)
    _hush()
    gc.disable()  # it would go through all that is imported, again and again, and the worker ends with its order anyway (decision 91)
    with stacks.home.log("workers").open("a") as log:  # a library's words are no message of ours: grpc prints a traceback of its own
        os.dup2(log.fileno(), 2)  # where the engine gives up a call before it is answered
    signal.signal(signal.SIGINT, lambda *_: None)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _hush() -> None:
    """Keep the engine's library from telling the engine what nobody reads: a third of a worker's processor time (decision 91).

    It announces each of its own steps, some five a resource, by a call that waits for its answer. And it has the calls on
    Python's stack, some twenty with paths of this machine, kept for each resource: half of a state, which is written at each step.
    """
    pulumi.log.debug = _unsaid
    pulumi.runtime.resource._get_stack_trace = StackTrace  # there is no setting


def _unsaid(*_: object, **__: object) -> None:
    """A message that nobody would read."""


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _carry_out(order: Order) -> Outcome:
    assert _stacks is not None, "a worker begins with _begin"  # noqa: S101
    return order(_stacks)


def _hear(queue: SimpleQueue[Message | None], listener: Listener | None) -> None:
    """Take what workers tell until the end, also when nobody reads what the listener prints: they would wait for ever."""
    while (message := queue.get()) is not None:
        if listener is not None:
            with contextlib.suppress(OSError, SystemExit):  # rich answers a closed pipe by leaving
                getattr(listener, message[0])(*message[1])
