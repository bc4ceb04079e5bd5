"""Networks, subnets, who sees them, and routers, as facts."""

from __future__ import annotations

from collections.abc import Iterator

from landing_zone.drift.facts import Fact, address, prefix, route_name, share_name, texts
from landing_zone.drift.live.view import View, in_projects

SHARED_KINDS = {
    "network": "networks",
    "security_group": "security groups",
    "address_group": "address groups",
    "subnetpool": "subnet pools",
    "address_scope": "address scopes",
}


def address_scopes(view: View) -> Iterator[Fact]:
    for one, maker in in_projects(view, "address scopes"):
        yield view.of_project("address scope", one, maker, family=one.ip_version)


def subnet_pools(view: View) -> Iterator[Fact]:
    for one, maker in in_projects(view, "subnet pools"):
        yield view.of_project(
            "subnet pool",
            one,
            maker,
            address_scope=view.name("address scopes", one.address_scope_id),
            prefixes=texts(prefix(text) for text in one.prefixes),
            shortest=one.minimum_prefix_length,
            longest=one.maximum_prefix_length,
            default=one.default_prefix_length,
        )


def networks(view: View) -> Iterator[Fact]:
    for one, maker in in_projects(view, "networks"):
        yield view.of_project(
            "network",
            one,
            maker,
            one.name or one.id,
            description=one.description,
            up=one.is_admin_state_up,
            port_security=one.is_port_security_enabled,
            tags=texts(one.tags),
        )


def subnets(view: View) -> Iterator[Fact]:
    """Subnets of our networks, whosever they are, and such of our projects."""
    for one in view.all("subnets"):
        ground = view.owner("networks", one.network_id) or view.ground(one.project_id)
        if ground is None and one.id not in view.known:
            continue
        yield view.fact(
            "subnet",
            one.name or one.cidr,
            ground.layer if ground else "",
            one.id,
            parent=one.network_id,
            network=view.name("networks", one.network_id),
            prefix=prefix(one.cidr),
            gateway=address(one.gateway_ip),
            dhcp=one.is_dhcp_enabled,
            pools=texts(f"{address(pool['start'])}-{address(pool['end'])}" for pool in one.allocation_pools),
            name_servers=texts(str(address(server)) for server in one.dns_nameservers),
            host_routes=texts(f"{route['destination']} via {route['nexthop']}" for route in one.host_routes),
            address_mode=one.ipv6_address_mode,
            advertisement_mode=one.ipv6_ra_mode,
            subnet_pool=view.name("subnet pools", one.subnet_pool_id) or None,
            tags=texts(one.tags),
        )


def shares(view: View) -> Iterator[Fact]:
    """Policies that show something of ours to others, and such that show something of others to our projects."""
    for one in view.all("shares"):
        source = SHARED_KINDS.get(one.object_type)
        ground = (view.owner(source, one.object_id) if source else None) or view.ground(one.target_project_id)
        if ground is None and one.id not in view.known:
            continue
        target = "everybody" if one.target_project_id == "*" else view.project(one.target_project_id)
        what = view.name(source, one.object_id) if source else one.object_id
        name = share_name(one.object_type, what, target, one.action)
        yield view.fact("share", name, ground.layer if ground else "", one.id)


def routers(view: View) -> Iterator[Fact]:
    for one, maker in in_projects(view, "routers"):
        outer = one.external_gateway_info or {}
        yield view.of_project(
            "router",
            one,
            maker,
            one.name or one.id,
            description=one.description,
            up=one.is_admin_state_up,
            external_network=view.name("networks", outer.get("network_id")) or None,
            snat=bool(outer.get("enable_snat")),
            tags=texts(one.tags),
        )


def routes(view: View) -> Iterator[Fact]:
    """Of a router that no state knows they are told by themselves: while one leads through a network, Neutron lets no router leave it."""
    for router, maker in in_projects(view, "routers"):
        parent = router.id if router.id in view.known else ""
        for route in router.routes or ():
            name = route_name(view.name("routers", router.id), prefix(route["destination"]), str(address(route["nexthop"])))
            at = {"router": router.id, "destination": route["destination"], "nexthop": route["nexthop"]}
            yield Fact("route", name, view.layer("route", maker), {}, "", parent, at)
