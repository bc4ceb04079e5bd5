"""The flow plan: permitted flows in, the rules of every zone's security group out. What no flow names is refused, in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from landing_zone.model.ends import WORLD, End, end, port_range
from landing_zone.model.environment import Environment, Region
from landing_zone.model.levels import zones
from landing_zone.planners.addresses import BASTION, Block, Pair, RegionAddresses
from landing_zone.planners.plan import Direction, EtherType, Protocol, RuleSpec

SSH = 22
METADATA = IPv4Network("169.254.169.254/32")
_ANYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_LONGEST_DESCRIPTION = 250
Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Peer:
    """The other end of a rule: a short `label` without spaces, and its prefixes."""

    label: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True)
class Opening:
    """One permitted connection between two ends, a port range at a time. Ports None: any (icmp)."""

    source: End
    target: End
    protocol: Literal["tcp", "udp", "icmp"]
    ports: tuple[int, int] | None
    reason: str


def openings(environment: Environment) -> tuple[Opening, ...]:
    """All flows of an environment: those written, and those that its shared services stand for."""
    found: list[Opening] = []
    for flow in environment.flows:
        ranges: list[tuple[int, int] | None] = [port_range(port) for port in flow.ports]
        found += [Opening(end(flow.source), end(flow.target), flow.protocol, ports, flow.reason) for ports in ranges or [None]]
    return tuple(found)


def rules(environment: Environment, region: Region, addresses: RegionAddresses, owner: str | None, zone: str) -> tuple[RuleSpec, ...]:
    """All rules of the security group of `zone`, of tenant `owner` or (None) of the platform."""
    found: dict[str, RuleSpec] = {}
    for rule in _rules(environment, region, addresses, owner, zone):
        found.setdefault(rule.key, rule)
    return tuple(found.values())


def bastion_rules(environment: Environment, region: Region, addresses: RegionAddresses) -> tuple[RuleSpec, ...]:
    """Rules of the bastion's own group: SSH in from the administrators, SSH out to everything in the region, and name lookup."""
    admins = Peer("administrators", environment.bastion.admin_networks)
    inside = Peer("region", (addresses.supernet.v4, addresses.supernet.v6))
    found = [
        *_rule("ingress", "tcp", (SSH, SSH), admins, "administrators enter here only"),
        *_rule("egress", "tcp", (SSH, SSH), inside, "on to instances of the region"),
        *_base(region),
    ]
    return tuple({rule.key: rule for rule in found}.values())


def _rules(environment: Environment, region: Region, addresses: RegionAddresses, owner: str | None, zone: str) -> Iterator[RuleSpec]:
    yield from _base(region)
    bastion = Peer("bastion", tuple(ip_network(address) for address in addresses.platform.zones["management"].hosts(BASTION)))
    yield from _rule("ingress", "tcp", (SSH, SSH), bastion, "administration from the bastion only")
    for opening in openings(environment):
        if _is(opening.target, owner, zone):
            for peer in _peers(opening.source, environment, addresses, owner):
                yield from _rule("ingress", opening.protocol, opening.ports, peer, opening.reason)
        if _is(opening.source, owner, zone):
            for peer in _peers(opening.target, environment, addresses, owner):
                yield from _rule("egress", opening.protocol, opening.ports, peer, opening.reason)
    for service in environment.shared_services:
        home = addresses.platform.zones[service.zone]
        here = Peer(service.name, tuple(ip_network(address) for address in home.hosts(service.host)))
        for port in service.ports:
            reason = f"{service.kind} service {service.name}"
            if zone in service.clients and not (owner is None and zone == service.zone):
                yield from _rule("egress", service.protocol, (port, port), here, reason)
            if owner is None and zone == service.zone:
                for client in service.clients:
                    for peer in _peers(End("zone", client), environment, addresses, None):
                        yield from _rule("ingress", service.protocol, (port, port), peer, reason)


def _base(region: Region) -> Iterator[RuleSpec]:
    yield from _rule("egress", "tcp", (80, 80), Peer("metadata", (METADATA,)), "instance metadata")
    if region.resolvers:
        resolvers = Peer("resolvers", tuple(ip_network(address) for address in region.resolvers))
        yield from _rule("egress", "udp", (53, 53), resolvers, "name lookup")
        yield from _rule("egress", "tcp", (53, 53), resolvers, "name lookup, long answers")


def _is(side: End, owner: str | None, zone: str) -> bool:
    if side.kind != "zone" or side.name != zone:
        return False
    return side.tenant is None or side.tenant == owner


def _peers(side: End, environment: Environment, addresses: RegionAddresses, owner: str | None) -> Iterator[Peer]:
    """Who stands at `side` as seen from a zone of `owner`: a tenant sees its own zones only, the platform sees all tenants at once."""
    match side.kind:
        case "world":
            yield Peer(WORLD, _ANYWHERE)
        case "destination":
            yield from (Peer(d.name, d.networks) for d in environment.destinations if d.name == side.name)
        case "zone" if zones()[side.name].scope == "platform":
            yield Peer(side.name, _prefixes(addresses.platform, side.name))
        case "zone" if owner is not None:
            block = addresses.tenants.get(owner)
            if block and side.name in block.zones and side.tenant in (None, owner):
                yield Peer(side.name, _prefixes(block, side.name))
        case "zone" if side.tenant is not None:
            block = addresses.tenants.get(side.tenant)
            if block and side.name in block.zones:
                yield Peer(f"{side.tenant}/{side.name}", _prefixes(block, side.name))
        case "zone":
            yield Peer("tenants", (addresses.supernet.v4, addresses.supernet.v6))


def _prefixes(block: Block, zone: str) -> tuple[Prefix, ...]:
    pair: Pair = block.zones[zone]
    return pair.v4, pair.v6


def _rule(
    direction: Direction, protocol: Literal["tcp", "udp", "icmp"], ports: tuple[int, int] | None, peer: Peer, reason: str
) -> Iterator[RuleSpec]:
    word = "in" if direction == "ingress" else "out"
    counts = {4: 0, 6: 0}
    for prefix in _ordered(peer.prefixes):
        family: EtherType = "IPv4" if prefix.version == 4 else "IPv6"
        spoken: Protocol = "ipv6-icmp" if protocol == "icmp" and prefix.version == 6 else protocol
        shown = "any" if ports is None else str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
        nth = f"-{counts[prefix.version]}" if counts[prefix.version] else ""
        counts[prefix.version] += 1
        yield RuleSpec(
            key=f"{word}{prefix.version}-{protocol}-{shown}-{peer.label.replace('/', '.')}{nth}",
            direction=direction,
            ethertype=family,
            protocol=spoken,
            port_min=ports[0] if ports else None,
            port_max=ports[1] if ports else None,
            remote_prefix=str(prefix),
            description=reason[:_LONGEST_DESCRIPTION],
        )


def _ordered(prefixes: Iterable[Prefix]) -> list[Prefix]:
    return sorted(prefixes, key=lambda prefix: (prefix.version, int(prefix.network_address), prefix.prefixlen))
