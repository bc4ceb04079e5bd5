"""A reset of the lab that is killed when it does most harm."""

from __future__ import annotations

from foundation.process import CommandFailed
from lab import snapshot
from lab.machine import Machine
from tests.support.command import kill, read_until, start
from tests.support.waiting import until


def kill_one(machine: Machine) -> None:
    """Start `lz lab reset` and kill it when it has stopped the databases of this machine, one of those that it resets."""
    process = start("lab", "reset")
    read_until(process, "reset ...")
    until(lambda: not _active(machine, "mariadb"), seconds=60)
    kill(process)
    assert snapshot.unfinished(machine), "the reset had ended before the kill"


def _active(machine: Machine, unit: str) -> bool:
    try:
        machine.inside("systemctl", "is-active", unit)
    except CommandFailed:
        return False
    return True
