"""Who listens: what a node offers to other machines, as testinfra reads it there; and a listener in a machine of the lab."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lab.machine import Machine


def ports(node: Any) -> set[int]:
    """TCP ports on which the node (a `testinfra.host.Host`) takes connections from other machines."""
    sockets = [one.removeprefix("tcp://") for one in node.socket.get_listening_sockets() if one.startswith("tcp://")]
    places = [one.rpartition(":") for one in sockets]
    return {int(port) for address, _, port in places if not address.startswith("127.") and address != "::1"}


@contextlib.contextmanager
def inside(machine: Machine, address: object, port: int) -> Iterator[None]:
    """A program (nc) that listens on a TCP port in a region's machine while the block runs, and was seen to answer in there."""
    unit = f"lz-test-listener-{port}"
    machine.inside("systemd-run", "--quiet", "--collect", f"--unit={unit}", "nc", "-lk", "-s", str(address), "-p", str(port))
    try:
        machine.inside("bash", "-c", f"for i in $(seq 50); do nc -z -w1 {address} {port} && exit; sleep .1; done; exit 1")
        yield
    finally:
        machine.inside("systemctl", "stop", unit)
