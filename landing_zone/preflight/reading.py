"""Reads from a live region what the checks look at: each reader a few calls, none that changes anything."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from openstack.connection import Connection
from openstack.exceptions import ForbiddenException

from landing_zone.engine.clouds import Cloud, keystone
from landing_zone.engine.limits import READERS
from landing_zone.engine.orphans import ALL_PROJECTS
from landing_zone.preflight.checks import MICROVERSIONS, demanded
from landing_zone.preflight.demand import COMPUTE_LIMITS, DNS_LIMITS, NETWORK_LIMITS, Account, Need, Wanted
from landing_zone.preflight.facts import (
    Content,
    DnsZone,
    Flavor,
    Handshake,
    Host,
    Image,
    Limit,
    Outer,
    Quotas,
    Rooms,
    Taken,
    Version,
    Worker,
)

TIMEOUT = 10.0  # seconds for a handshake
AT_ONCE = 8  # calls at once
NOBODY = "0" * 32  # an id that no project has
MOST_HOSTS = 1000  # that Placement is asked for


@dataclass(frozen=True)
class Place:
    """One region: how it is reached, and what is needed of it."""

    need: Need
    cloud: Cloud
    connection: Connection


def services(place: Place) -> frozenset[str]:
    """Types of the services in the catalogue."""
    return frozenset(service["type"] for service in place.connection.service_catalog)


def microversions(place: Place) -> Mapping[str, Version]:
    """The newest microversion of each service that we use them of."""
    found = {}
    for service in MICROVERSIONS:
        data = getattr(place.connection, service).get_endpoint_data()
        if data is not None and data.max_microversion is not None:
            found[service] = Version(*data.max_microversion)
    return found


def workers(place: Place) -> tuple[Worker, ...]:
    """Programs of the compute and volume services."""
    listed = (place.connection.compute.services(), place.connection.block_storage.services())
    return tuple(Worker(each.binary, each.host, each.status == "enabled", each.state == "up") for found in listed for each in found)


def zones(place: Place) -> Mapping[str, bool]:
    """Availability zones of the compute service: whether each is available."""
    return {zone.name: bool(zone.state.get("available")) for zone in place.connection.compute.availability_zones()}


def outer_networks(place: Place) -> tuple[Outer, ...]:
    """External networks with their free addresses."""
    network = place.connection.network
    wanted = place.need.region.external_network
    found = network.networks(is_router_external=True)
    return tuple(Outer(each.name, _free(network, each.id) if each.name == wanted else None, each.id) for each in found)


def _free(network: Any, identity: str) -> int:
    parts = network.get_network_ip_availability(identity).subnet_ip_availability
    return sum(int(part["total_ips"]) - int(part["used_ips"]) for part in parts if part["ip_version"] == 4)


def content(place: Place) -> Content:
    """All flavors, and the images of the plan's names, whoever sees them."""
    found = place.connection.image
    images = [image for name in place.need.region.demand.images for image in found.images(name=name, visibility="all")]
    return Content(flavors(place), tuple(_image(found, each) for each in images))


def _image(service: Any, each: Any) -> Image:
    members = service.members(each.id) if each.visibility == "shared" else ()
    accepted = frozenset(member.member_id for member in members if member.status == "accepted")
    return Image(each.name, each.id, each.status, each.min_ram or 0, each.min_disk or 0, each.visibility, each.owner or "", accepted)


def flavors(place: Place) -> tuple[Flavor, ...]:
    """All flavors."""
    return tuple(Flavor(each.name, each.vcpus, each.ram, each.disk) for each in place.connection.compute.flavors())


def roles(place: Place) -> frozenset[str]:
    """Names of all roles."""
    return frozenset(role.name for role in keystone(place.connection).roles())


def limits(place: Place) -> Mapping[str, str]:
    """Services whose limits of other projects this account may not read, and so not set: what the service says."""
    refused = {}
    for service, read in READERS.items():
        if service in place.need.region.demand.services:
            try:
                read(place.connection, NOBODY)
            except ForbiddenException as error:
                refused[service] = str(error)
    return refused


def clock(place: Place) -> float | None:
    """Seconds between the clock of this machine and that of Keystone's; None when it does not tell."""
    answer = place.connection.session.get(place.cloud.auth_url, authenticated=False, raise_exc=False)
    there = answer.headers.get("Date")
    return None if there is None else abs(parsedate_to_datetime(there).timestamp() - time.time())


def certificates(place: Place) -> tuple[Handshake, ...]:
    """A handshake with each public endpoint of the catalogue."""
    urls = {
        endpoint["url"]
        for service in place.connection.service_catalog
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public"
    }
    plain = [Handshake(urlsplit(url).netloc, error="it speaks http, in clear") for url in sorted(urls) if urlsplit(url).scheme != "https"]
    places = sorted({(str(urlsplit(url).hostname), urlsplit(url).port or 443) for url in urls if urlsplit(url).scheme == "https"})
    context = ssl.create_default_context(cadata=place.cloud.ca)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return (*plain, *pool.map(lambda one: handshake(one[0], one[1], context), places))


def handshake(host: str, port: int, context: ssl.SSLContext) -> Handshake:
    """One TLS connection, verified."""
    where = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), TIMEOUT) as plain, context.wrap_socket(plain, server_hostname=host) as safe:
            ends = ssl.cert_time_to_seconds(str((safe.getpeercert() or {})["notAfter"]))
            return Handshake(where, (ends - time.time()) / 86400, safe.version() or "")
    except (OSError, KeyError) as error:
        return Handshake(where, error=str(error))


