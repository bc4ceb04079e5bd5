"""The network plan: networks, subnets, routers and security groups of the platform and of every tenant in a region."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from landing_zone.model.environment import Environment, Region, Tenant
from landing_zone.model.levels import zones
from landing_zone.model.slots import TRANSIT_FIRST_TENANT
from landing_zone.planners.addresses import (
    FIRST_PLATFORM_PORT,
    FIRST_TENANT_PORT,
    GATEWAY,
    TRANSIT_HUB,
    TRANSIT_INNER,
    Pair,
    RegionAddresses,
    fixed,
)
from landing_zone.planners.flows import RuleBook, openings
from landing_zone.planners.identity import network_project
from landing_zone.planners.names import PLATFORM, dns_zone, group, name, tags
from landing_zone.planners.plan import (
    AddressScopeSpec,
    AllocationPool,
    DnsZoneSpec,
    NetworkLayer,
    NetworkSpec,
    RouterLeg,
    RouterSpec,
    RouteSpec,
    SecurityGroupSpec,
    SubnetPoolSpec,
    SubnetSpec,
)

_LARGEST_POOL_V6 = 2**16
_DNS_TTL = 300


def transit(environment: Environment) -> str:
    """Name of the network on which the hub and the tenants' routers meet; it is shared with nobody."""
    return name(environment.code, PLATFORM, "transit")


def platform(environment: Environment, region: Region, addresses: RegionAddresses, book: RuleBook) -> NetworkLayer:
    """The hub of a region: platform zones, transit, hub router, and an inner router for zones that have no way out."""
    code = environment.code
    project = network_project(environment, PLATFORM)
    zone_names = tuple(addresses.platform.zones)
    servers = nameservers(environment, region, addresses)
    marks = partial(tags, code, environment.level, PLATFORM)
    networks = tuple(
        NetworkSpec(
            name(code, PLATFORM, zone),
            project,
            zone,
            zones()[zone].title,
            _subnets(environment, servers, name(code, PLATFORM, zone), addresses.platform.zones[zone], FIRST_PLATFORM_PORT),
            shared_with=(name(code, PLATFORM, zone),),
            tags=marks(zone),
        )
        for zone in zone_names
    )
    meeting = NetworkSpec(
        transit(environment),
        project,
        "transit",
        "Routers of the platform and the tenants meet here; no instances",
        tuple(
            _subnet(environment, servers, f"{transit(environment)}-v{cidr.version}", cidr, None)
            for cidr in (addresses.transit.v4, addresses.transit.v6)
        ),
        tags=marks(),
    )
    return NetworkLayer(
        networks=(*networks, meeting),
        routers=_platform_routers(environment, region, addresses, zone_names),
        security_groups=_platform_groups(environment, book, zone_names),
        address_scopes=(
            AddressScopeSpec(name(code, PLATFORM, "v4"), project, 4),
            AddressScopeSpec(name(code, PLATFORM, "v6"), project, 6),
        ),
        subnet_pools=_pools(environment, addresses, project),
        dns_zones=(_dns(environment, region, PLATFORM, project),),
    )


def tenant(environment: Environment, region: Region, addresses: RegionAddresses, book: RuleBook, agency: Tenant) -> NetworkLayer:
    """A tenant's networks behind a router of its own, shared with its workload projects."""
    code, own = environment.code, agency.code
    project = network_project(environment, own)
    block = addresses.tenants[own]
    servers = nameservers(environment, region, addresses)
    shared = tuple(name(code, own, each.code) for each in environment.projects_for(agency))
    marks = partial(tags, code, agency.level, own)
    networks = tuple(
        NetworkSpec(
            name(code, own, zone),
            project,
            zone,
            f"{zones()[zone].title}, {agency.name.en}"[:250],
            _subnets(environment, servers, name(code, own, zone), pair, FIRST_TENANT_PORT),
            shared_with=shared,
            tags=marks(zone),
        )
        for zone, pair in block.zones.items()
    )
    groups = tuple(
        SecurityGroupSpec(
            group(code, own, zone), project, zone, f"{zone or 'all zones'} of {own}", rules, shared_with=shared, tags=marks(zone)
        )
        for zone, rules in book.tenant(own).items()
    )
    legs = tuple(_leg(name(code, own, "router", zone), name(code, own, zone), pair, GATEWAY) for zone, pair in block.zones.items())
    up = _leg(name(code, own, "router", "transit"), transit(environment), addresses.transit, TRANSIT_FIRST_TENANT + block.slot)
    hub = addresses.transit.hosts(TRANSIT_HUB)
    routes = tuple(
        RouteSpec(prefix, str(hop))
        for zone, pair in addresses.platform.zones.items()
        if not zones()[zone].isolated
        for prefix, hop in zip(pair.both, hub, strict=True)
    )
    external = region.external_network if any(zones()[zone].external for zone in block.zones) else None
    router = RouterSpec(
        name(code, own, "router"), project, f"Router of {agency.code}", external, external is not None, (*legs, up), routes, marks()
    )
    return NetworkLayer(networks, (router,), groups, dns_zones=(_dns(environment, region, own, project),))


