"""Regions: pairs that take over for each other, far enough apart; and where state is kept."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import parse_qsl, urlsplit

from landing_zone.model.complaints import Finding
from landing_zone.model.environment import Environment, Region
from landing_zone.model.levels import figures

_EARTH_RADIUS_KM = 6371.0
_FORMS = {
    "s3": "s3://BUCKET?endpoint=https://HOST:PORT&region=NAME",
    "postgres": "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full",
}
_MOST_RESOLVERS = 5  # of one family: Neutron's max_dns_nameservers, as it comes
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|[?&](?:ssl)?password=")


def distance_km(one: Region, other: Region) -> float:
    """Great-circle distance of two regions, kilometres."""
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(other.longitude - one.longitude)
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(across / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def pairs(environment: Environment) -> Iterator[Finding]:
    """Every secondary region has a counterpart; a pair names each other and has one primary and one secondary region."""
    known = {region.name: region for region in environment.regions}
    for index, region in enumerate(environment.regions):
        path = ("regions", index, "counterpart")
        other = known.get(region.counterpart or "")
        if region.counterpart is None:
            if region.role == "secondary":
                yield Finding(
                    path, "a secondary region without a counterpart", f"{region.name} takes over for nobody", "name its primary region"
                )
            continue
        if other is None:
            yield Finding(path, f"counterpart {region.counterpart!r} is not a region", f"regions: {', '.join(known)}", "name one of them")
        elif other is region:
            yield Finding(path, "a region cannot be its own counterpart", cure="name the other region of the pair")
        elif other.counterpart != region.name:
            why = f"{other.name} names {other.counterpart or 'nobody'}"
            yield Finding(
                path, "the counterpart does not name this region in turn", why, f"write counterpart: {region.name} in region {other.name}"
            )
        elif other.role == region.role:
            yield Finding(
                ("regions", index, "role"),
                f"both regions of a pair are {region.role}",
                f"{region.name} and {other.name}",
                "make one of them primary, the other secondary",
            )


def primary(environment: Environment) -> Iterator[Finding]:
    """There is a primary region, and a pair where the highest level in the environment asks for one."""
    if all(region.role != "primary" for region in environment.regions):
        yield Finding(("regions", 0, "role"), "no region has the role primary", cure="make one of them primary")
    level = environment.highest_level
    if environment.figure("second_region", level) and not any(region.counterpart for region in environment.regions):
        source = figures()["second_region"].source
        cure = "add a second region with role: secondary, each naming the other as counterpart"
        yield Finding(("regions",), f"level {level} asks for a second region", f"Source: {source}", cure)


def tenants_in_pairs(environment: Environment) -> Iterator[Finding]:
    """A tenant whose level asks for a second region has, among those that it names, a region together with its counterpart."""
    pair_of = {region.name: region.counterpart for region in environment.regions if region.counterpart}  # none: `primary` says so
    for index, tenant in enumerate(environment.tenants):
        if not tenant.regions or not environment.figure("second_region", tenant.level):
            continue
        if pair_of and not any(pair_of.get(name) in tenant.regions for name in tenant.regions):
            asked = f"level {tenant.level} asks for a second region. Source: {figures()['second_region'].source}"
            cure = (
                f"add a counterpart ({', '.join(f'{pair_of[name]} for {name}' for name in sorted(pair_of))}), or remove the key to have all"
            )
            yield Finding(("tenants", index, "regions"), "regions: none of them stands with its counterpart", asked, cure)


def apart(environment: Environment) -> Iterator[Finding]:
    """The regions of a pair are as far apart as the highest level in the environment asks for."""
    level = environment.highest_level
    figure = environment.figure("dr_min_distance_km", level)
    if figure is None:
        return
    known = {region.name: index for index, region in enumerate(environment.regions)}
    for index, region in enumerate(environment.regions):
        other = known.get(region.counterpart or "")
        if other is None or other >= index:
            continue
        distance = distance_km(environment.regions[other], region)
        if distance < figure:
            away = f"{distance:.1f} km from {environment.regions[other].name}; level {level} asks for {figure} km"
            why = f"{away}. Source: {figures()['dr_min_distance_km'].source}"
            yield Finding(
                ("regions", index, "latitude"),
                "the regions are too near to each other",
                why,
                "correct latitude and longitude, or choose another site",
            )


def residency(environment: Environment) -> Iterator[Finding]:
    """Data stays in the country of the environment."""
    for index, region in enumerate(environment.regions):
        if region.country != environment.country:
            yield Finding(
                ("regions", index, "country"),
                f"region {region.name} is in another country ({region.country})",
                f"all data of this environment stays in {environment.country} (control STO-01)",
                "choose a site there; if this is the environment's own country, say so by its key `country`",
            )


def resolvers(environment: Environment) -> Iterator[Finding]:
    """Name servers are where instances can ask them, and no more than Neutron takes: a subnet names those of its own family."""
    for index, region in enumerate(environment.regions):
        for place, address in enumerate(region.resolvers):
            if _only_here(address):
                cure = "name one that instances reach, or none for the cloud's own"
                yield Finding(("regions", index, "resolvers", place), "resolvers: no instance reaches it", "it is nobody's elsewhere", cure)
        for version in (4, 6):
            count = sum(1 for address in region.resolvers if address.version == version)
            if count > _MOST_RESOLVERS:
                why = f"{count} of them are IPv{version}; Neutron takes {_MOST_RESOLVERS} for a subnet"
                yield Finding(("regions", index, "resolvers"), "resolvers: too many of one family", why, "name those that are nearest")


def _only_here(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address means something on one machine, or one link of it, alone; such stand in many an /etc/resolv.conf."""
    scoped = isinstance(address, IPv6Address) and address.scope_id is not None
    return scoped or address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def backend(environment: Environment) -> Iterator[Finding]:
    """The address of the state backend fits its kind and holds no password."""
    state = environment.state
    if state.backend == "local" and state.url is not None:
        yield Finding(("state", "url"), "a local backend has no url", cure="remove url, or choose backend: s3 or postgres")
    if state.backend != "local" and state.url is None:
        yield Finding(("state", "url"), "the key 'url' is missing", f"backend is {state.backend}", f"write url: {state.backend}://...")
    if state.url is not None and state.backend != "local" and not state.url.startswith(f"{state.backend}://"):
        yield Finding(("state", "url"), "the url is of another backend", f"backend is {state.backend}", f"write url: {state.backend}://...")
    if state.url is not None and _PASSWORD.search(state.url):
        cure = "remove it; put it into the file (0600) that PGPASSFILE names"
        yield Finding(("state", "url"), "the url holds a password", "secrets never stand in files", cure)


