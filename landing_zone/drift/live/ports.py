"""Where something stands in our networks, and what may reach it, as facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from landing_zone.drift.facts import Fact, Value, address, prefix, rule_name, texts
from landing_zone.drift.live.view import View, in_projects
from landing_zone.engine.sweep import DEFAULT
from policy.rules import wide

INTERFACE = "network:router_interface"  # also with an ending, where routers are distributed
# Ports that Neutron makes by itself: device owner -> how the id of their device begins ("": any; they stand outside of our networks).
NEUTRONS_OWN: Mapping[str, tuple[str, ...]] = {
    "network:dhcp": ("dhcp", "reserved_dhcp_port", "ovnmeta-"),
    "network:distributed": ("ovnmeta-",),
    "network:router_gateway": ("",),
    "network:floatingip": ("",),
    "network:router_centralized_snat": ("",),
    "network:ha_router_replicated_interface": ("",),
}
SAME_PROTOCOL = {"icmpv6": "ipv6-icmp", "58": "ipv6-icmp", "1": "icmp", "6": "tcp", "17": "udp"}


def interfaces(view: View) -> Iterator[Fact]:
    """Where routers stand in our networks, whosever they are, and where our routers stand."""
    for one in view.all("ports"):
        if not (one.device_owner or "").startswith(INTERFACE):
            continue
        ground = view.owner("routers", one.device_id) or view.owner("networks", one.network_id)
        if ground is None and one.id not in view.known:
            continue
        router, network = view.name("routers", one.device_id), view.name("networks", one.network_id)
        values: dict[str, Value] = {"router": router, "network": network, "addresses": _addresses(one), "up": one.is_admin_state_up}
        layer = view.layer("router interface", ground.layer if ground else "")
        name = one.name or f"{router} in {network}"
        yield Fact("router interface", name, layer, values, one.id, "", {"router": one.device_id})


def ports(view: View) -> Iterator[Fact]:
    """Ports in our networks and projects and of our instances, but for those of routers, of Neutron itself, and of tenants where
    they may have them."""
    for one, maker in _plain_ports(view):
        if one.id not in view.known and _is_tenants(view, one):
            continue
        yield view.of_project(
            "port",
            one,
            maker,
            one.name or f"{', '.join(_addresses(one))} in {view.name('networks', one.network_id)}",
            network=view.name("networks", one.network_id),
            description=one.description,
            addresses=_addresses(one),
            security_groups=texts(view.name("security groups", group) for group in one.security_group_ids),
            port_security=one.is_port_security_enabled,
            other_addresses=_other_addresses(one),
            up=one.is_admin_state_up,
            tags=texts(one.tags),
        )


def open_ports(view: View) -> Iterator[Fact]:
    """Tenants' ports in our networks that may send from any address: only somebody with the operator's rights can make such."""
    for one, maker in _plain_ports(view):
        if _is_tenants(view, one):
            pairs = _other_addresses(one)
            if not one.is_port_security_enabled or pairs:
                name = f"off for port {one.name or ', '.join(_addresses(one))} in {view.name('networks', one.network_id)}"
                yield view.fact("port security", name, maker, one.id, enabled=one.is_port_security_enabled, other_addresses=pairs)


def _plain_ports(view: View) -> Iterator[tuple[Any, str]]:
    """Each with the layer that makes its network or project. One of an instance of ours may be in no network or project of ours."""
    for one in view.all("ports"):
        owner, device = one.device_owner or "", one.device_id or ""
        ground = view.owner("networks", one.network_id) or view.ground(one.project_id)
        its_own = any(device.startswith(start) for start in NEUTRONS_OWN.get(owner, ()))
        if (ground or device in view.known) and not owner.startswith(INTERFACE) and not its_own:
            yield one, ground.layer if ground else ""


def _is_tenants(view: View, port: Any) -> bool:
    """Whether a port of a tenant's is where it may have some: a network of ours that the model shares with its project."""
    ground = view.ground(port.project_id)
    if ground is None or ground.purpose != "workload" or view.owner("networks", port.network_id) is None:
        return False
    return view.project(port.project_id) in view.ours.shared.get(view.name("networks", port.network_id), ())


