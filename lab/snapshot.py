"""Back to the state right after `up`, without starting the services again.

Starting forty Python daemons takes two cores a minute; what must go back is the data. So a copy of every folder that
holds data is made while its keeper is stopped for a moment, and put back in the same way. A service whose settings
somebody has changed meanwhile gets the old ones, and it alone starts again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from foundation.process import CommandFailed, run
from lab.daemons import APIS, EVERY_UNIT
from lab.machine import Machine
from lab.settings import OPENSTACK

# Who holds data, and where. They are stopped while it is copied; everybody else connects again by itself.
KEEPERS = ("mariadb", "ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "named")
FOLDERS = (
    "var/lib/mysql", "var/lib/ovn", "var/cache/bind", "var/lib/glance/images", "srv/cinder", "srv/node", "var/lib/nova/instances",
)  # fmt: skip
WRITERS = tuple(unit for unit in EVERY_UNIT if unit.startswith(("swift-", "glance-", "cinder-")))  # write there, too
# Folders of settings in /etc -> how the names of the units begin that read them.
SETTINGS: Mapping[str, tuple[str, ...]] = {"bind": ("named",), "mysql": ("mariadb",), "lab-uwsgi": APIS} | {
    name: (name,) for name in (*OPENSTACK, "haproxy")
}
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
    for name in SETTINGS:
        _copy(machine.root / "etc" / name, part / "etc" / name)
    part.rename(machine.home / "snapshot")


def restore(machine: Machine) -> None:
    """Put the kept copy back: instances ended, data and settings as they were, caches empty. Raises LzError when there is no copy.

    Until its end the machine is `unfinished`; then it can only be repeated.
    """
    kept = machine.home / "snapshot"
    _mark(machine).touch()
    machine.inside("bash", "-uc", CLEAR_INSTANCES + FORGET_DOMAINS)
    settings = sorted(folder.name for folder in (kept / "etc").glob("*"))
    # As they are, but for a moment: what they write into folders that are being replaced would make the copy fail, or stay.
    with contextlib.suppress(CommandFailed):  # one that does not run
        machine.inside("systemctl", "kill", "--signal=STOP", *WRITERS)
    changed = [name for name in settings if _entries(kept / "etc" / name) != _entries(machine.root / "etc" / name)]
    readers = [unit for unit in EVERY_UNIT if unit.startswith(tuple(start for name in changed for start in SETTINGS[name]))]
    machine.inside("systemctl", "stop", *KEEPERS, *readers)
    for folder in (*FOLDERS, *(f"etc/{name}" for name in changed)):
        _copy(kept / folder, machine.root / folder)
    # Emptied, not restarted: Keystone answers 500 once on every connection that it finds closed.
    machine.inside("nc", "-q1", "127.0.0.1", "11211", stdin="flush_all\r\nquit\r\n")
    machine.inside("systemctl", "reset-failed")  # who failed often is not started again
    machine.inside("systemctl", "start", *KEEPERS)
    machine.inside("systemctl", "start", "ovn-central", "br-ex-address")
    machine.inside("systemctl", "start", "--no-block", *EVERY_UNIT)  # nova-compute, and whatever somebody has stopped
    with contextlib.suppress(CommandFailed):
        machine.inside("systemctl", "kill", "--signal=CONT", *WRITERS)
    _mark(machine).unlink()


def unfinished(machine: Machine) -> bool:
    """Whether a restore of it began and has not come to its end: data may be half copied, and its keepers stopped."""
    return _mark(machine).exists()


def _mark(machine: Machine) -> Path:
    return machine.home / "restoring"


def _entries(folder: Path) -> dict[str, tuple[object, ...]]:
    """What would tell that somebody has changed a folder: of each path below it kind, mode, owner, and, but of folders, size and time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (Path(above, name) for above, folders, files in os.walk(folder) for name in (*folders, *files)):
        with contextlib.suppress(FileNotFoundError):  # an editor that is open there has files that come and go
            seen = path.lstat()
            about = () if stat.S_ISDIR(seen.st_mode) else (seen.st_size, seen.st_mtime_ns)
            found[str(path.relative_to(folder))] = (seen.st_mode, seen.st_uid, seen.st_gid, *about)
    return found


def _copy(source: Path, target: Path) -> None:
    """Make `target` the same as `source`, attributes of Swift's objects included."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in target.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    run(["cp", "--archive", "--reflink=auto", "--sparse=auto", f"{source}/.", target])
