"""The ledger of address slots: what was given to whom, so that nobody's prefix moves when others come and go.

The slots of a removed tenant stay retired until they are released.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from foundation.errors import InputError, Problem, raise_all


@dataclass(frozen=True)
class Run:
    """`count` slots from `start` on."""

    start: int
    count: int


@dataclass(frozen=True)
class Ledger:
    """What was given out: `layout` names how the supernets were cut, `slots` by tenant, `retired` by former tenant."""

    layout: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, Run] = field(default_factory=dict)
    retired: Mapping[str, Run] = field(default_factory=dict)


class LedgerError(InputError):
    """The ledger and the environment do not go together: addresses would move, or there is no room."""


def assign(ledger: Ledger, wanted: Mapping[str, int], slots: range) -> Ledger:
    """The ledger after tenants `wanted` (size by code) have got their slots; tenants in it that are not wanted are retired.

    Deterministic; a tenant that is in the ledger, retired or not, keeps its slots. Raises LedgerError when the slots do not
    suffice, when two tenants in the ledger have the same, or when one asks for another size, because its addresses would move.
    """
    known = {**ledger.retired, **ledger.slots}
    raise_all(_shared(known), LedgerError)
    changed = sorted(code for code, size in wanted.items() if code in known and known[code].count != size)
    if changed:
        raise LedgerError(*(_resized(code, known[code].count, wanted[code], code in ledger.retired) for code in changed))
    taken = bytearray(max((slots.stop, *(run.start + run.count for run in known.values()))))
    for run in known.values():
        taken[run.start : run.start + run.count] = b"\1" * run.count
    given = {code: known[code] for code in wanted if code in known}
    cursors: dict[int, int] = {}
    for code in sorted(set(wanted) - set(given)):
        size = wanted[code]
        start = cursors.get(size, -(-slots.start // size) * size)
        while start + size <= slots.stop and any(taken[start : start + size]):
            start += size
        if start + size > slots.stop:
            raise LedgerError(
                _no_room(code, size, len(slots), sum(taken[slots.start :]), sum(run.count for run in ledger.retired.values()))
            )
        taken[start : start + size] = b"\1" * size
        cursors[size] = start + size
        given[code] = Run(start, size)
    return replace(retire(ledger, wanted), slots=dict(sorted(given.items())))


def retire(ledger: Ledger, kept: Collection[str]) -> Ledger:
    """The ledger with the slots of every tenant but `kept` retired; a kept one that was retired has its slots back."""
    known = sorted({**ledger.retired, **ledger.slots}.items())
    slots, retired = ({code: run for code, run in known if (code in kept) is wanted} for wanted in (True, False))
    return replace(ledger, slots=slots, retired=retired)


def release(ledger: Ledger, code: str) -> Ledger:
    """The ledger without the retired slots of `code`, which others may get from now on. Raises KeyError when it has none."""
    if code not in ledger.retired:
        raise KeyError(code)
    return replace(ledger, retired={other: run for other, run in ledger.retired.items() if other != code})


def _shared(known: Mapping[str, Run]) -> Iterator[Problem]:
    """Slots that two tenants have, as when two branches that each gave out the next free one are merged."""
    in_order = sorted(known.items(), key=lambda entry: (entry[1].start, entry[0]))
    for (one, first), (other, second) in pairwise(in_order):
        if second.start < first.start + first.count:
            why = "two branches gave them out, each without the other's tenant"
            cure = (
                "which of them stands (lz status)? Remove the line of the other from the ledger: it gets slots of its own by the next lz up"
            )
            yield Problem(f"tenants {one} and {other} have the same address slots", f"ledger, slot {second.start}", why, cure)


def _resized(code: str, had: int, wants: int, retired: bool) -> Problem:
    what = f"tenant {code} cannot change its size from {had} to {wants}"
    cure = (
        f"release its old addresses first (lz ledger release {code})"
        if retired
        else f"write size: {had}, or move it to a tenant of another code"
    )
    return Problem(what, f"key size of tenant {code}", "its addresses would move under running systems", cure)


def _no_room(code: str, size: int, slots: int, taken: int, retired: int) -> Problem:
    why = f"{taken} of {slots} slots are taken, {retired} of them by tenants that are gone"
    cure = "release those that nothing uses any more (lz ledger release CODE), or plan a new environment with larger supernets"
    return Problem(f"no run of {size} address slots is left for tenant {code}", f"key size of tenant {code}", why, cure)
