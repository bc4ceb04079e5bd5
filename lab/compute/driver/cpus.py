"""On which processors of the machine an instance runs.

Kernel and programs of a guest take turns by futex: on one processor that costs a quarter of what it costs across two. So
every virtual processor is pinned to one real one, and instances are spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def plan(wanted: int, available: Sequence[int], taken: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The processors for an instance with `wanted` virtual ones: the least used of `available`, lowest numbers first.

    taken: processors of each instance that is there already. Never more than there are, never none.
    """
    load = dict.fromkeys(available, 0)
    for processors in taken:
        for processor in processors:
            if processor in load:
                load[processor] += 1
    order = sorted(load, key=lambda processor: (load[processor], processor))
    return tuple(sorted(order[: max(1, wanted)]))
