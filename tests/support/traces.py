"""What instances and volumes leave on the machine of a region that runs them."""

from __future__ import annotations

from lab.machine import Machine

# Units, processes, devices, mounts, files, ports on the bridge.
CENSUS = """
systemctl list-units --all --plain --no-legend 'nova-*-*-*.service' | cut -d' ' -f1
find /sys/fs/cgroup/machine.slice -name cgroup.procs -exec cat {} + 2>/dev/null | sed s/^/process-/
ls /sys/class/net | grep ^tap || true
cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/var/lib/nova/' || true
ls -d /var/lib/nova/instances/*-*-* /var/lib/nova/volumes/* /run/uml/* /srv/cinder/volume-* 2>/dev/null || true
ovs-vsctl list-ports br-int | grep ^tap || true
"""


def of_instances(machine: Machine) -> set[str]:
    """Everything that is there now, one word a thing."""
    return set(machine.inside("bash", "-c", CENSUS).split())
