"""A region read by lists: each kind once, a few calls at a time, whatever the number of things. Nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import NotFoundException, SDKException, raise_from_response
from openstack.image.v2.image import Image

from landing_zone.drift.estate import Estate
from landing_zone.drift.holders import HOLDERS
from landing_zone.engine import limits
from landing_zone.engine.clouds import keystone
from landing_zone.engine.orphans import ALL_PROJECTS
from landing_zone.engine.sweep import DEFAULT

Lister = Callable[[Connection], Iterable[Any]]
AT_ONCE = 8  # calls under way in a region: each service has one or two of them
PAGE = 1000  # record sets in one answer, Designate's own limit

OCTAVIAS = {"load_balancer": "loadbalancer"}  # by this service's second name for it the engine sets the limit


def _by_project(quotas: Iterable[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(str(quota.project_id), _plain(quota)) for quota in quotas]


def _plain(quota: Any) -> dict[str, Any]:
    """Limits by the names that the service itself, and so the engine, uses."""
    told: dict[str, Any] = dict(quota.to_dict(computed=False, original_names=True))
    return {OCTAVIAS.get(str(name), str(name)): limit for name, limit in told.items()}


def _dns_quota(connection: Connection, project: str) -> dict[str, Any]:
    answer = connection.dns.get(f"/quotas/{project}", headers=ALL_PROJECTS)
    raise_from_response(answer)
    return dict(answer.json())


def _limits(service: str, connection: Connection, project: str) -> list[Mapping[str, int]]:
    return [limits.READERS[service](connection, project)]


def _records(connection: Connection) -> Iterable[dict[str, Any]]:
    """Record sets of all zones; the library lists those of one zone only, and of one's own project."""
    marker: dict[str, str] = {}
    while True:
        answer = connection.dns.get("/recordsets", headers=ALL_PROJECTS, params={"limit": str(PAGE), **marker})
        raise_from_response(answer)
        found = answer.json()["recordsets"]
        yield from found
        if len(found) < PAGE:
            return
        marker = {"marker": found[-1]["id"]}


def _trusts(connection: Connection) -> Iterable[Any]:
    """Keystone lists those that ended, too, and knows them for nothing else: nobody can use or remove them."""
    now = datetime.now(UTC)
    for one in keystone(connection).trusts():
        over = one.expires_at and datetime.fromisoformat(one.expires_at) <= now
        if not over and one.remaining_uses != 0:
            yield one


def _zone_shares(connection: Connection) -> Iterable[Any]:
    """Designate lists those of one zone only. A zone of somebody's may go meanwhile."""
    for zone in connection.dns.zones(all_projects=True):
        if zone.is_shared:
            with contextlib.suppress(NotFoundException):
                yield from connection.dns.zone_shares(zone.id, all_projects=True)


def _instances(connection: Connection) -> Iterable[Any]:
    """Nova goes on listing one that is gone for everybody else, until its allocation is gone, too: seconds on a busy machine."""
    return (one for one in connection.compute.servers(all_projects=True) if one.status != "DELETED")


def _extended(extension: str, lister: Lister) -> Lister:
    """What Neutron has by an extension: without that, none."""
    return lambda connection: lister(connection) if connection.network.find_extension(extension) else ()


# What the rest is read by; without these nothing of the region can be judged.
BASE: Mapping[str, Lister] = {
    "domains": lambda connection: keystone(connection).domains(),
    "projects": lambda connection: keystone(connection).projects(),
    "users": lambda connection: keystone(connection).users(),
    "groups": lambda connection: keystone(connection).groups(),
    "networks": lambda connection: connection.network.networks(),
}
# source -> the service that it needs, and how it is read
LISTS: Mapping[str, tuple[str, Lister]] = {
    "roles": ("identity", lambda connection: keystone(connection).roles()),
    "assignments": ("identity", lambda connection: keystone(connection).role_assignments()),
    "credentials": ("identity", lambda connection: keystone(connection).credentials()),
    "trusts": ("identity", _trusts),
    "subnets": ("network", lambda connection: connection.network.subnets()),
    "routers": ("network", lambda connection: connection.network.routers()),
    "ports": ("network", lambda connection: connection.network.ports()),
    "trunks": ("network", _extended("trunk", lambda connection: connection.network.trunks())),
    "security groups": ("network", lambda connection: connection.network.security_groups()),
    "address groups": ("network", _extended("address-group", lambda connection: connection.network.address_groups())),
    "shares": ("network", lambda connection: connection.network.rbac_policies()),
    "floating addresses": ("network", lambda connection: connection.network.ips()),
    "address scopes": ("network", lambda connection: connection.network.address_scopes()),
    "subnet pools": ("network", lambda connection: connection.network.subnet_pools()),
    "network quotas": ("network", lambda connection: _by_project(connection.network.quotas())),
    "load-balancer quotas": ("load-balancer", lambda connection: _by_project(connection.load_balancer.quotas())),
    "instances": ("compute", _instances),
    "server groups": ("compute", lambda connection: connection.compute.server_groups(all_projects=True)),
    "images": ("image", lambda connection: connection.image.images(visibility="all")),
    "volumes": ("block-storage", lambda connection: connection.block_storage.volumes(all_projects=True)),
    "snapshots": ("block-storage", lambda connection: connection.block_storage.snapshots(all_projects=True)),
    "backups": ("block-storage", lambda connection: connection.block_storage.backups(all_projects=True)),
    "load balancers": ("load-balancer", lambda connection: connection.load_balancer.load_balancers()),
    "DNS zones": ("dns", lambda connection: connection.dns.zones(all_projects=True)),
    "DNS records": ("dns", _records),
    "DNS zone shares": ("dns", _zone_shares),
    "DNS zone transfers": ("dns", lambda connection: connection.dns.zone_transfer_requests(all_projects=True, status="ACTIVE")),
}
# Kind of what lies in a project, and goes on lying there when that is removed -> the source that lists it.
OF_PROJECTS: Mapping[str, str] = {
    "floating address": "floating addresses",
    "load balancer": "load balancers",
    "instance": "instances",
    "backup": "backups",
    "snapshot": "snapshots",
    "volume": "volumes",
    "image": "images",
    "trunk": "trunks",
    "router": "routers",
    "security group": "security groups",
    "address group": "address groups",
    "network": "networks",
    "subnet pool": "subnet pools",
    "address scope": "address scopes",
    "server group": "server groups",
    "DNS zone": "DNS zones",
}
# What no service lists for all at once: source -> service, and how it is read for one (group, account or project, by id).
EACH: Mapping[str, tuple[str, Callable[[Connection, str], Iterable[Any]]]] = {
    "members": ("identity", lambda connection, group: keystone(connection).group_users(group)),
    "application credentials": ("identity", lambda connection, user: keystone(connection).application_credentials(user)),
    "key pairs": ("compute", lambda connection, user: connection.compute.keypairs(user_id=user)),
    "compute quotas": ("compute", lambda connection, project: [_plain(connection.compute.get_quota_set(project))]),
    "block-storage quotas": ("block-storage", lambda connection, project: [_plain(connection.block_storage.get_quota_set(project))]),
    "dns quotas": ("dns", lambda connection, project: [_dns_quota(connection, project)]),
    **{f"{service} quotas": (service, partial(_limits, service)) for service in limits.READERS},
}
OF_GROUPS = ("members",)
OF_ACCOUNTS = ("application credentials", "key pairs")


