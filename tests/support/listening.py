"""What a node offers to other machines, as testinfra reads it there."""

from __future__ import annotations

from typing import Any


def ports(node: Any) -> set[int]:
    """TCP ports on which the node (a `testinfra.host.Host`) takes connections from other machines."""
    sockets = [one.removeprefix("tcp://") for one in node.socket.get_listening_sockets() if one.startswith("tcp://")]
    places = [one.rpartition(":") for one in sockets]
    return {int(port) for address, _, port in places if not address.startswith("127.") and address != "::1"}
