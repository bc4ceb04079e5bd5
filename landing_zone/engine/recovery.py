"""What a killed or failed run leaves behind: locks that nobody holds any more, and things that were being made."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException
from pulumi import automation as auto

from foundation.errors import BusyError, LzError, Problem, raise_all
from landing_zone.engine import checkpoints, doubts, orphans, reaching
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.doubts import Doubt
from landing_zone.engine.events import name_of
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores import Store

PATIENCE = 120.0  # seconds that a living engine process gets to end: that of a killed `lz` ends at once, one without `lz` at its leisure
LATE = 5.0  # seconds in which the cloud still carries out calls that nobody waits for any more: in the lab up to 2.6 after a kill


@dataclass(frozen=True)
class Lock:
    """A lock on a stack: under which key it lies, and what its maker wrote into it."""

    place: str
    pid: int
    username: str
    hostname: str
    since: str

    @property
    def here(self) -> bool:
        """True when it was made on this machine."""
        return self.hostname == socket.gethostname()

    @property
    def held(self) -> bool:
        """True when the holder may still be at work: on another machine, or the same living engine process here."""
        if not self.here:
            return True
        try:
            name = Path(f"/proc/{self.pid}/comm").read_text().strip()
            state, began = _process(self.pid)
            return name == "pulumi" and state != "Z" and began <= datetime.fromisoformat(self.since).timestamp() + 1
        except (OSError, ValueError):
            return False

    @property
    def holder(self) -> str:
        """Who made it, in words."""
        return f"process {self.pid} of {self.username} on {self.hostname} since {self.since}"


@dataclass(frozen=True)
class Site:
    """The cloud of a region: where it is now, and a connection to it."""

    cloud: Cloud
    connection: Connection


def recover(stacks: Stacks, key: StackKey, site: Site, say: Callable[[str], None], *, compare: bool = False) -> bool:
    """Make a stack fit for the next operation: also let its state say where its cloud is. True when it was compared with the cloud.

    compare: do that though nothing was left behind. What is to be looked for is kept beside the state until all is done, so
    that this may be killed too. Raises BusyError when somebody who may still be at work holds the stack, LzError when its
    state cannot be compared with the cloud.
    """
    release_lock(stacks.store, key, say)
    latest = stacks.latest(key)
    noted, failed = notes(latest), broken(latest)
    doubts.keep(stacks.home, key.name, [*map(_half_made, noted), *map(_half_changed, failed)])
    if noted or failed:
        _clear(stacks, key, say)
    if reaching.is_elsewhere(latest.get("resources") or (), site.cloud):
        reaching.correct(stacks, key, site.cloud)
        say(f"{key.name}: the state now says that the cloud is {site.cloud.name} at {site.cloud.auth_url}")
    doubted = doubts.kept(stacks.home, key.name)
    if not doubted and not compare:
        return False
    time.sleep(_until_calls_are_over(latest))
    known = standing(latest)
    for doubt in doubted:
        for identity in orphans.remove(site.connection, doubt.kind, doubt.inputs) if doubt.urn not in known else ():
            say(f"{key.name}: removed half-made {name_of(doubt.urn)} ({identity})")
    outcome = stacks.refresh(key)
    if not outcome.good:
        raise LzError(*outcome.problems)
    doubts.settle(stacks.home, key.name)
    say(f"{key.name}: state compared with the cloud" + (", after a run that was interrupted or failed" if doubted else ""))
    return True


def each(keys: Iterable[StackKey], do: Callable[[StackKey], object]) -> None:
    """Do something about every stack, whatever becomes of the others.

    Raises, at the end and with all problems, BusyError when a stack is in use, else LzError.
    """
    problems: list[Problem] = []
    kind: type[LzError] = LzError
    for key in keys:
        try:
            do(key)
        except LzError as error:
            problems += error.problems
            kind = BusyError if isinstance(error, BusyError) else kind
        except (SDKException, ClientException) as error:
            cure = "look at its health (the lab: lz lab doctor), then run the same command again"
            problems.append(Problem("the cloud did not do what it was asked", key.name, f"{type(error).__name__}: {error}", cure))
    raise_all(problems, kind)


def standing(latest: Mapping[str, Any]) -> frozenset[str]:
    """The URNs of what stands by the state. What is pending to be replaced is there with its id, though it has been removed."""
    resources = latest.get("resources") or ()
    return frozenset(one["urn"] for one in resources if one.get("id") and not one.get("pendingReplacement"))


def _until_calls_are_over(latest: Mapping[str, Any]) -> float:
    """Seconds to wait. The engine writes the state before each call: those that were under way at its end were written last."""
    try:
        written = datetime.fromisoformat(latest["manifest"]["time"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
    return min(max(written + LATE - time.time(), 0.0), LATE)


def _half_made(note: Mapping[str, Any]) -> Doubt:
    """The doubt about an operation that was under way; what was being changed or removed is not looked for (it has no kind)."""
    resource = note["resource"]
    return Doubt(resource["urn"], resource["type"] if note["type"] == "creating" else "", resource.get("inputs", {}))


def _half_changed(resource: Mapping[str, Any]) -> Doubt:
    return Doubt(resource["urn"], "", {})


def _clear(stacks: Stacks, key: StackKey, say: Callable[[str], None]) -> None:
    """Take the notes out of a state, and have what was not right from the beginning made anew.

    What failed at a later change stands, and may hold data: comparing it with the cloud tells what the change has done.
    """
    state = stacks.export(key)
    deployment = dict(state.deployment or {})
    deployment.pop("pending_operations", None)
    for resource in deployment.get("resources") or ():
        if resource.get("initErrors") and resource.get("created") == resource.get("modified"):
            del resource["initErrors"]
            resource["taint"] = True
            say(f"{key.name}: {name_of(resource['urn'])} did not come up well and will be made anew")
    stacks.put_back(key, auto.Deployment(version=state.version, deployment=deployment))


def notes(latest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The engine's notes of what was under way, in the state of a stack."""
    return list(latest.get("pending_operations") or ())


