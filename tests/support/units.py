"""What systemd says of a unit in a machine of the lab."""

from __future__ import annotations

from lab.machine import Machine


def shown(machine: Machine, unit: str, key: str) -> str:
    """One property of the unit, as `systemctl show` prints it."""
    return machine.inside("systemctl", "show", f"--property={key}", "--value", unit).strip()
