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

from foundation.errors import BusyError, Problem
from landing_zone.engine import doubts, orphans
from landing_zone.engine.doubts import Doubt
from landing_zone.engine.events import name_of
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from stacks.inputs import PROJECT

PATIENCE = 120.0  # seconds that the engine process of a killed run gets to finish its calls under way


def recover(stacks: Stacks, key: StackKey, connection: Connection, say: Callable[[str], None]) -> bool:
    """Make a stack fit for the next operation; True when something had been left behind.

    Raises BusyError when somebody who may still be at work holds the stack.
    """
    released = release_lock(stacks.home, key, say)
    latest = _latest(stacks.home, key)
    resources, noted = latest.get("resources") or [], latest.get("pending_operations") or []
    known = {one["urn"] for one in resources if one.get("id")}
    doubted = doubts.kept(stacks.home, key.name)
    perhaps = [_half_made(note["resource"]) for note in noted if note["type"] == "creating"]
    perhaps += [doubt for doubt in doubted if doubt.urn not in known]
    for doubt in perhaps:
        for identity in orphans.remove(connection, doubt.kind, doubt.inputs):
            say(f"{key.name}: removed half-made {name_of(doubt.urn)} ({identity})")
    doubts.settle(stacks.home, key.name)
    if not noted and not any(one.get("initErrors") for one in resources):
        return released or bool(doubted)
    state = stacks.export(key)
    deployment = dict(state.deployment or {})
    deployment.pop("pending_operations", None)
    for resource in deployment.get("resources") or ():
        if resource.pop("initErrors", None):
            resource["taint"] = True
            say(f"{key.name}: {name_of(resource['urn'])} did not come up well and will be made anew")
    stacks.put_back(key, auto.Deployment(version=state.version, deployment=deployment))
    if noted:
        stacks.refresh(key)
        say(f"{key.name}: state cleared of what an interrupted run had noted")
    return True


def _half_made(resource: Mapping[str, Any]) -> Doubt:
    return Doubt(resource["urn"], resource["type"], resource.get("inputs", {}))


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