def broken(latest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Resources that got an id and did not come up well, in the state of a stack."""
    return [one for one in latest.get("resources") or () if one.get("initErrors")]


def locks(store: Store, key: StackKey) -> list[Lock]:
    """The locks on a stack."""
    return [lock for place in store.keys(checkpoints.locks(key.name)) if (lock := _lock(place, store.read(place))) is not None]


def release_lock(store: Store, key: StackKey, say: Callable[[str], None], patience: float = PATIENCE) -> bool:
    """Remove the locks of a stack that nobody holds; wait for a holder that is about to end. True when one was removed."""
    found = locks(store, key)
    for lock in found:
        deadline = time.monotonic() + (patience if lock.here else 0)
        if lock.here and lock.held:
            say(f"{key.name}: waiting for process {lock.pid}, which is still at work on it")
        while lock.held:
            if time.monotonic() > deadline:
                raise BusyError(Problem(f"stack {key.name} is in use", lock.place, lock.holder, _cure(lock)))
            time.sleep(0.5)
        for draft in filter(checkpoints.is_draft, store.keys(checkpoints.checkpoint(key.name))):
            store.remove(draft)
        store.remove(lock.place)
        say(f"{key.name}: removed the lock of process {lock.pid}, which is gone")
    return bool(found)


def has_notes(stacks: Stacks, key: StackKey) -> bool:
    """True when a stack has notes of operations that were under way, or that failed without an answer."""
    return bool(notes(stacks.latest(key)) or doubts.kept(stacks.home, key.name))


def _cure(lock: Lock) -> str:
    if lock.here:
        return "wait for it, or stop it"
    return "wait for it; when it is gone for certain: lz state doctor --fix --break-locks, with the same --env"


def _lock(place: str, data: bytes | None) -> Lock | None:
    """A lock; None when it has gone in the meantime. One cut off while it was written has no holder."""
    if data is None:
        return None
    try:
        content = json.loads(data)
        return Lock(place, int(content["pid"]), str(content.get("username")), str(content["hostname"]), str(content.get("timestamp")))
    except (ValueError, KeyError, TypeError):
        return Lock(place, 0, "nobody", socket.gethostname(), "an unknown time")


def _process(pid: int) -> tuple[str, float]:
    """State of a process of this machine (`Z`: it has ended and nobody has asked how), and when it began, in seconds since 1970."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    booted = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return words[0], booted + int(words[19]) / os.sysconf("SC_CLK_TCK")