def _platform_routers(
    environment: Environment, region: Region, addresses: RegionAddresses, zone_names: tuple[str, ...]
) -> tuple[RouterSpec, ...]:
    isolated = tuple(zone for zone in zone_names if zones()[zone].isolated)
    hub = _hub(environment, region, addresses, tuple(zone for zone in zone_names if zone not in isolated), isolated)
    return (hub, _inner(environment, addresses, isolated)) if isolated else (hub,)


def _hub(
    environment: Environment, region: Region, addresses: RegionAddresses, served: tuple[str, ...], isolated: tuple[str, ...]
) -> RouterSpec:
    to_inner = [
        RouteSpec(prefix, str(hop))
        for zone in isolated
        for prefix, hop in zip(addresses.platform.zones[zone].both, addresses.transit.hosts(TRANSIT_INNER), strict=True)
    ]
    to_tenants = [
        RouteSpec(prefix, str(hop))
        for _, block in sorted(addresses.tenants.items())
        for prefix, hop in zip(block.whole.both, addresses.transit.hosts(TRANSIT_FIRST_TENANT + block.slot), strict=True)
    ]
    return RouterSpec(
        name(environment.code, PLATFORM, "hub"),
        network_project(environment, PLATFORM),
        "Hub: platform zones, tenants' routers, the way out",
        region.external_network,
        True,
        _platform_legs(environment, addresses, "hub", served, TRANSIT_HUB),
        (*to_inner, *to_tenants),
        tags(environment.code, environment.level, PLATFORM),
    )


def _inner(environment: Environment, addresses: RegionAddresses, isolated: tuple[str, ...]) -> RouterSpec:
    met = _meeting(environment, isolated)
    ways_back = (
        RouteSpec(prefix, str(hop))
        for zone, pair in addresses.platform.zones.items()
        if zone in met
        for prefix, hop in zip(pair.both, addresses.transit.hosts(TRANSIT_HUB), strict=True)
    )
    return RouterSpec(
        name(environment.code, PLATFORM, "inner"),
        network_project(environment, PLATFORM),
        "Zones without a way out",
        None,
        False,
        _platform_legs(environment, addresses, "inner", isolated, TRANSIT_INNER),
        tuple(ways_back),
        tags(environment.code, environment.level, PLATFORM),
    )


def _meeting(environment: Environment, isolated: tuple[str, ...]) -> set[str]:
    """The other zones that meet those without a way out: that of the bastion, and those that flows and services join with them."""
    joined = [(opening.source.name, opening.target.name) for opening in openings(environment)]
    joined += [(client, service.zone) for service in environment.shared_services for client in service.clients]
    return {"management", *(there for ends in joined for here, there in (ends, ends[::-1]) if here in isolated)}.difference(isolated)


def _platform_legs(
    environment: Environment, addresses: RegionAddresses, router: str, served: tuple[str, ...], number: int
) -> tuple[RouterLeg, ...]:
    """In each zone that is served, and as host `number` in the transit network."""
    code = environment.code
    zoned = (
        _leg(name(code, PLATFORM, router, zone), name(code, PLATFORM, zone), addresses.platform.zones[zone], GATEWAY) for zone in served
    )
    return (*zoned, _leg(name(code, PLATFORM, router, "transit"), transit(environment), addresses.transit, number))


