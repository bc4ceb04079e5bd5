"""Which daemons run inside a region's machine, and how Debian's units are bent to one small machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UwsgiApp:
    """An API that Debian runs under uwsgi. `processes` are those that two cores can feed."""

    unit: str
    user: str
    port: int
    program: str
    processes: int = 1
    arguments: str = ""


NEUTRON_FILES = "--config-file=/etc/neutron/neutron.conf --config-file=/etc/neutron/plugins/ml2/ml2_conf.ini"

UWSGI_APPS = (
    UwsgiApp("keystone", "keystone", 5000, "/usr/bin/keystone-wsgi-public", processes=2),
    UwsgiApp("glance-api", "glance", 9292, "/usr/bin/glance-wsgi-api"),
    UwsgiApp("placement-api", "placement", 8778, "/usr/bin/placement-api"),
    UwsgiApp("nova-api", "nova", 8774, "/usr/bin/nova-api-wsgi", processes=2),
    UwsgiApp("nova-api-metadata", "nova", 8775, "/usr/bin/nova-metadata-wsgi"),
    UwsgiApp(
        "neutron-api",
        "neutron",
        9696,
        "/usr/bin/neutron-api",
        processes=2,
        arguments=f"{NEUTRON_FILES} --config-file=/etc/neutron/api.conf",
    ),
    UwsgiApp("cinder-api", "cinder", 8776, "/usr/bin/cinder-wsgi"),
    UwsgiApp("octavia-api", "octavia", 9876, "/usr/bin/octavia-wsgi"),
    UwsgiApp("barbican-api", "barbican", 9311, "/usr/bin/barbican-wsgi-api"),
    UwsgiApp("designate-api", "designate", 9001, "/usr/bin/designate-api-wsgi"),
)

# Started before anything of OpenStack.
FOUNDATIONS = ("mariadb", "rabbitmq-server", "memcached", "named", "openvswitch-switch", "ovn-central")

WORKERS = (
    "nova-conductor", "nova-scheduler", "neutron-ovn-maintenance-worker", "neutron-periodic-workers", "neutron-ovn-metadata-agent",
    "cinder-scheduler", "cinder-volume", "cinder-backup",
    "swift-proxy", "swift-account", "swift-container", "swift-object", "swift-container-updater", "swift-object-updater",
    "octavia-driver-agent", "designate-central", "designate-worker", "designate-mdns", "designate-producer",
    "nova-compute",
)  # fmt: skip

# While forty daemons start on two cores, each would get a fortieth, and everybody waits for these.
FIRST_SERVED = ("mariadb", "keystone", "haproxy", "memcached")
# These do later, and then once, what they would do for each change while many are made: the whole network of OVN computed anew, and
# what was changed compared once more.
LAST_SERVED = ("ovn-northd", "neutron-ovn-maintenance-worker")
NICE = {**dict.fromkeys(FIRST_SERVED, -10), **dict.fromkeys(LAST_SERVED, 19)}
# Of these, those whose units tell systemd by themselves when they have started.
TELLING = ("mariadb", "haproxy", "ovn-northd")

APIS = tuple(app.unit for app in UWSGI_APPS)
AROUND = ("br-ex-address", "tap-up", "ovn-host", "haproxy")
EVERY_UNIT = (*FOUNDATIONS, *AROUND, *APIS, *WORKERS)

# Debian ships these two with init scripts only.
NEUTRON_HELPERS = ("neutron-ovn-maintenance-worker", "neutron-periodic-workers")

MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer",
    "iscsid.socket", "iscsid.service", "open-iscsi.service", "lvm2-monitor.service", "rtslib-fb-targetctl.service",
    "systemd-networkd-wait-online.service", "systemd-udevd.service", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket",
    "libvirt-guests.service", "systemd-resolved.service",
)  # fmt: skip


def drop_ins() -> dict[str, str]:
    """Path below /etc/systemd/system -> content, for every unit that differs from Debian's."""
    files: dict[str, str] = {}
    for app in UWSGI_APPS:
        files[f"{app.unit}.service.d/lab.conf"] = (
            "[Unit]\nStartLimitIntervalSec=0\n"
            "[Service]\nExecStart=\n"
            f"ExecStart=/usr/bin/uwsgi_python3 --ini /etc/lab-uwsgi/{app.unit}.ini\n"
            "Restart=always\nRestartSec=2\n"
        )
    for unit in ("octavia-api", "octavia-driver-agent"):
        # octavia-lib has its socket paths built in; both units own the same runtime folder, and stopping one would empty it.
        files[f"{unit}.service.d/runtime.conf"] = "[Service]\nRuntimeDirectoryPreserve=yes\n"
    files["octavia-api.service.d/order.conf"] = "[Unit]\nAfter=octavia-driver-agent.service\n"
    for name in ("account", "container", "object"):
        files[f"swift-{name}.service.d/lab.conf"] = (
            f"[Service]\nExecStart=\nExecStart=/usr/bin/swift-{name}-server /etc/swift/{name}-server.conf\n"
        )
    for unit in NEUTRON_HELPERS:
        files[f"{unit}.service"] = (
            f"[Unit]\nDescription={unit}\nAfter=mariadb.service rabbitmq-server.service ovn-ovsdb-server-nb.service\n"
            f"[Service]\nUser=neutron\nExecStart=/usr/bin/{unit} {NEUTRON_FILES} --log-file=/var/log/neutron/{unit}.log\n"
            "Restart=on-failure\nRestartSec=2\n[Install]\nWantedBy=multi-user.target\n"
        )
    # Erlang's port mapper, which systemd would hold open on every address.
    files["epmd.socket.d/lab.conf"] = "[Socket]\nListenStream=\nListenStream=127.0.0.1:4369\n"
    files["haproxy.service.d/lab.conf"] = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=1\n"
    for unit, nice in NICE.items():
        files[f"{unit}.service.d/nice.conf"] = _served(nice, telling=unit in TELLING)
    # Its starter would make it 10 more urgent than its unit says.
    files["ovn-northd.service.d/starter.conf"] = "[Service]\nEnvironment=OVN_CTL_OPTS=--ovn-northd-priority=0\n"
    for unit in WORKERS:
        files[f"{unit}.service.d/restart.conf"] = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=2\n"
    return files


def _served(nice: int, *, telling: bool) -> str:
    """A drop-in for a unit's share of the processors.

    Where the kernel groups processes by session (autogroup), a nice value counts within the group only: the group needs its own.
    A unit of the usual type counts as started when its process is still in systemd's session, and systemd's share would be changed.
    """
    kind = "" if telling else "Type=exec\n"
    return f"[Service]\n{kind}Nice={nice}\nExecStartPost=+/bin/sh -c 'echo {nice} > /proc/$MAINPID/autogroup || true'\n"
