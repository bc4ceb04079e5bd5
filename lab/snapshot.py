"""Back to the state right after `up`, without starting the services again.

Starting forty Python daemons takes two cores a minute; what must go back is only the data. So a copy of every folder
that holds data is made while its keeper is stopped for a moment, and put back in the same way.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from foundation.process import run
from lab.daemons import EVERY_UNIT
from lab.machine import Machine

# Who holds data, and where. They are stopped while it is copied; everybody else connects again by itself.
KEEPERS = ("mariadb", "ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "named")
FOLDERS = (
    "var/lib/mysql", "var/lib/ovn", "var/cache/bind", "var/lib/glance/images", "srv/cinder", "srv/node", "var/lib/nova/instances",
)  # fmt: skip
CLEAR_INSTANCES = """
systemctl stop nova-compute
systemctl kill --signal=KILL machine.slice 2>/dev/null || true
for unit in $(systemctl list-units --plain --no-legend --all 'nova-*.service' | cut -d' ' -f1 |
    grep -E '^nova-[0-9a-f]{8}-|^nova-volume-'); do
  systemctl stop "$unit" 2>/dev/null || true
done
for point in $(cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/var/lib/nova/(volumes|mnt)/' || true); do umount -l "$point"; done
for port in $(ovs-vsctl list-ports br-int | grep '^tap[0-9a-f]' || true); do
  ovs-vsctl --if-exists del-port "$port"
  ip link del "$port" 2>/dev/null || true
done
rm -rf --one-file-system /run/uml/* /var/lib/nova/volumes/*
"""
# With KVM or QEMU libvirt remembers every domain by name, and Nova, whose numbers go back, will use the names again.
FORGET_DOMAINS = """
for domain in $(timeout 30 virsh --connect qemu:///system list --all --name 2>/dev/null | grep '^instance-' || true); do
  virsh --connect qemu:///system destroy "$domain" >/dev/null 2>&1 || true
  virsh --connect qemu:///system undefine "$domain" --nvram --managed-save --snapshots-metadata
done
"""


def take(machine: Machine) -> None:
    """Keep a copy of the data as it is now."""
    part = machine.home / "snapshot.part"
    shutil.rmtree(part, ignore_errors=True)
    machine.inside("systemctl", "stop", *KEEPERS)
    try:
        for folder in FOLDERS:
            _copy(machine.root / folder, part / folder)
    finally:
        machine.inside("systemctl", "start", *KEEPERS)
    part.rename(machine.home / "snapshot")


def restore(machine: Machine) -> None:
    """Put the kept copy back: instances ended, data as it was, caches empty. Raises LzError when there is no copy.

    Until its end the machine is `unfinished`; then it can only be repeated.
    """
    kept = machine.home / "snapshot"
    _mark(machine).touch()
    machine.inside("bash", "-uc", CLEAR_INSTANCES + FORGET_DOMAINS)
    machine.inside("systemctl", "stop", *KEEPERS)
    for folder in FOLDERS:
        _copy(kept / folder, machine.root / folder)
    # Emptied, not restarted: Keystone answers 500 once on every connection that it finds closed.
    machine.inside("nc", "-q1", "127.0.0.1", "11211", stdin="flush_all\r\nquit\r\n")
    machine.inside("systemctl", "start", *KEEPERS)
    machine.inside("systemctl", "start", "ovn-central", "br-ex-address")
    machine.inside("systemctl", "start", "--no-block", *EVERY_UNIT)  # nova-compute, and whatever somebody has stopped
    _mark(machine).unlink()


def unfinished(machine: Machine) -> bool:
    """Whether a restore of it began and has not come to its end: data may be half copied, and its keepers stopped."""
    return _mark(machine).exists()


def _mark(machine: Machine) -> Path:
    return machine.home / "restoring"


def _copy(source: Path, target: Path) -> None:
    """Make `target` the same as `source`, attributes of Swift's objects included."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in target.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    run(["cp", "--archive", "--reflink=auto", "--sparse=auto", f"{source}/.", target])