def taken(place: Place) -> Taken:
    """Domains, DNS zones and networks that have a name of the plan, and what has one in a domain that stands."""
    need, connection = place.need, place.connection
    domains = _folded(keystone(connection).domains())
    zones = list(connection.dns.zones(all_projects=True)) if need.zones else []
    networks = connection.network.networks()
    return Taken(
        {name: domains[name.casefold()] for name in need.domains if name.casefold() in domains},
        _named(zones, need.zones),
        _named(networks, need.networks),
        _identities(keystone(connection), need.identities),
        tuple(zone for zone in map(_dns_zone, zones) if any(_around(zone.name, name) for name in need.zones)),
    )


def _dns_zone(each: Any) -> DnsZone:
    return DnsZone(each.name.casefold(), each.id, each.project_id)


def _around(one: str, other: str) -> bool:
    """Whether one of two DNS names lies within the other."""
    return one.endswith(f".{other}") or other.endswith(f".{one}")


def _identities(service: Any, wanted: tuple[Wanted, ...]) -> Mapping[Wanted, tuple[str, ...]]:
    listed = {"project": service.projects, "group": service.groups, "user": service.users}
    found: dict[Wanted, tuple[str, ...]] = {}
    for kind, domain in sorted({(each.kind, each.domain) for each in wanted}):
        names = _folded(listed[kind](domain_id=domain))
        here = (each for each in wanted if (each.kind, each.domain) == (kind, domain))
        found |= {each: names[each.name.casefold()] for each in here if each.name.casefold() in names}
    return found


def _folded(things: Any) -> dict[str, tuple[str, ...]]:
    """Ids by name without capitals: where Keystone keeps its names in MySQL, Lab-Edu is taken by lab-edu."""
    found: dict[str, tuple[str, ...]] = {}
    for thing in things:
        name = thing.name.casefold()
        found[name] = (*found.get(name, ()), thing.id)
    return found


def _named(things: Any, names: Mapping[str, str | None]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for thing in things:
        if thing.name in names:
            found[thing.name] = (*found.get(thing.name, ()), thing.id)
    return found


def quotas(place: Place) -> Quotas:
    """Limits and use: of projects in which something is yet to be made, or limits are lowered; the administrator's sharing policies."""
    connection = place.connection
    own = str(connection.current_project_id)
    standing = [account for account in place.need.accounts if account.id]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda account: (account.name, _limits(connection, account, str(account.id))), standing)
        limits = dict(found)
    sharing = connection.network.get_quota(own, details=True).rbac_policies
    return Quotas(limits, {"rbac_policies": _limit(sharing)}, own, flavors(place) if place.need.instances else ())


def _limits(connection: Connection, account: Account, identity: str) -> Mapping[str, Limit]:
    found: dict[str, Limit] = {}
    if any(getattr(account.making, name) for name in NETWORK_LIMITS):
        details = connection.network.get_quota(identity, details=True)
        found |= {name: _limit(getattr(details, name)) for name in NETWORK_LIMITS}
    if account.making.dns_zones:
        answer = connection.dns.get(f"/quotas/{identity}", headers=ALL_PROJECTS)
        answer.raise_for_status()
        used = sum(1 for zone in connection.dns.zones(all_projects=True) if zone.project_id == identity)
        found |= {name: Limit(int(answer.json()[key]), used) for name, key in DNS_LIMITS.items()}
    if account.instances or account.lowered:
        quota = connection.compute.get_quota_set(identity, usage=True)
        for name, key in COMPUTE_LIMITS.items():
            found[name] = Limit(int(quota[key]), int(quota.usage[key]), int(quota.reservation[key]))
    return found


def _limit(details: Mapping[str, int]) -> Limit:
    return Limit(int(details["limit"]), int(details["used"]), int(details["reserved"]))


def rooms(place: Place) -> Rooms:
    """The hosts that Placement offers for each flavor of the instances that are yet to be made."""
    wanted = {spec.flavor for spec in place.need.instances}
    known = tuple(flavor for flavor in flavors(place) if flavor.name in wanted)
    if not known:
        return Rooms((), {})
    zones = {each.host: each.availability_zone for each in place.connection.compute.services(binary="nova-compute")}
    placement = place.connection.placement
    names = {each.id: each.name for each in placement.resource_providers()}
    return Rooms(known, {flavor.name: tuple(_hosts(placement, flavor, names, zones)) for flavor in known})


def _hosts(placement: Any, flavor: Flavor, names: Mapping[str, str], zones: Mapping[str, str]) -> list[Host]:
    asked = ",".join(f"{kind}:{count}" for kind, count in demanded(flavor).items())
    answer = placement.get(
        "/allocation_candidates",
        params={"resources": asked, "limit": MOST_HOSTS, "required": "!COMPUTE_STATUS_DISABLED"},
        microversion=str(MICROVERSIONS["placement"]),
    )
    answer.raise_for_status()
    return [
        Host(
            names.get(identity, identity),
            zones.get(names.get(identity, identity)),
            {kind: int(each["capacity"]) - int(each["used"]) for kind, each in summary["resources"].items()},
        )
        for identity, summary in answer.json()["provider_summaries"].items()
    ]