def reach(environment: Environment) -> Iterator[Finding]:
    """The address of the state backend says how it is reached, and that is by TLS with a verified certificate."""
    state, path = environment.state, ("state", "url")
    if state.url is None or state.backend == "local":
        return
    try:
        parts = urlsplit(state.url)
        host, query = parts.hostname or "", dict(parse_qsl(parts.query))
    except ValueError as error:
        yield Finding(path, "the url cannot be read", str(error), f"write url: {_FORMS[state.backend]}")
        return
    if state.backend == "s3":
        missing = [name for name in ("endpoint", "region") if name not in query]
        if missing or not host:
            why = f"it has no {', '.join(missing) or 'bucket'}; a public cloud's would be taken"
            yield Finding(path, "the url does not say where the bucket is", why, f"write url: {_FORMS['s3']}")
        elif not query["endpoint"].startswith("https://"):
            yield Finding(path, "the bucket is not reached by TLS", f"endpoint is {query['endpoint']}", "let endpoint begin with https://")
    elif host not in _LOOPBACK and query.get("sslmode") != "verify-full":
        why = f"sslmode is {query.get('sslmode', 'not set')}, host is {host or 'not set'}"
        yield Finding(path, "the database is not reached by verified TLS", why, f"write url: {_FORMS['postgres']}")


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (
    pairs,
    primary,
    tenants_in_pairs,
    apart,
    residency,
    resolvers,
    backend,
    reach,
)
