"""Ports: a tap device per port on Open vSwitch's bridge, opened by the instance's own user and nobody else."""

from __future__ import annotations

from pathlib import Path

from .state import FIRST_USER, LAST_USER, Nic
from .units import ANY_STATUS, Runner

DEVICES = Path("/sys/class/net")
# A tap's traffic is no socket's traffic: a process of an instance has no business with the machine's own network.
FIREWALL = f"""
table inet uml
delete table inet uml
table inet uml {{
  chain output {{
    type filter hook output priority filter; policy accept;
    meta skuid {FIRST_USER}-{LAST_USER} counter reject
  }}
}}
"""


def make_tap(nic: Nic, user: int) -> list[list[str]]:
    """Commands that make the device, ready to be opened by `user`."""
    return [
        ["ip", "tuntap", "add", "dev", nic.tap, "mode", "tap", "vnet_hdr", "user", str(user)],
        ["ip", "link", "set", nic.tap, "mtu", str(nic.mtu), "up"],
    ]


def add_port(nic: Nic, bridge: str, instance: str) -> list[str]:
    """Command that puts the device on the bridge under the names by which OVN knows the port."""
    identity = {"iface-id": nic.port, "iface-status": "active", "attached-mac": nic.mac, "vm-uuid": instance}
    pairs = [f'external_ids:{name}="{value}"' for name, value in identity.items()]
    return ["ovs-vsctl", "--timeout=30", "--may-exist", "add-port", bridge, nic.tap, "--", "set", "Interface", nic.tap, *pairs]


class Network:
    """Makes and removes the devices."""

    def __init__(self, run: Runner, devices: Path = DEVICES) -> None:
        self._run = run
        self._devices = devices

    def plug(self, nic: Nic, user: int, bridge: str, instance: str) -> None:
        """Make the port's device and connect it; safe to repeat."""
        if not (self._devices / nic.tap).exists():
            for command in make_tap(nic, user):
                self._run(*command)
        self._run(*add_port(nic, bridge, instance))

    def unplug(self, port: str) -> None:
        """Remove what is there of the port's device."""
        tap = f"tap{port[:11]}"
        self._run("ovs-vsctl", "--timeout=30", "--if-exists", "del-port", tap)
        self._run("ip", "link", "delete", tap, ok=ANY_STATUS)
