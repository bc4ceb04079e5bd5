"""Supernets: private, apart, large enough; destinations outside of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network
from itertools import combinations

from landing_zone.model.complaints import Finding
from landing_zone.model.document import Path_
from landing_zone.model.environment import Addressing, Environment, Region
from landing_zone.model.slots import platform_slots, slot_range, slots_end
from policy.rules import UNIQUE_LOCAL, WIDEST

_TENANT_ZONES = 3
_PLATFORM_ZONES = 4
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"))
_GLOBAL = IPv6Network("2000::/3")


def kind(environment: Environment) -> Iterator[Finding]:
    """IPv4 supernets are private, IPv6 ones unique local or global unicast."""
    for index, region in enumerate(environment.regions):
        if not any(region.addresses.ipv4.subnet_of(net) for net in _PRIVATE):
            why = "private prefixes are " + ", ".join(map(str, _PRIVATE))
            yield Finding(
                ("regions", index, "addresses", "ipv4"), "the ipv4 supernet is not private", why, "choose a prefix inside one of them"
            )
        if not any(region.addresses.ipv6.subnet_of(net) for net in (UNIQUE_LOCAL, _GLOBAL)):
            why = f"unicast prefixes are {UNIQUE_LOCAL} and {_GLOBAL}"
            yield Finding(
                ("regions", index, "addresses", "ipv6"), "the ipv6 supernet is not for unicast", why, "choose a prefix inside one of them"
            )


def apart(environment: Environment) -> Iterator[Finding]:
    """No two regions overlap (control DR-01)."""
    for (_, one), (index, other) in combinations(enumerate(environment.regions), 2):
        for family in ("ipv4", "ipv6"):
            first, second = getattr(one.addresses, family), getattr(other.addresses, family)
            if first.overlaps(second):
                path = ("regions", index, "addresses", family)
                yield Finding(
                    path,
                    f"the {family} supernets of two regions overlap",
                    f"{one.name} has {first}",
                    "give each region a supernet of its own",
                )


def sizes(environment: Environment) -> Iterator[Finding]:
    """Each block holds what is cut out of it."""
    cut = environment.addressing
    if cut.zone_ipv4 < cut.tenant_ipv4 + _TENANT_ZONES:
        why = f"a slot of /{cut.tenant_ipv4} is cut into at least {2**_TENANT_ZONES} zones"
        yield Finding(
            ("addressing", "zone_ipv4"),
            "zone_ipv4 is too short for tenant_ipv4",
            why,
            f"write zone_ipv4: {cut.tenant_ipv4 + _TENANT_ZONES} or more",
        )
    if cut.platform_zone_ipv4 < cut.platform_ipv4 + _PLATFORM_ZONES:
        zones_at_least = 2 ** (_PLATFORM_ZONES - 1)
        why = f"half of the platform's /{cut.platform_ipv4} is for {zones_at_least} zones, half for the transit network"
        cure = f"write platform_zone_ipv4: {cut.platform_ipv4 + _PLATFORM_ZONES} or more"
        yield Finding(("addressing", "platform_zone_ipv4"), "platform_zone_ipv4 is too short for platform_ipv4", why, cure)


def room(environment: Environment) -> Iterator[Finding]:
    """The supernets have a slot for every tenant."""
    for index, region in enumerate(environment.regions):
        for family, length in (("ipv4", environment.addressing.platform_ipv4), ("ipv6", environment.addressing.platform_ipv6)):
            net = getattr(region.addresses, family)
            if net.prefixlen >= length:
                why = f"the platform alone takes a /{length} of it (addressing.platform_{family})"
                yield Finding(
                    ("regions", index, "addresses", family),
                    f"the {family} supernet is too small",
                    why,
                    f"give a prefix shorter than /{length}",
                )
    slots = slot_range(environment)
    if not slots and all(_larger(region, environment.addressing) for region in environment.regions):
        yield _no_slot(environment)
    wanted = sum(tenant.size for tenant in environment.tenants)
    if wanted > len(slots):
        cut = environment.addressing
        size = f"/{cut.tenant_ipv4} and /{cut.tenant_ipv6}"
        why = f"{len(environment.tenants)} tenants want {wanted} slots of {size}, the smallest supernet has {len(slots)}"
        cure = "give the regions shorter prefixes (regions.addresses), or make slots smaller (addressing.tenant_ipv4, tenant_ipv6)"
        yield Finding(("tenants",), "tenants: the supernets are exhausted", why, cure)


def _larger(region: Region, cut: Addressing) -> bool:
    """Whether both supernets of a region are larger than the platform's block."""
    return region.addresses.ipv4.prefixlen < cut.platform_ipv4 and region.addresses.ipv6.prefixlen < cut.platform_ipv6


