"""Every kind of thing that is compared, as data: which control asks for it, what of it is a tenant's own, how it is put right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind. Everything of it in the landing zone's domains and projects has to be in the model, but for `tenants`.

    control: the control that a difference touches. layer: the layer of what belongs to the platform; a tenant's is
    in that tenant's layer. tenants: what a tenant may have without the model saying so ("": nothing). resource: type token
    by which the state knows its id ("": such a thing is known by its name alone). data: it holds data, so that it is removed
    only when it is named. service: the service without which a region does not have it ("": every region has it).
    """

    name: str
    control: str
    layer: str
    tenants: str = ""
    resource: str = ""
    data: bool = False
    service: str = ""


# In the order in which what is not in the model is removed: first what others hang on to.
_ALL = (
    Kind("stack", "OPS-03", ""),
    Kind("role assignment", "IAM-02", "identity"),
    Kind("group membership", "IAM-02", "identity", "members of the tenant's own domain in its groups of people"),
    Kind(
        "application credential", "IAM-05", "identity", "those of people", "openstack:identity/applicationCredential:ApplicationCredential"
    ),
    Kind("trust", "IAM-05", "identity", "those of people; machine accounts have none"),
    Kind("access key", "IAM-05", "identity", "those of people; machine accounts have none"),
    Kind("key pair", "IAM-05", "access", "those of people"),
    Kind("DNS record", "OPS-04", "network", "in zones of its own projects", service="dns"),
    Kind("DNS zone share", "OPS-04", "network", "of zones in its own projects", service="dns"),
    Kind("DNS zone transfer", "OPS-04", "network", "of zones in its own projects", service="dns"),
    Kind("share", "NET-04", "network", resource="openstack:networking/rbacPolicyV2:RbacPolicyV2"),
    Kind("floating address", "NET-07", "access", "in projects with a quota of such", "openstack:networking/floatingIp:FloatingIp"),
    Kind("port security", "NET-04", "network"),
    Kind("load balancer", "OPS-04", "access", "in its own projects", data=True, service="load-balancer"),
    Kind("instance", "OPS-04", "access", "in its own projects", "openstack:compute/instance:Instance", data=True, service="compute"),
    Kind("server group", "OPS-04", "access", "in its own projects", service="compute"),
    Kind("backup", "OPS-04", "access", "in its own projects", data=True, service="block-storage"),
    Kind("snapshot", "OPS-04", "access", "in its own projects", data=True, service="block-storage"),
    Kind("volume", "OPS-04", "access", "in its own projects", data=True, service="block-storage"),
    Kind("image", "CMP-01", "access", "in its own projects", data=True, service="image"),
    Kind("container", "OPS-04", "access", "in its own projects", data=True, service="object-store"),
    Kind("secret", "OPS-04", "access", "in its own projects", data=True, service="key-manager"),
    Kind("route", "NET-04", "network"),
    Kind("router interface", "NET-04", "network", resource="openstack:networking/port:Port"),
    Kind("trunk", "NET-04", "access", "in its own projects"),
    Kind("port", "NET-04", "access", "of its own projects, in networks that are shared with them", "openstack:networking/port:Port"),
    Kind(
        "security group rule",
        "NET-02",
        "network",
        "in groups of its own projects, unless it lets the whole world in; in a default group none",
        "openstack:networking/secGroupRule:SecGroupRule",
    ),
    Kind("security group", "NET-02", "network", "in its own projects", "openstack:networking/secGroup:SecGroup"),
    Kind("address group", "NET-02", "network", "in its own projects"),
    Kind("router", "NET-04", "network", resource="openstack:networking/router:Router"),
    Kind("subnet", "NET-01", "network", resource="openstack:networking/subnet:Subnet"),
    Kind("network", "NET-01", "network", resource="openstack:networking/network:Network"),
    Kind("subnet pool", "NET-04", "network", resource="openstack:networking/subnetPool:SubnetPool"),
    Kind("address scope", "NET-04", "network", resource="openstack:networking/addressScope:AddressScope"),
    Kind("DNS zone", "OPS-04", "network", "in its own projects", "openstack:dns/zone:Zone", data=True, service="dns"),
    Kind("quota", "CMP-11", "identity"),
    Kind("user", "IAM-03", "identity", "people in the tenant's own domain", "openstack:identity/user:User"),
    Kind("group", "IAM-02", "identity", resource="openstack:identity/groupV3:GroupV3"),
    Kind("project", "IAM-01", "identity", resource="openstack:identity/project:Project", data=True),
    Kind("domain", "IAM-01", "identity", resource="openstack:identity/project:Project", data=True),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
STACK = "stack"


def page() -> str:
    """The table for people."""
    lines = [
        "# What `lz drift` looks at\n",
        "Made from `landing_zone/drift/kinds.py` by `python -m landing_zone.documents`; do not edit. Everything of these kinds in the",
        "landing zone's domains and projects has to be in the model. What a tenant may have by itself is left alone.\n",
        "| kind | control | a tenant's own business | not in the model: `--fix` |",
        "| --- | --- | --- | --- |",
    ]
    for kind in _ALL:
        lines.append(f"| {kind.name} | {kind.control} | {kind.tenants or 'nothing'} | {_put_right(kind)} |")
    return "\n".join(lines) + "\n"


def _put_right(kind: Kind) -> str:
    if kind.name == STACK:
        return "leaves it: `lz down` removes it"
    if kind.name == "port security":
        return "switches it on"
    return "leaves it, unless `--yes-delete-data NAME` names it" if kind.data else "removes it"
