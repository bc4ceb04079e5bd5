"""What a killed or failed run leaves behind: locks that nobody holds any more, and things that were being made."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from openstack.connection import Connection
from pulumi import automation as auto

from foundation.errors import BusyError, LzError, Problem
from landing_zone.engine import doubts, orphans
from landing_zone.engine.doubts import Doubt
from landing_zone.engine.events import name_of
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from stacks.inputs import PROJECT

PATIENCE = 120.0  # seconds that the engine process of a killed run gets to finish its calls under way


def recover(stacks: Stacks, key: StackKey, connection: Connection, say: Callable[[str], None]) -> bool:
    """Make a stack fit for the next operation; True when something had been left behind.

    What is to be looked for is kept beside the state until all is done, so that this may be killed too. Raises BusyError when
    somebody who may still be at work holds the stack, LzError when its state cannot be compared with the cloud.
    """
    released = release_lock(stacks.home, key, say)
    latest = _latest(stacks.home, key)
    resources, noted = latest.get("resources") or [], latest.get("pending_operations") or []
    failed = [one for one in resources if one.get("initErrors")]
    doubts.keep(stacks.home, key.name, [*map(_half_made, noted), *map(_half_changed, failed)])
    if noted or failed:
        _clear(stacks, key, say)
    doubted = doubts.kept(stacks.home, key.name)
    if not doubted:
        return released
    known = {one["urn"] for one in resources if one.get("id")}
    for doubt in doubted:
        for identity in orphans.remove(connection, doubt.kind, doubt.inputs) if doubt.urn not in known else ():
            say(f"{key.name}: removed half-made {name_of(doubt.urn)} ({identity})")
    outcome = stacks.refresh(key)
    if not outcome.good:
        raise LzError(*outcome.problems)
    doubts.settle(stacks.home, key.name)
    say(f"{key.name}: state compared with the cloud, after a run that was interrupted or failed")
    return True


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


def release_lock(home: Home, key: StackKey, say: Callable[[str], None], patience: float = PATIENCE) -> bool:
    """Remove the locks of a stack that nobody holds; wait for a holder that is about to end. True when one was removed."""
    removed = False
    for path in sorted(lock_folder(home, key).glob("*.json")):
        lock = _read(path)
        if lock is None:
            continue
        deadline = time.monotonic() + patience
        if held(lock):
            say(f"{key.name}: waiting for process {lock['pid']}, which is still at work on it")
        while held(lock):
            if time.monotonic() > deadline:
                raise BusyError(
                    Problem(
                        f"stack {key.name} is in use",
                        where=str(path),
                        why=f"process {lock['pid']} of {lock.get('username')} on {lock.get('hostname')} since {lock.get('timestamp')}",
                        cure="wait for it, or stop it; on another machine, be sure that it is gone and remove the file",
                    )
                )
            time.sleep(0.5)
        path.unlink(missing_ok=True)
        removed = True
        say(f"{key.name}: removed the lock of process {lock['pid']}, which is gone")
    return removed


def lock_folder(home: Home, key: StackKey) -> Path:
    """Where the local backend keeps the locks of a stack."""
    return home.backend / ".pulumi" / "locks" / "organization" / PROJECT / key.name


def held(lock: dict[str, Any]) -> bool:
    """True when the holder of a lock may still be at work: on another machine, or the same living engine process here."""
    if lock.get("hostname") != socket.gethostname():
        return True
    try:
        pid = int(lock["pid"])
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return name == "pulumi" and _started(pid) <= datetime.fromisoformat(lock["timestamp"]).timestamp() + 1
    except (OSError, KeyError, ValueError):
        return False


def _started(pid: int) -> float:
    """When a process of this machine began, in seconds since 1970."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    booted = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def has_notes(home: Home, key: StackKey) -> bool:
    """True when a stack has notes of operations that were under way, or that failed without an answer."""
    return bool(_latest(home, key).get("pending_operations") or doubts.kept(home, key.name))


def _latest(home: Home, key: StackKey) -> dict[str, Any]:
    """The state of a stack of the local backend as it was last written; empty when there is none."""
    path = home.backend / ".pulumi" / "stacks" / PROJECT / f"{key.name}.json"
    return dict(json.loads(path.read_text())["checkpoint"].get("latest") or {}) if path.exists() else {}


def _read(path: Path) -> dict[str, Any] | None:
    """The contents of a lock; None when it has gone in the meantime. A lock cut off while it was written has no holder."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except ValueError:
        return {"pid": 0, "hostname": socket.gethostname()}