@dataclass(frozen=True)
class Reading:
    """What a region has. `lists` by source, in those of EACH as (id, thing); `faults`: sources that could not be read, and why."""

    lists: Mapping[str, Sequence[Any]]
    faults: Mapping[str, str]


def read(connection: Connection, ours: Estate, services: Iterable[str], stores: Mapping[str, Connection] | None = None) -> Reading:
    """Read a region. What needs a service that the region is not planned to have is left out.

    stores: who sees what is stored in projects, by project (id); of HOLDERS what these see is read.
    Raises SDKException or ClientException when the sources of BASE cannot be read.
    """
    there = {"identity", *services}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        base = {source: pool.submit(listed, lister, connection) for source, lister in BASE.items()}
        asked: dict[str, list[tuple[str, Future[list[Any]]]]] = {
            source: [("", pool.submit(listed, lister, connection))] for source, (service, lister) in LISTS.items() if service in there
        }
        lists: dict[str, Sequence[Any]] = {source: future.result() for source, future in base.items()}
        for source, (service, holder) in HOLDERS.items():
            if service in there:
                asked[source] = [(one, pool.submit(_all_of, holder, store, one)) for one, store in (stores or {}).items()]
        for source, (service, reader) in EACH.items():
            if service in there:
                asked[source] = [(one, pool.submit(_all_of, reader, connection, one)) for one in _whose(source, lists, ours)]
        faults = {}
        for source, futures in asked.items():
            try:
                found = [(one, thing) for one, future in futures for thing in future.result()]
            except (SDKException, ClientException) as error:
                faults[source] = f"{type(error).__name__}: {error}"
            else:
                lists[source] = found if source in EACH else [thing for _, thing in found]
    return Reading(lists, faults)


def _whose(source: str, lists: Mapping[str, Sequence[Any]], ours: Estate) -> list[str]:
    """Ids of the groups, accounts or projects of the landing zone for which a source is read."""
    kind, wanted = (
        ("groups", ours.groups)
        if source in OF_GROUPS
        else ("users", ours.machine_users)
        if source in OF_ACCOUNTS
        else ("projects", ours.projects)
    )
    domains = {domain.id: domain.name for domain in lists["domains"]}
    return [one.id for one in lists[kind] if (domains.get(one.domain_id), one.name) in wanted]


def inside(connection: Connection, project: str) -> list[str]:
    """What lies in a project (by id) now, each as `KIND NAME`. What only its members see is not among it."""
    sources = {**{source: ("identity", lister) for source, lister in BASE.items()}, **LISTS}
    found = []
    for kind, source in {**OF_PROJECTS, "port": "ports"}.items():
        service, lister = sources[source]
        if connection.has_service(service):
            found += [
                f"{kind} {name_of(kind, one)}" for one in lister(connection) if owner_of(one) == project and not with_project(kind, one)
            ]
    return found


def with_project(kind: str, thing: Any) -> bool:
    """Whether a thing comes and goes with its project: its default security group."""
    return kind == "security group" and thing.name == DEFAULT


def name_of(kind: str, thing: Any) -> str:
    """How people know a thing of a project."""
    return str(thing.floating_ip_address if kind == "floating address" else thing.name or thing.id)


def owner_of(thing: Any) -> str:
    """The project (by id) of a thing of any source; only Glance has another word for it."""
    return str(thing.owner_id if isinstance(thing, Image) else thing.project_id)


def listed(lister: Lister, connection: Connection) -> list[Any]:
    """All that a lister gives, for a pool: the calls are made when it is gone through."""
    return list(lister(connection))


def _all_of(reader: Callable[[Connection, str], Iterable[Any]], connection: Connection, one: str) -> list[Any]:
    return list(reader(connection, one))