def _no_slot(environment: Environment) -> Finding:
    """Why supernets that are larger than the platform's block have no slot behind it."""
    cut, end = environment.addressing, slots_end(environment)
    shorter = "or give the regions shorter prefixes (regions.addresses)"
    for family, slot in (("ipv4", cut.tenant_ipv4), ("ipv6", cut.tenant_ipv6)):
        net = next((net for region in environment.regions if (net := getattr(region.addresses, family)).prefixlen >= slot), None)
        if net is not None:
            why = f"a slot is as large as all of {net}, which begins with the platform's block"
            return Finding(
                ("addressing", f"tenant_{family}"), f"tenant_{family}: there is no room for a slot", why, f"write more, {shorter}"
            )
    family = "ipv4" if cut.tenant_ipv4 - cut.platform_ipv4 >= cut.tenant_ipv6 - cut.platform_ipv6 else "ipv6"
    slot = getattr(cut, f"tenant_{family}")
    why = (
        f"the first {platform_slots(environment)} slots of /{slot} are its block, in both families; the smallest supernet has {end} in all"
    )
    cure = f"let tenant_{family} be at most {(end - 1).bit_length() - 1} above it, {shorter}"
    return Finding(("addressing", f"platform_{family}"), f"platform_{family} leaves no slot for a tenant", why, cure)


def outside(environment: Environment) -> Iterator[Finding]:
    """Destinations and administrators are outside of the supernets, and narrower than the world."""
    named: list[tuple[Path_, IPv4Network | IPv6Network, str]] = [
        (("destinations", place, "networks", index), net, "write what is really meant, or use `world` where the zone may")
        for place, destination in enumerate(environment.destinations)
        for index, net in enumerate(destination.networks)
    ]
    named += [
        (("bastion", "admin_networks", index), net, "name the networks in which administrators sit")
        for index, net in enumerate(environment.bastion.admin_networks)
    ]
    for path, net, cure in named:
        if net.prefixlen < WIDEST[net.version]:
            yield Finding(
                path,
                f"{path[-2]}: the prefix is too wide",
                f"/{WIDEST[net.version]} is the widest for IPv{net.version} (control NET-02)",
                cure,
            )
        for region in environment.regions:
            supernet = region.addresses.ipv4 if net.version == 4 else region.addresses.ipv6
            if _overlap(net, supernet):
                why = f"it overlaps {supernet} of region {region.name}; zones decide about addresses in there"
                yield Finding(path, f"{path[-2]}: the prefix lies in a supernet", why, "name a prefix outside, or use zones")


def kinds_apart(environment: Environment) -> Iterator[Finding]:
    """No address is in destinations of two kinds: what may meet it would hang on the name that a flow gives it (control NET-09)."""
    for (_, one), (place, other) in combinations(enumerate(environment.destinations), 2):
        for index, net in enumerate(other.networks):
            taken = next((each for each in one.networks if _overlap(each, net)), None)
            if taken is not None and one.kind != other.kind:
                why = f"{one.name}, a {one.kind}, has {taken}; {other.name} is a {other.kind} (control NET-09)"
                cure = "give each address to one kind of destination"
                yield Finding(("destinations", place, "networks", index), "networks: the prefix is of another kind already", why, cure)


def _overlap(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    return one.version == other.version and one.overlaps(other)


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (kind, apart, sizes, room, outside, kinds_apart)