def _addresses(port: Any) -> tuple[str, ...]:
    return texts(str(address(one["ip_address"])) for one in port.fixed_ips)


def _other_addresses(port: Any) -> tuple[str, ...]:
    return texts(one["ip_address"] for one in port.allowed_address_pairs or ())


def security_groups(view: View) -> Iterator[Fact]:
    for one, maker in in_projects(view, "security groups"):
        ground = view.ground(one.project_id)
        theirs = one.name == DEFAULT or (ground is not None and ground.purpose == "workload")
        if one.id in view.known or not theirs:
            yield view.of_project(
                "security group",
                one,
                maker,
                description=one.description,
                stateful=one.stateful,
                tags=texts(one.tags),
            )


def rules(view: View) -> Iterator[Fact]:
    """Rules of the operator's groups, of tenants' own those that let the whole world in, and of default groups any: what stands
    there holds for whatever names no group, and nobody has declared it. Those of a project by hand go with that."""
    members = {one.id: one.addresses for one in view.all("address groups")}
    for group, maker in in_projects(view, "security groups"):
        ground = view.ground(group.project_id)
        theirs = ground is not None and ground.purpose == "workload"
        goes_with = group.project_id if ground and ground.purpose == "by hand" and group.name == DEFAULT else group.id
        known_as = view.name("security groups", group.id)
        label = f"{view.project(group.project_id)}/{known_as}" if theirs or group.name == DEFAULT else known_as
        for rule in group.security_group_rules:
            if theirs and group.name != DEFAULT and not _lets_all_in(rule, members):
                continue
            yield view.fact(
                "security group rule",
                rule_name(
                    label,
                    rule["direction"],
                    rule["ethertype"],
                    SAME_PROTOCOL.get(str(rule["protocol"]), rule["protocol"]),
                    (rule["port_range_min"], rule["port_range_max"]),
                    _remote(view, rule),
                ),
                maker,
                rule["id"],
                parent=goes_with,
            )


def _remote(view: View, rule: Mapping[str, Any]) -> str:
    if rule["remote_ip_prefix"]:
        return prefix(rule["remote_ip_prefix"])
    if rule["remote_group_id"]:
        return f"group {view.name('security groups', rule['remote_group_id'])}"
    several = rule.get("remote_address_group_id")
    return f"address group {view.name('address groups', several)}" if several else ""


def _lets_all_in(rule: Mapping[str, Any], members: Mapping[str, Iterable[str]]) -> bool:
    """`members` are those of address groups; one that is not among them may have any."""
    if rule["direction"] != "ingress" or rule["remote_group_id"]:
        return False
    several = rule.get("remote_address_group_id")
    if several:
        return several not in members or _wide_together(members[several])
    return not rule["remote_ip_prefix"] or wide(rule["remote_ip_prefix"])


def _wide_together(prefixes: Iterable[str]) -> bool:
    nets = [ip_network(text, strict=False) for text in prefixes]
    four = collapse_addresses(net for net in nets if isinstance(net, IPv4Network))
    six = collapse_addresses(net for net in nets if isinstance(net, IPv6Network))
    return any(wide(str(net)) for net in (*four, *six))


def floating_addresses(view: View) -> Iterator[Fact]:
    """Known by what the model writes into their description; others by their address."""
    for one, maker in in_projects(view, "floating addresses"):
        ground = view.ground(one.project_id)
        if one.id not in view.known and ground and ground.purpose == "workload" and ground.floating:
            continue
        yield view.of_project(
            "floating address",
            one,
            maker,
            (one.description if one.id in view.known else "") or one.floating_ip_address,
            port=view.name("ports", one.port_id) or None,
            tags=texts(one.tags),
        )
