"""What others have made inside what is about to be removed: found in the live lists, and removed before the stacks are.

Without that the cloud would refuse to remove a network with their ports on it, and what is in their projects would be left
behind by nobody. A thing is somebody else's when it lies in a project, domain or network that a stack would take away, and
no state knows it. What goes by itself with something else that is found, or with its project, is not told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from keystoneauth1.exceptions import Unauthorized
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException

from foundation.errors import Problem
from landing_zone.drift.facts import Difference, Fact, address, prefix, route_name, zone_share_name, zone_transfer_name
from landing_zone.drift.holders import HOLDERS, Holder, accounts, former
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.live.holdings import designates_own
from landing_zone.drift.live.ports import INTERFACE, NEUTRONS_OWN
from landing_zone.drift.reading import AT_ONCE, BASE, LISTS, OF_PROJECTS, Lister, listed, name_of, owner_of, with_project
from landing_zone.drift.repair import REMOVERS, removed
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.shares import owners

PROJECT = "openstack:identity/project:Project"
NETWORK = "openstack:networking/network:Network"
ROUTER = "openstack:networking/router:Router"
ROUTES = "openstack:networking/routerRoutesV2:RouterRoutesV2"
ZONE = "openstack:dns/zone:Zone"
Route = tuple[str, str, str]  # router, destination, next hop
DATA = frozenset({"volume", "snapshot", "backup", "image", "container", "secret"})  # removed only when they are named
ORDER = list(KINDS)
# The same as in LISTS: source -> the service that it needs, and how it is read.
SOURCES: Mapping[str, tuple[str, Lister]] = {
    **{source: ("identity", BASE[source]) for source in ("projects", "networks")},
    **{
        source: LISTS[source]
        for source in {"subnets", "ports", "shares", "DNS records", "DNS zone shares", "DNS zone transfers", *OF_PROJECTS.values()}
        if source in LISTS
    },
}


@dataclass(frozen=True)
class Scope:
    """What a removal takes away in a region, by id; `known`: what any state knows there, and of routers which `routes`."""

    domains: frozenset[str]
    projects: frozenset[str]
    networks: frozenset[str]
    known: frozenset[str]
    routers: frozenset[str] = frozenset()
    routes: frozenset[Route] = frozenset()
    zones: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Others:
    """What others have made in one region, in the order in which it is removed. `stores`: who removes what only members see, by project."""

    region: str
    facts: tuple[Fact, ...]
    stores: Mapping[str, Connection] = field(default_factory=dict)

    @property
    def data(self) -> list[Fact]:
        """What holds data."""
        return [fact for fact in self.facts if fact.kind in DATA]


def look(run: Run, keys: Iterable[StackKey]) -> list[Others]:
    """What others have made inside what the removal of these stacks would take away, region by region."""
    return _everywhere(run, keys, scope)


def leaving(run: Run, keys: Iterable[StackKey]) -> list[Others]:
    """The same of the projects and networks that `lz up` would take away, since the plan does not have them any more."""
    gone = {key: ids for key in keys if any(ids := dropped(run, key))}

    def partial(run: Run, region: str, wanted: Iterable[StackKey]) -> Scope:
        projects, networks = (frozenset[str]().union(*each) for each in zip(*(gone[key] for key in wanted), strict=True))
        return Scope(frozenset(), projects, networks, scope(run, region, wanted).known)

    return _everywhere(run, gone, partial)


def scope(run: Run, region: str, keys: Iterable[StackKey]) -> Scope:
    """What the removal of stacks takes away, as their states know it."""
    taken = [one for key in keys for one in run.stacks.resources(key) if one.get("id")]
    domains = frozenset(one["id"] for one in taken if one["type"] == PROJECT and one["inputs"].get("isDomain"))
    return Scope(
        domains,
        frozenset(one["id"] for one in taken if one["type"] == PROJECT) - domains,
        frozenset(one["id"] for one in taken if one["type"] == NETWORK),
        frozenset(
            str(one["id"])
            for key in run.standing(Selection(regions=frozenset({region})))
            for one in run.stacks.resources(key)
            if one.get("id")
        ),
        frozenset(one["id"] for one in taken if one["type"] == ROUTER),
        frozenset(
            _route(one["id"], route["destinationCidr"], route["nextHop"])
            for one in taken
            if one["type"] == ROUTES
            for route in one["inputs"].get("routes") or ()
        ),
        frozenset(one["id"] for one in taken if one["type"] == ZONE),
    )


def dropped(run: Run, key: StackKey) -> tuple[frozenset[str], frozenset[str]]:
    """Projects and networks (by id) that a stack has made, and the plan does not have any more."""
    planned = {thing for thing, layer in owners(run.plan.regions[key.region]).items() if layer == key.layer}
    made = run.stacks.resources(key)
    kinds: tuple[tuple[Literal["project", "network"], str], ...] = (("project", PROJECT), ("network", NETWORK))
    projects, networks = (
        frozenset(
            str(one["id"])
            for one in made
            if one["type"] == token and one.get("id") and (kind, one["inputs"]["name"]) not in planned and not one["inputs"].get("isDomain")
        )
        for kind, token in kinds
    )
    return projects, networks


def find(lists: Mapping[str, Sequence[Any]], taken: Scope) -> list[Fact]:
    """Everything of others in these lists, by SOURCES, in the order in which it is removed."""
    by_hand = {one.id: one for one in lists["projects"] if one.domain_id in taken.domains and one.id not in taken.known}
    whole = replace(taken, projects=taken.projects | by_hand.keys())
    found = [Fact("project", one.name, "", {}, one.id) for one in by_hand.values()]
    found += [*_plain(lists, whole), *_subnets(lists, whole), *_shares(lists, whole), *_records(lists, whole), *_offers(lists, whole)]
    found += _routes(lists, whole, {fact.id for fact in found})
    found += _ports(lists, whole, {fact.id for fact in found})
    return sorted(found, key=lambda fact: (ORDER.index(fact.kind), fact.name))


def remove(others: Others, connection: Connection) -> list[Problem]:
    """Remove all of it; what the cloud refuses is told, and does not keep the rest from being removed."""
    return removed(
        (Difference(others.region, "not in the model", fact), REMOVERS[fact.kind], others.stores.get(fact.parent, connection))
        for fact in others.facts
    )


def _everywhere(run: Run, keys: Iterable[StackKey], scoped: Callable[[Run, str, Iterable[StackKey]], Scope]) -> list[Others]:
    wanted = list(keys)
    regions = sorted({key.region for key in wanted} & run.connections.keys())
    with ThreadPoolExecutor(max_workers=max(1, len(regions))) as pool:
        return list(pool.map(lambda region: _region(run, region, [key for key in wanted if key.region == region], scoped), regions))


def _region(run: Run, name: str, keys: Collection[StackKey], scoped: Callable[[Run, str, Iterable[StackKey]], Scope]) -> Others:
    region, connection = run.plan.regions[name], run.connections[name]
    there = {"identity", *region.demand.services}
    taken = scoped(run, name, keys)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        asked = {source: pool.submit(listed, lister, connection) for source, (service, lister) in SOURCES.items() if service in there}
        lists = {source: future.result() for source, future in asked.items()}
        ids = {one.name: one.id for one in lists["projects"] if one.id in taken.projects}
        readers = [reader for service, reader in HOLDERS.values() if service in there]
        stores = {**former(run, region, map(run.stacks.resources, keys), taken.projects), **accounts(run, region, ids)} if readers else {}
        held = pool.map(lambda one: _held(readers, *one), stores.items())
        things = [fact for each in held for fact in each]
    return Others(name, tuple(sorted((*find(lists, taken), *things), key=lambda fact: ORDER.index(fact.kind))), stores)


def _plain(lists: Mapping[str, Sequence[Any]], taken: Scope) -> Iterator[Fact]:
    for kind, source in OF_PROJECTS.items():
        for one in lists.get(source, ()):
            if owner_of(one) in taken.projects and one.id not in taken.known and not with_project(kind, one):
                yield Fact(kind, name_of(kind, one), "", {}, one.id)


def _subnets(lists: Mapping[str, Sequence[Any]], taken: Scope) -> Iterator[Fact]:
    """In our networks only: those of a network by hand go with it."""
    for one in lists["subnets"]:
        if one.network_id in taken.networks and one.id not in taken.known:
            yield Fact("subnet", one.name or one.cidr, "", {}, one.id)


def _shares(lists: Mapping[str, Sequence[Any]], taken: Scope) -> Iterator[Fact]:
    for one in lists["shares"]:
        if one.id not in taken.known and (one.object_id in taken.networks or one.target_project_id in taken.projects):
            yield Fact("share", f"{one.object_type} {one.object_id} with {one.target_project_id}", "", {}, one.id)


def _records(lists: Mapping[str, Sequence[Any]], taken: Scope) -> Iterator[Fact]:
    """In our zones: those of a zone by hand go with it."""
    for one in lists.get("DNS records", ()):
        if one["zone_id"] in taken.zones and not designates_own(one):
            yield Fact("DNS record", f"{one['name']} {one['type']}", "", {}, one["id"], "", {"zone": one["zone_id"]})


def _offers(lists: Mapping[str, Sequence[Any]], taken: Scope) -> Iterator[Fact]:
    """Shares and transfers of our zones: a zone that is shared does not go."""
    names = {zone.id: zone.name for zone in lists.get("DNS zones", ())}
    for one in lists.get("DNS zone shares", ()):
        if one.zone_id in taken.zones:
            name = zone_share_name(names.get(one.zone_id, one.zone_id), one.target_project_id)
            yield Fact("DNS zone share", name, "", {}, one.id, "", {"zone": one.zone_id})
    for one in lists.get("DNS zone transfers", ()):
        if one.zone_id in taken.zones:
            yield Fact("DNS zone transfer", zone_transfer_name(one.zone_name, one.target_project_id or ""), "", {}, one.id)


def _routes(lists: Mapping[str, Sequence[Any]], taken: Scope, found: Collection[str]) -> Iterator[Fact]:
    """On our routers and on those that go: where one leads through a network, Neutron lets no router leave it."""
    for router in lists.get("routers", ()):
        for route in (router.routes or ()) if router.id in taken.routers or router.id in found else ():
            at = {"router": router.id, "destination": route["destination"], "nexthop": route["nexthop"]}
            if _route(*at.values()) not in taken.routes:
                yield Fact("route", route_name(router.name or router.id, at["destination"], at["nexthop"]), "", {}, "", "", at)


def _route(router: str, destination: str, hop: str) -> Route:
    return router, prefix(destination), str(address(hop))


def _ports(lists: Mapping[str, Sequence[Any]], taken: Scope, found: Collection[str]) -> Iterator[Fact]:
    """Ports, and where routers stand; without those of Neutron itself. An instance's port may have been there before it, and stays
    behind when it goes."""
    for one in lists["ports"]:
        owner, device = one.device_owner or "", one.device_id or ""
        inside = one.network_id in taken.networks or one.project_id in taken.projects
        if one.id in taken.known or any(device.startswith(start) for start in NEUTRONS_OWN.get(owner, ())):
            continue
        name = one.name or ", ".join(str(ip["ip_address"]) for ip in one.fixed_ips) or one.id
        if owner.startswith(INTERFACE):
            if inside or device in found:
                yield Fact("router interface", name, "", {}, one.id, "", {"router": device})
        elif inside:
            yield Fact("port", name, "", {}, one.id)


def _held(readers: Iterable[Holder], project: str, store: Connection) -> list[Fact]:
    """What a project stores; none where the account is not there (any more, or yet), or may not use a service."""
    found: list[Fact] = []
    for reader in readers:
        with contextlib.suppress(Unauthorized, ForbiddenException):
            found += reader(store, project)
    return found