def _platform_groups(environment: Environment, book: RuleBook, zone_names: tuple[str, ...]) -> tuple[SecurityGroupSpec, ...]:
    code = environment.code
    project = network_project(environment, PLATFORM)
    marks = partial(tags, code, environment.level, PLATFORM)
    zoned = tuple(
        SecurityGroupSpec(
            group(code, PLATFORM, zone),
            project,
            zone,
            zones()[zone].title if zone else "All platform zones",
            rules,
            shared_with=tuple(name(code, PLATFORM, each) for each in ((zone,) if zone else zone_names)),
            tags=marks(zone),
        )
        for zone, rules in book.platform().items()
    )
    bastion = SecurityGroupSpec(
        name(code, PLATFORM, "bastion"),
        project,
        "management",
        "The bastion",
        book.bastion(),
        shared_with=(name(code, PLATFORM, "management"),),
        tags=marks("management"),
    )
    return (*zoned, bastion)


def _pools(environment: Environment, addresses: RegionAddresses, project: str) -> tuple[SubnetPoolSpec, ...]:
    """One pool for each family with the whole supernet: the cloud itself then refuses subnets that overlap."""
    code = environment.code
    v4, v6 = addresses.supernet.v4, addresses.supernet.v6
    return (
        SubnetPoolSpec(
            name(code, PLATFORM, "v4"),
            project,
            name(code, PLATFORM, "v4"),
            4,
            (str(v4),),
            v4.prefixlen,
            29,
            environment.addressing.zone_ipv4,
        ),
        SubnetPoolSpec(name(code, PLATFORM, "v6"), project, name(code, PLATFORM, "v6"), 6, (str(v6),), v6.prefixlen, 64, 64),
    )


def nameservers(environment: Environment, region: Region, addresses: RegionAddresses) -> tuple[str, ...]:
    """Name servers that instances are told to use: the region's own setting, else the shared services that resolve names."""
    if region.resolvers:
        return tuple(str(address) for address in region.resolvers)
    homes = ((addresses.platform.zones[service.zone], service.host) for service in environment.shared_services if service.kind == "dns")
    return tuple(str(address) for home, host in homes for address in home.hosts(host))


def _subnets(environment: Environment, servers: tuple[str, ...], network: str, pair: Pair, first: int) -> tuple[SubnetSpec, ...]:
    return tuple(_subnet(environment, servers, f"{network}-v{cidr.version}", cidr, first) for cidr in (pair.v4, pair.v6))


def _subnet(
    environment: Environment, servers: tuple[str, ...], subnet: str, cidr: IPv4Network | IPv6Network, first: int | None
) -> SubnetSpec:
    """A subnet whose automatic addresses begin at host number `first`; None: routers only, no addresses by themselves."""
    version: Literal[4, 6] = 4 if isinstance(cidr, IPv4Network) else 6
    last = cidr.num_addresses - 2 if isinstance(cidr, IPv4Network) else _LARGEST_POOL_V6
    pool = AllocationPool(str(cidr.network_address + (first or last)), str(cidr.network_address + last))
    for_instances = first is not None
    return SubnetSpec(
        name=subnet,
        cidr=str(cidr),
        ip_version=version,
        gateway=str(cidr.network_address + GATEWAY) if for_instances else None,
        pools=(pool,),
        dhcp=for_instances,
        ipv6_mode="dhcpv6-stateful" if for_instances and version == 6 else None,
        dns_nameservers=tuple(server for server in servers if (":" in server) == (version == 6)) if for_instances else (),
        subnet_pool=name(environment.code, PLATFORM, f"v{version}"),
    )


def _leg(port: str, network: str, pair: Pair, number: int) -> RouterLeg:
    return RouterLeg(port, network, fixed(network, pair, number))


def _dns(environment: Environment, region: Region, owner: str, project: str) -> DnsZoneSpec:
    answerable = environment.contacts[0].email
    return DnsZoneSpec(
        dns_zone(owner, region.name, environment.domain), project, answerable, _DNS_TTL, f"Names of {owner} in {region.name}"
    )
