"""What of the graph is in the cloud, read from the cloud itself: the same after either side has made it, nothing after it has gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openstack.connection import Connection

from benchmarks.graph.description import PREFIX, Tenant
from landing_zone.engine.clouds import keystone
from landing_zone.engine.sweep import default_groups

Found = frozenset[tuple[str, str]]  # kind and name
INTERFACE = "network:router_interface"

LISTERS: Mapping[str, Callable[[Connection], Iterable[Any]]] = {
    "openstack_identity_project_v3": lambda cloud: [*keystone(cloud).domains(), *keystone(cloud).projects()],
    "openstack_identity_group_v3": lambda cloud: keystone(cloud).groups(),
    "openstack_networking_network_v2": lambda cloud: cloud.network.networks(),
    "openstack_networking_subnet_v2": lambda cloud: cloud.network.subnets(),
    "openstack_networking_router_v2": lambda cloud: cloud.network.routers(),
    "openstack_networking_port_v2": lambda cloud: cloud.network.ports(),
    "openstack_networking_router_interface_v2": lambda cloud: cloud.network.ports(device_owner=INTERFACE),
    "openstack_networking_secgroup_v2": lambda cloud: cloud.network.security_groups(),
    "openstack_networking_secgroup_rule_v2": lambda cloud: cloud.network.security_group_rules(),
}


def take(cloud: Connection) -> Found:
    """Everything in the cloud whose name (of a rule: description) begins as the graph's names do."""
    names = ((kind, thing.name or getattr(thing, "description", "") or "") for kind, lister in LISTERS.items() for thing in lister(cloud))
    return frozenset((kind, name) for kind, name in names if name.startswith(PREFIX))


def expected(tenants: Iterable[Tenant]) -> Found:
    """What the census of a cloud with the whole graph has."""
    return frozenset((node.kind, node.name) for tenant in tenants for node in tenant.nodes)


def counts(found: Found) -> Mapping[str, int]:
    """How many there are of each kind."""
    return Counter(kind for kind, _ in sorted(found))


def projects(cloud: Connection) -> tuple[str, ...]:
    """Ids of the graph's projects."""
    return tuple(project.id for project in keystone(cloud).projects() if project.name.startswith(PREFIX))


def sweep(cloud: Connection, removed: Iterable[str]) -> None:
    """Remove what Neutron leaves behind of removed projects (by id), so that the next run begins as the first one did."""
    default_groups(cloud, removed)
