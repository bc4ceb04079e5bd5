"""Everything that lives in a region, by kind: two of them tell whether something was left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from landing_zone.engine.clouds import keystone

Census = Mapping[str, frozenset[str]]
Lister = Callable[[Connection], Iterable[Any]]


def _security_groups(connection: Connection) -> Iterable[Any]:
    """Security groups, but for the default ones of projects that there are: Neutron makes those by itself, at any time."""
    projects = {project.id for project in keystone(connection).projects()}
    for group in connection.network.security_groups():
        if group.name != "default" or group.project_id not in projects:
            yield group


def _secret_limits(connection: Connection) -> Iterable[Any]:
    """Limits of the key manager by project; the library does not know them."""
    answer = connection.key_manager.get("/project-quotas", params={"limit": 1000})
    raise_from_response(answer)
    return [SimpleNamespace(id=each["project_id"]) for each in answer.json()["project_quotas"]]


LISTERS: Mapping[str, Lister] = {
    "domain": lambda connection: keystone(connection).domains(),
    "project": lambda connection: keystone(connection).projects(),
    "user": lambda connection: keystone(connection).users(),
    "group": lambda connection: keystone(connection).groups(),
    "network": lambda connection: connection.network.networks(),
    "subnet": lambda connection: connection.network.subnets(),
    "router": lambda connection: connection.network.routers(),
    "port": lambda connection: connection.network.ports(),
    "floating address": lambda connection: connection.network.ips(),
    "security group": _security_groups,
    "sharing policy": lambda connection: connection.network.rbac_policies(),
    "address scope": lambda connection: connection.network.address_scopes(),
    "subnet pool": lambda connection: connection.network.subnet_pools(),
    "instance": lambda connection: (one for one in connection.compute.servers(all_projects=True) if one.status != "DELETED"),
    "server group": lambda connection: connection.compute.server_groups(all_projects=True),
    "volume": lambda connection: connection.block_storage.volumes(all_projects=True),
    "backup": lambda connection: connection.block_storage.backups(all_projects=True),
    "snapshot": lambda connection: connection.block_storage.snapshots(all_projects=True),
    "image": lambda connection: connection.image.images(),
    "load balancer": lambda connection: connection.load_balancer.load_balancers(),
    "DNS zone": lambda connection: connection.dns.zones(all_projects=True),
    "limit of secrets": _secret_limits,
    "container": lambda connection: connection.object_store.containers(),
}


def take(connection: Connection) -> Census:
    """All things of a region: by kind, `NAME (ID)` of each."""
    return {kind: frozenset(_said(thing) for thing in lister(connection)) for kind, lister in LISTERS.items()}


def left_over(before: Census, after: Census) -> list[str]:
    """What is there now and was not before, `KIND NAME (ID)` each."""
    return sorted(f"{kind} {name}" for kind, names in after.items() for name in names - before.get(kind, frozenset()))


def differences(before: Census, after: Census) -> list[str]:
    """What is there on one side only: left over, or gone though it was none of ours."""
    return [*left_over(before, after), *(f"gone: {thing}" for thing in left_over(after, before))]


def _said(thing: Any) -> str:
    return f"{getattr(thing, 'name', None) or '(no name)'} ({thing.id or thing.name})"
