"""The flow plan: permitted flows in, the rules of all security groups out. What no flow names is refused, in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from landing_zone.model.ends import End, end, port_range
from landing_zone.model.entries import NO_PORTS, Entry, entries
from landing_zone.model.environment import Environment, Region, SharedService
from landing_zone.model.fields import Transport
from landing_zone.planners.addresses import BASTION, GATEWAY, Pair, RegionAddresses
from landing_zone.planners.plan import Direction, EtherType, Protocol, RuleSpec

SSH = 22
METADATA = IPv4Network("169.254.169.254/32")
_ALL_HOSTS = IPv4Network("255.255.255.255/32")
_ALL_DHCP_SERVERS = IPv6Network("ff02::1:2/128")
_ANYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_IN_NAMES = str.maketrans({"/": "-", ":": "_"})
Prefix = IPv4Network | IPv6Network
Peer = tuple[Prefix, ...]  # the other end of a rule
# The rules of an owner's groups by their zone; under None those of the group in which all of its instances are beside that.
Groups = dict[str | None, tuple[RuleSpec, ...]]


@dataclass(frozen=True)
class Opening:
    """One permitted connection between two ends, a port range at a time. Ports None: any (icmp)."""

    source: End
    target: End
    protocol: Transport
    ports: tuple[int, int] | None
    reason: str


def openings(environment: Environment) -> tuple[Opening, ...]:
    """All flows of an environment, a port range at a time."""
    found: list[Opening] = []
    for flow in environment.flows:
        ranges: list[tuple[int, int] | None] = [port_range(port) for port in flow.ports]
        found += [Opening(end(flow.source), end(flow.target), flow.protocol, ports, flow.reason) for ports in ranges or [None]]
    return tuple(found)


class RuleBook:
    """The rules of all security groups of one region. What is the same for every tenant is made once and shared."""

    def __init__(self, environment: Environment, region: Region, addresses: RegionAddresses) -> None:
        self._addresses = addresses
        self._openings = openings(environment)
        self._services = environment.shared_services
        self._base = tuple(_base(region))
        self._inside = (addresses.supernet.v4, addresses.supernet.v6)
        self._all_tenants = tuple(_beside(addresses))
        self._entries = [each for each in entries(environment) if each.source.tenant is None]
        bastion = _hosts(addresses.platform.zones["management"], BASTION)
        self._administration = tuple(_rules("ingress", "tcp", (SSH, SSH), bastion, "administration from the bastion only"))
        self._ways_out = tuple((frozenset(service.clients), tuple(self._use(service))) for service in self._services)
        self._destinations = {each.name: each.networks for each in environment.destinations}
        self._administrators = environment.bastion.admin_networks
        self._common = {zone: self._common_rules(zone) for zone in environment.zone_names}
        within = [(o, o.source.name, o.target.name) for o in self._openings if o.source.of_tenants and o.target.of_tenants]
        self._within = {zone: [o for o, source, target in within if zone in (source, target)] for zone in environment.zone_names}

    def platform(self) -> Groups:
        """The rules of the platform's groups."""
        homes = self._addresses.platform.zones
        return self._apart({zone: [*self._common[zone], *_renewal(home)] for zone, home in homes.items()})

    def tenant(self, code: str) -> Groups:
        """The rules of a tenant's groups."""
        return self._apart({zone: self._of_tenant(code, zone) for zone in self._addresses.tenants[code].zones})

    def _apart(self, whole: Mapping[str, list[RuleSpec]]) -> Groups:
        """Beside what these zones of an owner have: what an instance needs to come up and to be administered, and the services that it
        uses, those for all of the zones once for all."""
        base = [*self._base, *self._administration]
        for clients, way_out in self._ways_out:
            if whole.keys() <= clients:
                base += way_out
                continue
            for zone in clients & whole.keys():
                whole[zone] += way_out
        return {None: _once(base), **{zone: _once(rules) for zone, rules in whole.items()}}

    def _of_tenant(self, code: str, zone: str) -> list[RuleSpec]:
        block = self._addresses.tenants[code]
        found = [*self._common[zone], *_renewal(block.zones[zone])]
        for opening in self._openings:
            if code in (opening.source.tenant, opening.target.tenant):
                found += self._named(opening, code, zone)
        for opening in self._within[zone]:
            if not {opening.source.tenant, opening.target.tenant} <= {None, code}:
                continue
            if opening.target.name == zone and opening.source.name in block.zones:
                found += _rule("ingress", opening, block.zones[opening.source.name].nets)
            if opening.source.name == zone and opening.target.name in block.zones:
                found += _rule("egress", opening, block.zones[opening.target.name].nets)
        return found

    def bastion(self) -> tuple[RuleSpec, ...]:
        """All rules of the bastion's own group: SSH in from the administrators, SSH out to everything in the region."""
        ssh = (SSH, SSH)
        return _once(
            [
                *_rules("ingress", "tcp", ssh, self._administrators, "administrators enter here only"),
                *_rules("egress", "tcp", ssh, self._inside, "on to instances of the region"),
                *self._base,
                *_renewal(self._addresses.platform.zones["management"]),
            ]
        )

    def _common_rules(self, zone: str) -> tuple[RuleSpec, ...]:
        """Rules of a zone that no single tenant has part in: of the flows, and of the services in it."""
        found: list[RuleSpec] = []
        for opening in self._openings:
            for direction, here, there in (("ingress", opening.target, opening.source), ("egress", opening.source, opening.target)):
                if here != End("zone", zone) or (here.of_tenants and there.of_tenants):
                    continue
                peer = self._onward(opening) if direction == "egress" else self._peer(there)
                found += _rule("ingress" if direction == "ingress" else "egress", opening, peer)
        for service in self._services:
            found += self._service_rules(service, zone)
        return _once(found)

    def _service_rules(self, service: SharedService, zone: str) -> Iterator[RuleSpec]:
        """The way in to a service, where it is in this zone."""
        if zone == service.zone:
            for transport, port in service.ways:
                for client in service.clients:
                    yield from _rules("ingress", transport, (port, port), self._peer(End("zone", client)), _reason(service))

    def _use(self, service: SharedService) -> Iterator[RuleSpec]:
        """The way out to a service."""
        there = _hosts(self._addresses.platform.zones[service.zone], service.host)
        for transport, port in service.ways:
            yield from _rules("egress", transport, (port, port), there, _reason(service))

    def _named(self, opening: Opening, code: str, zone: str) -> Iterator[RuleSpec]:
        """Rules of a flow between a zone of one named tenant and something that no tenant has part in."""
        if opening.source.of_tenants and opening.target.of_tenants:
            return
        if opening.target == End("zone", zone, code):
            yield from _rule("ingress", opening, self._peer(opening.source))
        if opening.source == End("zone", zone, code):
            yield from _rule("egress", opening, self._peer(opening.target))

    def _onward(self, opening: Opening) -> Peer:
        """Who is connected to. Where a zone of the platform takes the same from tenants, that is the supernet without the platform: by
        the whole of it the source would reach that zone, too, which no flow permits."""
        everybody = opening.target.of_tenants and opening.target.tenant is None
        if everybody and any(_alike(opening, entry) for entry in self._entries):
            return self._all_tenants
        return self._peer(opening.target)

    def _peer(self, side: End) -> Peer:
        """Who stands at `side` as seen by everybody: all tenants at once are the whole supernet."""
        if side.kind == "world":
            return _ANYWHERE
        if side.kind == "destination":
            return self._destinations[side.name]
        if not side.of_tenants:
            return self._addresses.platform.zones[side.name].nets
        if side.tenant is None:
            return self._inside
        block = self._addresses.tenants.get(side.tenant)
        return block.zones[side.name].nets if block and side.name in block.zones else ()


