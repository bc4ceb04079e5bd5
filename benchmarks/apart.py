"""The lab's cloud on one processor and the tools on the others, for as long as a measurement takes.

A cloud has processors of its own; the lab shares those of the machine with the tool that is measured. With both apart, a tool
that computes more is not slower for that alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROC = Path("/proc")


def threads(proc: Path = PROC) -> tuple[int, ...]:
    """Every thread of the lab's machines, which have process namespaces of their own."""
    here = (proc / "self/ns/pid").readlink()
    found: list[int] = []
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns/pid").readlink() != here:
                found += [int(task.name) for task in (process / "task").iterdir()]
    return tuple(found)


@contextmanager
def apart(really: bool = True) -> Iterator[None]:
    """The cloud on the last processor while the block runs, this process and what it starts on the others; nothing if not `really`.

    Raises ValueError where there is only one processor.
    """
    if not really:
        yield
        return
    *ours, last = sorted(os.sched_getaffinity(0))
    if not ours:
        raise ValueError("cloud and tools cannot be apart on one processor")
    _bind(threads(), {last})
    os.sched_setaffinity(0, ours)
    try:
        yield
    finally:
        os.sched_setaffinity(0, {*ours, last})
        _bind(threads(), {*ours, last})


def _bind(who: tuple[int, ...], processors: set[int]) -> None:
    """Threads that have ended meanwhile are none. What they start later inherits it."""
    for thread in who:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread, processors)
