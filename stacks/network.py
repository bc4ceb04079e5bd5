"""Layer `network`: the region's shared zone networks, transit network, hub router, security groups and DNS zones."""

from __future__ import annotations

import pulumi
from pulumi_openstack import networking

from components.network import (
    AddressArgs,
    AddressScope,
    AddressScopeArgs,
    DnsZoneArgs,
    LegArgs,
    Network,
    NetworkArgs,
    Router,
    RouterArgs,
    RuleArgs,
    SecurityGroup,
    SecurityGroupArgs,
    SubnetArgs,
    SubnetPoolArgs,
    dns_zone,
)
from landing_zone.planners.plan import (
    AddressScopeSpec,
    NetworkLayer,
    NetworkSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetPoolSpec,
    SubnetSpec,
)
from stacks.context import Context


def compose(context: Context) -> None:
    """Everything of the layer."""
    name = context.region.external_network
    found = networking.get_network_output(name=name, external=True, opts=pulumi.InvokeOutputOptions(provider=context.admin))
    context.names.add("external-network", name, found.id)
    compose_network(context, context.region.network)


def compose_network(context: Context, layer: NetworkLayer) -> None:
    """Address scopes and pools, networks, routers, security groups and DNS zones, in the order in which they need each other."""
    names = context.names
    for scope in layer.address_scopes:
        pools = tuple(pool for pool in layer.subnet_pools if pool.address_scope == scope.name)
        for name, pool_id in AddressScope(_scope_args(context, scope, pools), context.as_admin).pool_ids.items():
            names.add("subnet-pool", name, pool_id)
    for network in layer.networks:
        made = Network(_network_args(context, network), context.as_admin)
        names.add("network", network.name, made.network_id)
        for name, subnet_id in made.subnet_ids.items():
            names.add("subnet", name, subnet_id)
    for router in layer.routers:
        names.add("router", router.name, Router(_router_args(context, router), context.as_admin).router_id)
    for group in layer.security_groups:
        names.add("security-group", group.name, SecurityGroup(_group_args(context, group), context.as_admin).ready)
    for zone in layer.dns_zones:
        dns_zone(DnsZoneArgs(zone.name, names.get("project", zone.project), zone.email, zone.ttl, zone.description), context.as_admin)


def _scope_args(context: Context, scope: AddressScopeSpec, pools: tuple[SubnetPoolSpec, ...]) -> AddressScopeArgs:
    return AddressScopeArgs(
        name=scope.name,
        project_id=context.names.get("project", scope.project),
        ip_version=scope.ip_version,
        pools=tuple(
            SubnetPoolArgs(
                name=pool.name,
                project_id=context.names.get("project", pool.project),
                ip_version=pool.ip_version,
                prefixes=pool.prefixes,
                min_length=pool.min_prefix_length,
                max_length=pool.max_prefix_length,
                default_length=pool.default_prefix_length,
            )
            for pool in pools
        ),
    )


def _network_args(context: Context, network: NetworkSpec) -> NetworkArgs:
    return NetworkArgs(
        name=network.name,
        description=network.description,
        project_id=context.names.get("project", network.project),
        subnets=tuple(_subnet_args(context, subnet) for subnet in network.subnets),
        shared_with=context.names.labelled(network.shared_with),
        tags=network.tags,
    )


def _subnet_args(context: Context, subnet: SubnetSpec) -> SubnetArgs:
    return SubnetArgs(
        name=subnet.name,
        cidr=subnet.cidr,
        ip_version=subnet.ip_version,
        gateway_ip=subnet.gateway,
        pools=tuple((pool.first, pool.last) for pool in subnet.pools),
        dhcp=subnet.dhcp,
        dns_servers=subnet.dns_nameservers,
        ipv6_mode=subnet.ipv6_mode,
        subnet_pool_id=context.names.get("subnet-pool", subnet.subnet_pool) if subnet.subnet_pool else None,
    )


def _router_args(context: Context, router: RouterSpec) -> RouterArgs:
    names = context.names
    return RouterArgs(
        name=router.name,
        description=router.description,
        project_id=names.get("project", router.project),
        legs=tuple(LegArgs(leg.port, names.get("network", leg.network), addresses(context, leg.addresses)) for leg in router.legs),
        routes=tuple((route.destination, route.next_hop) for route in router.routes),
        external_network_id=names.get("external-network", router.external_network) if router.external_network else None,
        snat=router.snat,
        tags=router.tags,
    )


def _group_args(context: Context, group: SecurityGroupSpec) -> SecurityGroupArgs:
    return SecurityGroupArgs(
        name=group.name,
        description=group.description,
        project_id=context.names.get("project", group.project),
        rules=tuple(
            RuleArgs(
                key=rule.key,
                direction=rule.direction,
                ethertype=rule.ethertype,
                protocol=rule.protocol,
                port_min=rule.port_min,
                port_max=rule.port_max,
                remote_prefix=rule.remote_prefix,
                description=rule.description,
            )
            for rule in group.rules
        ),
        shared_with=context.names.labelled(group.shared_with),
        tags=group.tags,
    )


def addresses(context: Context, fixed: tuple[tuple[str, str], ...]) -> tuple[AddressArgs, ...]:
    """Fixed addresses, (subnet name, address) each, with the subnets' ids."""
    return tuple(AddressArgs(context.names.get("subnet", subnet), ip) for subnet, ip in fixed)