def _alike(opening: Opening, entry: Entry) -> bool:
    """Whether both have a protocol and some ports in common."""
    first, last = opening.ports or NO_PORTS
    return opening.protocol == entry.protocol and first <= entry.ports[1] and entry.ports[0] <= last


def _beside(addresses: RegionAddresses) -> Iterator[Prefix]:
    """The supernets without the platform's own block: where tenants are."""
    yield from sorted(addresses.supernet.v4.address_exclude(addresses.platform.whole.v4))
    yield from sorted(addresses.supernet.v6.address_exclude(addresses.platform.whole.v6))


def _reason(service: SharedService) -> str:
    return f"{service.kind} service {service.name}"


def _hosts(pair: Pair, number: int) -> tuple[Prefix, ...]:
    return tuple(ip_network(address) for address in pair.hosts(number))


def _renewal(subnets: Pair) -> Iterator[RuleSpec]:
    """A lease is renewed from the subnet's own gateway address, by which OVN answers."""
    gateway = (ip_network(subnets.hosts(GATEWAY)[0]),)
    yield from _rules("egress", "udp", (67, 67), gateway, "renewal of the IPv4 lease")


def _base(region: Region) -> Iterator[RuleSpec]:
    """What every instance needs to come up: without these rules OVN drops the guest's own DHCP requests."""
    yield from _rules("egress", "udp", (67, 67), (_ALL_HOSTS,), "request of an IPv4 lease")
    yield from _rules("egress", "udp", (547, 547), (_ALL_DHCP_SERVERS,), "request of an IPv6 lease")
    yield from _rules("egress", "tcp", (80, 80), (METADATA,), "instance metadata")
    if region.resolvers:
        resolvers = tuple(ip_network(address) for address in region.resolvers)
        yield from _rules("egress", "udp", (53, 53), resolvers, "name lookup")
        yield from _rules("egress", "tcp", (53, 53), resolvers, "name lookup, long answers")


def _once(rules: Iterable[RuleSpec]) -> tuple[RuleSpec, ...]:
    """Every rule once, in the order of their keys, whatever it is described as: Neutron would refuse the second."""
    ordered = sorted(rules, key=lambda rule: (rule.key, rule.description), reverse=True)
    return tuple(reversed({rule.key: rule for rule in ordered}.values()))


def _rule(direction: Direction, opening: Opening, peer: Peer) -> Iterator[RuleSpec]:
    return _rules(direction, opening.protocol, opening.ports, peer, opening.reason)


def _rules(direction: Direction, protocol: Transport, ports: tuple[int, int] | None, peer: Peer, reason: str) -> Iterator[RuleSpec]:
    """`key` is made of what a rule permits and of nothing else: under another key the engine would make the same rule a second time,
    which Neutron refuses, before it removes the first."""
    word = "in" if direction == "ingress" else "out"
    shown = "any" if ports is None else str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
    for prefix in peer:
        family: EtherType = "IPv4" if prefix.version == 4 else "IPv6"
        spoken: Protocol = "ipv6-icmp" if protocol == "icmp" and prefix.version == 6 else protocol
        yield RuleSpec(
            key=f"{word}{prefix.version}-{protocol}-{shown}-{prefix}".translate(_IN_NAMES),
            direction=direction,
            ethertype=family,
            protocol=spoken,
            port_min=ports[0] if ports else None,
            port_max=ports[1] if ports else None,
            remote_prefix=str(prefix),
            description=reason,
        )
