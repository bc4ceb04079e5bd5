"""What is wrong with the state of an environment, and what would put it right. `recovery` does the repair, as before every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import LzError
from landing_zone.engine import checkpoints, doubts, orphans, recovery
from landing_zone.engine.events import name_of
from landing_zone.engine.recovery import Lock, Site
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores import Store
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.planners.shares import PROBES, TENANT

Kind = Literal["unknown stack", "lock", "damaged state", "pending operation", "broken resource"]

EVERYTHING = Selection()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a stack: what was seen of it, what `repair` does about it, and whether we do that."""

    stack: str
    kind: Kind
    what: str
    seen: str
    repair: str
    ours: bool


@dataclass(frozen=True)
class Doctor:
    """Looks at the stacks of a part of an environment.

    `sites`: the clouds of regions that can be asked; `break_locks`: also those of other machines.
    """

    plan: EnvironmentPlan
    stacks: Stacks
    sites: Mapping[str, Site]
    break_locks: bool = False
    part: Selection = EVERYTHING

    def examine(self) -> list[Finding]:
        """Everything that is found, stack by stack. Nothing is changed."""
        return [finding for name in self._names() for finding in self._stack(name)]

    def repair(self, findings: list[Finding], say: Callable[[str], None]) -> None:
        """Do what the findings say; see `recovery.each` for errors. A stack of which one thing cannot be repaired is left alone."""
        kinds: dict[str, set[Kind]] = {}
        for finding in findings:
            kinds.setdefault(finding.stack, set()).add(finding.kind)
        spoilt = {finding.stack for finding in findings if not finding.ours}
        wrong = [StackKey.of(name) for name in kinds if name not in spoilt]
        recovery.each(wrong, lambda key: self._repair(key, kinds[key.name], say))

    def _repair(self, key: StackKey, kinds: set[Kind], say: Callable[[str], None]) -> None:
        for lock in recovery.locks(self.stacks.store, key):
            if self.break_locks and not lock.here:
                self.stacks.store.remove(lock.place)
                say(f"{key.name}: removed the lock of {lock.holder}")
        site = self.sites.get(key.region)
        if kinds == {"lock"}:
            recovery.release_lock(self.stacks.store, key, say)
        elif site is None:
            say(f"{key.name}: left alone, because its region cannot be asked")
        else:
            if "damaged state" in kinds:
                self._put_back(key, say)
            recovery.recover(self.stacks, key, site, say, compare="damaged state" in kinds)

    def _names(self) -> list[str]:
        """Stacks of the environment that have a state or a lock."""
        locked = {place.removeprefix(checkpoints.LOCKS).partition("/")[0] for place in self.stacks.store.keys(checkpoints.LOCKS)}
        found = {name for name in {*self.stacks.standing(), *locked} if name.startswith(f"{self.plan.code}.")}
        return sorted(name for name in found if self._asked(StackKey.of(name)))

    def _asked(self, key: StackKey) -> bool:
        return self.part.has(key.region, key.layer)

    def _stack(self, name: str) -> Iterator[Finding]:
        key = self._known(name)
        if key is None:
            regions = ", ".join(self.plan.regions)
            forget = f"pulumi stack rm --force {name} (settings: lz env)"
            repair = f"left alone; what is in it lives on: put its region back, then lz down. When its cloud is gone: {forget}"
            yield Finding(name, "unknown stack", "it is of no known region and layer", f"regions: {regions}", repair, False)
            return
        for lock in recovery.locks(self.stacks.store, key):
            yield self._lock(name, lock)
        data = self.stacks.store.read(checkpoints.checkpoint(name))
        if data is None:
            return
        try:
            latest = checkpoints.latest(data)
        except ValueError as error:
            yield self._damaged(name, error)
            return
        known = recovery.standing(latest)
        for note in recovery.notes(latest):
            yield self._note(key, note)
        for doubt in doubts.kept(self.stacks.home, name):
            if doubt.kind and doubt.urn not in known:
                yield self._note(key, {"type": "creating", "resource": {"urn": doubt.urn, "type": doubt.kind, "inputs": doubt.inputs}})
            else:
                what = f"a change of {name_of(doubt.urn)} ended without an answer"
                yield Finding(name, "pending operation", what, "stands in the state", "the state is compared with the cloud", True)
        for resource in recovery.broken(latest):
            said = str(resource["initErrors"][0])
            repair = "made anew by the next lz up if it never came up, else compared with the cloud"
            yield Finding(name, "broken resource", f"{name_of(resource['urn'])} did not come up well", said, repair, True)

    def _known(self, name: str) -> StackKey | None:
        """The stack of that name; None when its region or layer is none of the environment's."""
        key = StackKey.of(name)
        if key.region not in self.plan.regions:
            return None
        layers = {layer for step in self.plan.regions[key.region].order for layer in step}
        return key if key.layer in {*layers, PROBES} or key.layer.startswith(TENANT) else None

    def _lock(self, name: str, lock: Lock) -> Finding:
        if not lock.here:
            repair = "removed" if self.break_locks else "left alone; once it is gone for certain, say --break-locks"
            seen = f"{lock.holder}; from here nobody can see whether it still runs"
            return Finding(name, "lock", "another machine has locked it", seen, repair, self.break_locks)
        if lock.held:
            return Finding(name, "lock", "it is locked", f"{lock.holder} is at work", "left alone: wait for it, or stop it", False)
        return Finding(name, "lock", "a lock that nobody holds", f"{lock.holder} is gone", "removed", True)

    def _damaged(self, name: str, error: ValueError) -> Finding:
        copy = good_copy(self.stacks.store, name)
        if copy is None:
            return Finding(
                name, "damaged state", "its state cannot be read", str(error), "no earlier one is whole: lz state restore", False
            )
        repair = f"put back {copy}{_age(copy)}, then compared with the cloud; the damaged one is kept in aside/"
        return Finding(name, "damaged state", "its state cannot be read", str(error), repair, True)

    def _note(self, key: StackKey, note: Mapping[str, Any]) -> Finding:
        resource = note["resource"]
        what = f"{note['type']} {name_of(resource['urn'])} was under way when a run ended"
        site = self.sites.get(key.region)
        if resource["type"] not in orphans.FINDERS:
            return Finding(key.name, "pending operation", what, "of a kind that may be asked for twice", "the note is removed", True)
        if site is None:
            repair = "left alone until the region can be asked"
            return Finding(key.name, "pending operation", what, "could not be evaluated: the region was not asked", repair, False)
        try:
            found = orphans.find(site.connection, resource["type"], resource.get("inputs", {}))
        except (SDKException, ClientException, KeyError) as error:
            seen = f"could not be evaluated: {type(error).__name__}: {error}"
            return Finding(key.name, "pending operation", what, seen, "left alone until the region answers", False)
        seen = f"lives in the cloud: {', '.join(orphan.id for orphan in found)}" if found else "is not in the cloud"
        if note["type"] == "creating" and found:
            return Finding(key.name, "pending operation", what, seen, "removed; the next lz up makes it anew", True)
        return Finding(key.name, "pending operation", what, seen, "the note is removed, and the state compared with the cloud", True)

    def _put_back(self, key: StackKey, say: Callable[[str], None]) -> None:
        store = self.stacks.store
        copy = good_copy(store, key.name)
        data = store.read(copy) if copy else None
        if copy is None or data is None:
            raise LzError(f"{key.name}: the earlier state that was found has gone")
        aside = self.stacks.forget(key)
        store.write(checkpoints.checkpoint(key.name), data)
        say(f"{key.name}: put back {copy}; the damaged state is {aside}")


def good_copy(store: Store, stack: str) -> str | None:
    """The key of the latest earlier state of a stack that is whole: what the engine kept beside it, else of its history."""
    history = sorted(store.keys(checkpoints.history(stack)), key=checkpoints.taken, reverse=True)
    for place in (checkpoints.before(stack), *history):
        data = store.read(place)
        try:
            if data is not None and checkpoints.latest(data):
                return place
        except ValueError:
            continue
    return None


def _age(place: str) -> str:
    taken = checkpoints.taken(place)
    return f" of {datetime.fromtimestamp(taken / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC" if taken else ""
