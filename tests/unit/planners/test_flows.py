"""Flows to rules: default deny both ways, nothing open to the world but the edge, no tenant let in by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from landing_zone.model.ends import End, end, port_range
from landing_zone.model.environment import Environment
from landing_zone.model.levels import zones
from landing_zone.planners import plan
from landing_zone.planners.addresses import plan_region
from landing_zone.planners.flows import openings
from landing_zone.planners.plan import FlowCheck, InstanceSpec, NetworkLayer, RegionPlan, RuleSpec, SecurityGroupSpec
from tests.unit.model import support
from tests.unit.planners.support import layers, planned, regions

EVERYWHERE = {"0.0.0.0/0", "::/0"}


def groups(region: RegionPlan) -> Iterator[tuple[NetworkLayer, SecurityGroupSpec]]:
    for layer in layers(region):
        for group in layer.security_groups:
            yield layer, group


def rule(group: SecurityGroupSpec, start: str) -> RuleSpec:
    """The one rule of a direction, family, protocol and port, as its key begins."""
    (found,) = (rule for rule in group.rules if rule.key.startswith(f"{start}-"))
    return found


def group_of(name: str, owner: str, zone: str) -> SecurityGroupSpec:
    region = planned(name).regions["north"]
    return next(group for _, group in groups(region) if group.name == f"{support.environment(name).code}-{owner}-{zone}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("world", End("world", "world")),
        ("data", End("zone", "data")),
        ("edu/data", End("zone", "data", "edu")),
        ("edu/nowhere", End("zone", "nowhere", "edu")),
        ("ndxp", End("destination", "ndxp")),
    ],
)
def test_ends(text: str, expected: End) -> None:
    assert end(text) == expected


def test_port_ranges() -> None:
    assert port_range(80) == (80, 80)
    assert port_range("8000-8010") == (8000, 8010)


def test_every_network_has_a_group_of_its_zone() -> None:
    for _, region in regions():
        for layer in layers(region):
            networks = {network.name for network in layer.networks if network.zone != "transit"}
            assert networks <= {group.name for group in layer.security_groups}


def test_an_owner_has_one_group_for_all_zones_which_says_nothing_that_its_others_say() -> None:
    for _, region in regions():
        for layer in layers(region):
            (base,) = (group for group in layer.security_groups if group.zone is None)
            assert base.name.endswith("-base")
            for group in layer.security_groups:
                if group.zone and group.name != f"{base.name.removesuffix('base')}bastion":
                    assert not set(base.rules) & set(group.rules), group.name


def test_a_service_for_some_zones_is_said_in_their_groups_and_one_for_all_in_the_base() -> None:
    agc = support.environment("ministry-agc")
    service = agc.shared_services[0]
    for clients, homes in ((service.clients, {"agc-dav-base"}), (("data", "edge"), {"agc-dav-data", "agc-dav-edge"})):
        tenant = plan(agc.model_copy(update={"shared_services": (service.model_copy(update={"clients": clients}),)})).regions["north"]
        layer = tenant.tenants["dav"].network
        assert {group.name for group in layer.security_groups if any("-53-" in rule.key for rule in group.rules)} == homes


def test_a_probe_is_in_the_group_of_its_zone_and_in_that_of_all() -> None:
    for _, region in regions():
        for probe in region.probes.instances:
            assert probe.security_groups == (f"{probe.network.removesuffix(probe.zone)}base", probe.network)


def test_only_the_edge_is_open_to_the_world() -> None:
    for _, region in regions():
        for _, group in groups(region):
            wide = [rule for rule in group.rules if rule.remote_prefix in EVERYWHERE]
            assert not wide or (group.zone and zones()[group.zone].external), (group.name, wide)
            assert all(rule.port_min is not None for rule in wide)


def test_the_edge_of_a_tenant_is_open_on_the_ports_that_its_flow_declares() -> None:
    edge = group_of("lab", "portal", "edge")
    wide = {(rule.direction, rule.ethertype, rule.port_min, rule.remote_prefix) for rule in edge.rules if rule.remote_prefix in EVERYWHERE}
    families = (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0"))
    assert wide == {("ingress", family, port, prefix) for family, prefix in families for port in (80, 443)}


def test_no_tenant_is_let_in_by_another() -> None:
    """Ingress of a tenant's group comes from its own block, the platform's block, the world at the edge, or an office."""
    for name, region in regions():
        environment = support.environment(name)
        outside = {str(net) for destination in environment.destinations for net in destination.networks} | EVERYWHERE
        platform = [subnet.cidr for network in region.network.networks for subnet in network.subnets]
        for tenant in region.tenants.values():
            own = [subnet.cidr for network in tenant.network.networks for subnet in network.subnets]
            for group in tenant.network.security_groups:
                for each in group.rules:
                    if each.direction == "egress" or each.remote_prefix in outside:
                        continue
                    net = ip_network(each.remote_prefix)
                    assert any(net.version == ip_network(home).version and net.subnet_of(ip_network(home)) for home in [*own, *platform]), (  # type: ignore[arg-type]
                        group.name,
                        each,
                    )


def test_a_flow_opens_one_way_out_and_one_way_in() -> None:
    application, data = group_of("lab", "edu", "application"), group_of("lab", "edu", "data")
    networks = {network.zone: network for network in planned("lab").regions["north"].tenants["edu"].network.networks}
    for family, version in (("IPv4", 4), ("IPv6", 6)):
        out, into = rule(application, f"out{version}-tcp-5432"), rule(data, f"in{version}-tcp-5432")
        cidr = {zone: next(s.cidr for s in network.subnets if s.ip_version == version) for zone, network in networks.items()}
        assert (out.direction, out.ethertype, out.port_min, out.port_max, out.remote_prefix) == ("egress", family, 5432, 5432, cidr["data"])
        assert (into.direction, into.ethertype, into.remote_prefix) == ("ingress", family, cidr["application"])
        assert into.description == "Applications use their databases"
    assert not [each for each in data.rules if each.direction == "egress" and each.port_min == 5432]
    assert not [each for each in application.rules if each.direction == "ingress" and each.port_min == 5432]


def test_icmp_is_spoken_in_both_families() -> None:
    application = group_of("lab", "edu", "application")
    assert rule(application, "in4-icmp-any").protocol == "icmp"
    assert rule(application, "in6-icmp-any").protocol == "ipv6-icmp"
    assert rule(application, "in6-icmp-any").port_min is None


def test_ssh_comes_from_the_bastion_only_and_the_bastion_is_entered_by_administrators_only() -> None:
    for name, region in regions():
        entry = dict(region.access.bastion.addresses)
        admitted = {f"{address}/{128 if ':' in address else 32}" for address in entry.values()}
        for _, group in groups(region):
            ssh = [rule for rule in group.rules if rule.direction == "ingress" and rule.protocol == "tcp" and _covers(rule, 22)]
            if group.name.endswith("-platform-bastion"):
                assert {rule.remote_prefix for rule in ssh} == {str(net) for net in support.environment(name).bastion.admin_networks}
                assert all(rule.port_min == 22 for rule in group.rules if rule.direction == "ingress")
            else:
                assert {rule.remote_prefix for rule in ssh} == (set() if group.zone else admitted), group.name


def test_nothing_leaves_without_a_flow_but_leases_and_metadata() -> None:
    rules = (*group_of("lab", "edu", "base").rules, *group_of("lab", "edu", "data").rules)
    subnet = next(
        s for n in planned("lab").regions["north"].tenants["edu"].network.networks for s in n.subnets if s.name == "lab-edu-data-v4"
    )
    assert {(rule.protocol, rule.remote_prefix, rule.port_min) for rule in rules if rule.direction == "egress"} == {
        ("tcp", "169.254.169.254/32", 80),
        ("udp", "255.255.255.255/32", 67),
        ("udp", f"{subnet.gateway}/32", 67),
        ("udp", "ff02::1:2/128", 547),
    }


def test_the_bastion_goes_on_to_its_region_and_nowhere_else() -> None:
    for _, region in regions():
        (group,) = (each for _, each in groups(region) if each.name in region.access.bastion.security_groups)
        (own,) = (network for network in region.network.networks if network.name == region.access.bastion.network)
        onward = {(rule.protocol, rule.remote_prefix) for rule in group.rules if rule.direction == "egress" and rule.port_min == 22}
        assert onward == {("tcp", prefix) for pool in region.network.subnet_pools for prefix in pool.prefixes}
        renewal = {f"{subnet.gateway}/32" for subnet in own.subnets if subnet.ip_version == 4}
        assert renewal <= {rule.remote_prefix for rule in group.rules if (rule.direction, rule.port_min) == ("egress", 67)}


def test_every_instance_gets_its_addresses() -> None:
    asked = {("udp", 67, "255.255.255.255/32"), ("udp", 547, "ff02::1:2/128")}
    for _, region in regions():
        for _, group in groups(region):
            out = {(rule.protocol, rule.port_min, rule.remote_prefix) for rule in group.rules if rule.direction == "egress"}
            alone = group.zone is None or group.name in region.access.bastion.security_groups
            assert out & asked == (asked if alone else set()), group.name


def test_a_service_is_open_within_its_own_zone_when_that_is_a_client() -> None:
    agc = support.environment("ministry-agc")
    service = agc.shared_services[0].model_copy(update={"clients": ("management",)})
    region = plan(agc.model_copy(update={"shared_services": (service,)})).regions["north"]
    management = next(group for _, group in groups(region) if group.name == "agc-platform-management")
    assert rule(management, "out4-udp-53").direction == "egress"
    assert rule(management, "in4-udp-53").direction == "ingress"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_shared_services_are_opened_at_both_ends(transport: str) -> None:
    """The name server answers by both protocols."""
    base, management = group_of("ministry-agc", "dav", "base"), group_of("ministry-agc", "platform", "management")
    resolver = rule(base, f"out4-{transport}-53")
    subnet = next(
        s for n in planned("ministry-agc").regions["north"].network.networks for s in n.subnets if s.name == "agc-platform-management-v4"
    )
    assert ip_network(resolver.remote_prefix).subnet_of(ip_network(subnet.cidr))  # type: ignore[arg-type]
    assert resolver.remote_prefix.split("/")[0] in subnet.dns_nameservers
    assert "10.80.0.0/15" in {rule.remote_prefix for rule in management.rules if rule.key.startswith(f"in4-{transport}-53-")}


def test_the_exchange_is_the_only_way_to_partners() -> None:
    for name, region in regions():
        partners = {str(net) for d in support.environment(name).destinations if d.kind == "partner" for net in d.networks}
        for _, group in groups(region):
            if group.zone != "exchange":
                assert not partners & {rule.remote_prefix for rule in group.rules}


Keys = dict[tuple[str, RuleSpec], str]


def keys_of(environment: Environment) -> Keys:
    """The key of each rule by its group and all that it permits."""
    region = plan(environment).regions["north"]
    return {(group.name, replace(rule, key="", description="")): rule.key for _, group in groups(region) for rule in group.rules}


def entered_from(*networks: str) -> Keys:
    """Those of an environment whose bastion these networks may enter."""
    lab = support.environment("lab")
    bastion = lab.bastion.model_copy(update={"admin_networks": tuple(map(ip_network, networks))})
    return keys_of(lab.model_copy(update={"bastion": bastion}))


@pytest.mark.parametrize(
    "after", [("198.51.100.0/24",), ("198.51.100.0/24", "192.0.2.0/24"), ("203.0.113.0/24", "192.0.2.0/24", "198.51.100.0/24")]
)
def test_what_a_rule_permits_keeps_its_key_whatever_stands_beside_it(after: tuple[str, ...]) -> None:
    """The engine would make it a second time, under another key, before it removes the first, and Neutron refuses the second."""
    first, then = entered_from("192.0.2.0/24", "198.51.100.0/24"), entered_from(*after)
    same = first.keys() & then.keys()
    assert "198.51.100.0/24" in {permitted.remote_prefix for _, permitted in same}
    assert {content: first[content] for content in same} == {content: then[content] for content in same}


def test_a_destination_of_another_name_has_the_same_rules() -> None:
    before = support.environment("ministry-agc")
    named, *others = before.destinations

    def renamed(text: str) -> str:
        return "renamed" if text == named.name else text

    flows = tuple(flow.model_copy(update={"source": renamed(flow.source), "target": renamed(flow.target)}) for flow in before.flows)
    assert flows != before.flows
    destinations = (named.model_copy(update={"name": "renamed"}), *others)
    assert keys_of(before) == keys_of(before.model_copy(update={"flows": flows, "destinations": destinations}))


def test_keys_are_unique_in_their_group_and_fit_for_names() -> None:
    for _, region in regions():
        for _, group in groups(region):
            keys = [rule.key for rule in group.rules]
            assert len(keys) == len(set(keys))
            assert all(not set(key) & set(":/ ") and key.isascii() for key in keys)
            assert all(rule.description.isascii() and len(rule.description) <= 250 for rule in group.rules)


def test_rules_say_the_same_thing_once() -> None:
    for _, region in regions():
        for _, group in groups(region):
            said = [(r.direction, r.ethertype, r.protocol, r.port_min, r.port_max, r.remote_prefix) for r in group.rules]
            assert len(said) == len(set(said)), group.name


def test_a_name_server_that_is_a_shared_service_too_is_let_out_to_once() -> None:
    """Neutron would refuse the second rule."""
    before = support.environment("ministry-agc")
    resolver = str(plan_region(before, before.regions[0], plan(before).ledger).platform.zones["management"].hosts(10)[0])
    changed = before.regions[0].model_copy(update={"resolvers": (ip_address(resolver),)})
    environment = before.model_copy(update={"regions": (changed, *before.regions[1:])})
    group = next(each for _, each in groups(plan(environment).regions["north"]) if each.name == "agc-nhic-base")
    assert [rule.protocol for rule in group.rules if rule.remote_prefix == f"{resolver}/32" and rule.port_min == 53] == ["tcp", "udp"]


def test_a_flow_of_one_tenant_is_no_flow_of_others() -> None:
    lab = support.environment("lab")
    flow = lab.flows[1].model_copy(update={"source": "edu/application", "target": "data", "ports": (6000,)})
    region = plan(lab.model_copy(update={"flows": (flow,)})).regions["north"]
    having = {group.name for _, group in groups(region) if any(rule.port_min == 6000 for rule in group.rules)}
    assert having == {"lab-edu-application", "lab-edu-data"}


def test_a_flow_of_one_tenant_with_the_platform_or_the_world_is_opened_at_both_ends_for_that_tenant_alone() -> None:
    lab = support.environment("lab")
    ends = (("edu/application", "management", 6000), ("management", "health/data", 7000), ("world", "portal/edge", 8000))
    flows = tuple(
        lab.flows[1].model_copy(update={"source": source, "target": target, "ports": (f"{port}-{port + 9}",)})
        for source, target, port in ends
    )
    region = plan(lab.model_copy(update={"flows": flows})).regions["north"]
    of = {network.name: {subnet.cidr for subnet in network.subnets} for layer in layers(region) for network in layer.networks}
    found: dict[tuple[str, str, int | None, int | None], set[str]] = {}
    for _, group in groups(region):
        for each in group.rules:
            if each.port_min in (6000, 7000, 8000):
                found.setdefault((group.name, each.direction, each.port_min, each.port_max), set()).add(each.remote_prefix)
    assert found == {
        ("lab-edu-application", "egress", 6000, 6009): of["lab-platform-management"],
        ("lab-platform-management", "ingress", 6000, 6009): of["lab-edu-application"],
        ("lab-platform-management", "egress", 7000, 7009): of["lab-health-data"],
        ("lab-health-data", "ingress", 7000, 7009): of["lab-platform-management"],
        ("lab-portal-edge", "ingress", 8000, 8009): {"0.0.0.0/0", "::/0"},
    }


def let_through(region: RegionPlan) -> Callable[[FlowCheck], bool]:
    """Whether the rules of both ends let a connection pass."""
    servers = {server.name: server for server in (region.access.bastion, *region.probes.instances)}
    prefixes = {group.name: [(rule, ip_network(rule.remote_prefix)) for rule in group.rules] for _, group in groups(region)}

    def open_to(server: InstanceSpec, direction: str, other: str, check: FlowCheck) -> bool:
        return any(
            (rule.direction, rule.protocol.removeprefix("ipv6-")) == (direction, check.protocol)
            and _covers(rule, check.port)
            and ip_address(other) in prefix
            for name in server.security_groups
            for rule, prefix in prefixes[name]
        )

    def passes(check: FlowCheck) -> bool:
        source, target = servers[check.source], servers[check.target]
        (home,) = (address for _, address in source.addresses if (":" in address) == (":" in check.address))
        return open_to(source, "egress", check.address, check) and open_to(target, "ingress", home, check)

    return passes


def test_rules_let_through_what_is_tried_as_allowed_and_stop_what_is_not() -> None:
    for name, region in regions():
        passes = let_through(region)
        wrong = [check.key for check in region.probes.checks if passes(check) is not check.allowed]
        assert region.probes.checks
        assert wrong == [], name


def test_what_goes_from_a_platform_zone_to_tenants_does_not_reach_what_another_takes_from_tenants() -> None:
    agc = support.environment("ministry-agc")
    (exchange,) = (each for each in agc.flows if (each.source, each.target) == ("application", "exchange"))
    assert exchange.ports == (8443,)
    more = (
        exchange.model_copy(update={"source": source, "target": target, "ports": (ports,)})
        for source, target, ports in (("management", "application", 8443), ("backup", "data", "8000-9000"), ("backup", "dav/data", 8443))
    )
    region = plan(agc.model_copy(update={"flows": (*agc.flows, *more)})).regions["north"]
    passes = let_through(region)
    assert [check.key for check in region.probes.checks if passes(check) is not check.allowed] == []


@pytest.mark.parametrize(
    ("source", "protocol", "port"),
    [("exchange", "tcp", 8443), ("management", "udp", 53), ("exchange", "udp", 53), ("management", "tcp", 8000)],
)
def test_nor_what_its_own_zone_or_a_service_takes_from_tenants(source: str, protocol: str, port: int) -> None:
    """Nobody takes the last of them from tenants: the supernet as a whole will do."""
    agc = support.environment("ministry-agc")
    more = agc.flows[1].model_copy(update={"source": source, "target": "application", "protocol": protocol, "ports": (port,)})
    quiet = agc.verification.model_copy(update={"probes": "none"})
    region = plan(agc.model_copy(update={"flows": (*agc.flows, more), "verification": quiet})).regions["north"]
    (group,) = (each for _, each in groups(region) if each.name == f"agc-platform-{source}")
    out = [rule for rule in group.rules if (rule.direction, rule.protocol, rule.port_min) == ("egress", protocol, port)]
    onward = [net for net in (ip_network(rule.remote_prefix) for rule in out) if net.num_addresses > 1]  # a service is one address
    homes = {network.zone: [ip_network(subnet.cidr) for subnet in network.subnets] for network in region.network.networks}
    ours = [net for zone in ("management", "exchange", "backup", "transit") for net in homes[zone]]
    assert any(net.overlaps(other) for net in onward for other in ours if net.version == other.version) is (port == 8000)
    for tenant in region.tenants.values():
        for subnet in (ip_network(subnet.cidr) for network in tenant.network.networks for subnet in network.subnets):
            assert any(subnet.version == net.version and subnet.subnet_of(net) for net in onward)  # type: ignore[arg-type]


def test_openings_count_every_port() -> None:
    assert [(o.source.name, o.ports) for o in openings(support.environment("lab"))][:2] == [("world", (80, 80)), ("world", (443, 443))]


def _covers(rule: RuleSpec, port: int) -> bool:
    return rule.port_min is None or (rule.port_min <= port <= (rule.port_max or rule.port_min))
