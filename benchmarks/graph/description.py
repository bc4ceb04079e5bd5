"""The graph as plain data: tenants of forty resources each, as those of the landing zone are, and independent of each other.

Kinds and properties have the names of terraform-provider-openstack, which both sides drive in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

MARKS = ("lz-environment=graph", "lz-level=2", "lz-owner=graph")  # what the guard rails ask of everything that can have tags
PREFIX = "graph-"  # of every name, so that a census finds them
TENANT_SIZE = 40
_ZONES = ("edge", "application", "data")
_PORTS = (22, 80, 443, 5432, 6443, 9100)


@dataclass(frozen=True)
class Ref:
    """The id that the cloud gives to another resource of the same tenant."""

    kind: str
    name: str


Value = str | int | bool | Ref | Sequence["Value"] | Mapping[str, "Value"]


@dataclass(frozen=True)
class Node:
    """One resource. `name` is unique among those of its kind."""

    kind: str
    name: str
    properties: Mapping[str, Value]

    @property
    def ref(self) -> Ref:
        """What stands for its id in properties of others."""
        return Ref(self.kind, self.name)


@dataclass(frozen=True)
class Tenant:
    """Resources in an order in which they can be made; they refer to each other only."""

    name: str
    nodes: tuple[Node, ...]


def describe(tenants: int) -> tuple[Tenant, ...]:
    """The graph of that many tenants (at most 256)."""
    return tuple(_tenant(number) for number in range(tenants))


def _tenant(number: int) -> Tenant:
    name = f"{PREFIX}t{number:03}"
    domain = Node("openstack_identity_project_v3", name, {"name": name, "is_domain": True, "description": "Domain of an agency"})
    project = Node(
        "openstack_identity_project_v3",
        f"{name}-main",
        {
            "name": f"{name}-main",
            "domain_id": domain.ref,
            "description": "Workloads of an agency",
            "tags": ["lz-environment=graph", "lz-level=2", f"lz-owner={name}"],
        },
    )
    groups = [
        Node("openstack_identity_group_v3", f"{name}-{role}", {"name": f"{name}-{role}", "domain_id": domain.ref})
        for role in ("managers", "readers")
    ]
    router = Node("openstack_networking_router_v2", name, {"name": name, "tenant_id": project.ref, "admin_state_up": True, "tags": MARKS})
    zones = [node for index, zone in enumerate(_ZONES) for node in _zone(f"{name}-{zone}", number, index, project.ref, router.ref)]
    return Tenant(name, (domain, project, *groups, router, *zones))


def _zone(name: str, number: int, index: int, project: Ref, router: Ref) -> list[Node]:
    """A network with its subnet, the router's leg in it, and a security group with its rules; a workload's port but at the edge."""
    cidr = ip_network(f"10.{number}.{index}.0/24")
    network = Node(
        "openstack_networking_network_v2",
        name,
        {"name": name, "tenant_id": project, "admin_state_up": True, "port_security_enabled": True, "tags": MARKS},
    )
    subnet = Node(
        "openstack_networking_subnet_v2",
        name,
        {
            "name": name,
            "tenant_id": project,
            "network_id": network.ref,
            "cidr": str(cidr),
            "ip_version": 4,
            "gateway_ip": str(cidr[1]),
            "enable_dhcp": True,
            "tags": MARKS,
        },
    )
    group = Node(
        "openstack_networking_secgroup_v2",
        name,
        {"name": name, "tenant_id": project, "description": "Zone of an agency", "delete_default_rules": True, "tags": MARKS},
    )
    leg = _port(f"{name}-router", project, network.ref, subnet.ref, str(cidr[1]), {"no_security_groups": True})
    attached = Node("openstack_networking_router_interface_v2", f"{name}-router", {"router_id": router, "port_id": leg.ref})
    rules = [_rule(name, port, project, group.ref, number) for port in _PORTS]
    workload = _port(f"{name}-node", project, network.ref, subnet.ref, str(cidr[10]), {"security_group_ids": [group.ref]})
    return [network, subnet, group, leg, attached, *rules, *([workload] if index else [])]


def _port(name: str, project: Ref, network: Ref, subnet: Ref, address: str, security: Mapping[str, Value]) -> Node:
    return Node(
        "openstack_networking_port_v2",
        name,
        {
            "name": name,
            "tenant_id": project,
            "network_id": network,
            "admin_state_up": True,
            "fixed_ip": [{"subnet_id": subnet, "ip_address": address}],
            "tags": MARKS,
            **security,
        },
    )


def _rule(zone: str, port: int, project: Ref, group: Ref, number: int) -> Node:
    name = f"{zone}-tcp-{port}"
    return Node(
        "openstack_networking_secgroup_rule_v2",
        name,
        {
            "description": name,
            "tenant_id": project,
            "security_group_id": group,
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
            "remote_ip_prefix": f"10.{number}.0.0/16",
        },
    )


def filled(value: Value, of: Callable[[Ref], Any]) -> Any:
    """A property with what `of` gives in the place of each reference."""
    if isinstance(value, Ref):
        return of(value)
    if isinstance(value, Mapping):
        return {name: filled(each, of) for name, each in value.items()}
    if isinstance(value, str | int):
        return value
    return [filled(each, of) for each in value]
