"""The whole plan: names within limits and never twice, every reference leads somewhere, grants to groups only, quotas add up."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landing_zone.model.environment import Destination, Environment, Flow, QuotaProfile, State
from landing_zone.model.fields import CODE_PATTERN
from landing_zone.model.loading import build
from landing_zone.model.rehearsal import on_lab
from landing_zone.planners import plan, quotas
from landing_zone.planners.addresses import FIRST_PLATFORM_PORT, FIRST_TENANT_PORT
from landing_zone.planners.capacity import plan_capacity
from landing_zone.planners.names import LONGEST, name, tags
from landing_zone.planners.plan import IdentitySpec, NetworkLayer, QuotaSpec, RegionPlan, StateSpec, Way
from landing_zone.planners.shares import machine_accounts
from tests.unit.model import support
from tests.unit.planners.support import layers, planned, regions, with_tenants

CODES = st.from_regex(CODE_PATTERN, fullmatch=True)


def identities(region: RegionPlan) -> list[IdentitySpec]:
    return [region.identity, *(tenant.identity for tenant in region.tenants.values())]


def texts(thing: Any, kind: str = "", attribute: str = "") -> Iterator[tuple[str, str, str]]:
    """Every text in a plan, with the kind of what has it and the attribute that it is."""
    if isinstance(thing, str):
        yield kind, attribute, thing
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from texts(getattr(thing, field.name), type(thing).__name__, field.name)
    elif isinstance(thing, Mapping):
        for inner in thing.values():
            yield from texts(inner, kind, attribute)
    elif isinstance(thing, tuple | list):
        for inner in thing:
            yield from texts(inner, kind, attribute)


def descriptions(thing: Any) -> Iterator[tuple[str, str]]:
    """Every description in a plan, with the kind of what has it."""
    return ((kind, text) for kind, attribute, text in texts(thing) if attribute == "description")


@given(first=st.tuples(CODES, CODES, st.lists(CODES, max_size=2)), second=st.tuples(CODES, CODES, st.lists(CODES, max_size=2)))
def test_different_parts_never_join_to_the_same_name(first: tuple[str, str, list[str]], second: tuple[str, str, list[str]]) -> None:
    one, other = (name(environment, owner, *thing) for environment, owner, thing in (first, second))
    assert (one == other) == (first == second)


def test_the_longest_codes_stay_within_every_service() -> None:
    longest = "a" * 12
    assert len(name(longest, longest, "application", "probe")) + len(f"-{longest}") <= LONGEST
    assert len(name(longest, longest, "router", "application")) <= LONGEST
    with pytest.raises(ValueError, match="characters"):
        name(longest, longest, "b" * 60)
    assert all(len(tag) <= 60 and not set(tag) & set(",/") for tag in tags(longest, 5, longest, "application"))


def named_within_limits(region: RegionPlan) -> None:
    kinds: dict[str, list[str]] = {
        "domain": [d.name for i in identities(region) for d in i.domains],
        "project": [p.name for i in identities(region) for p in i.projects],
        "group": [g.name for i in identities(region) for g in i.groups],
        "user": [u.name for i in identities(region) for u in i.machine_users],
        "grant": [g.key for i in identities(region) for g in i.grants],
        "network": [n.name for layer in layers(region) for n in layer.networks],
        "subnet": [s.name for layer in layers(region) for n in layer.networks for s in n.subnets],
        "router": [r.name for layer in layers(region) for r in layer.routers],
        "router port": [leg.port for layer in layers(region) for r in layer.routers for leg in r.legs],
        "security group": [g.name for layer in layers(region) for g in layer.security_groups],
        "pool": [p.name for layer in layers(region) for p in layer.subnet_pools],
        "zone": [z.name for layer in layers(region) for z in layer.dns_zones],
        "instance": [region.access.bastion.name, *(probe.name for probe in region.probes.instances)],
        "check": [check.key for check in region.probes.checks],
    }
    for kind, names in kinds.items():
        assert not [each for each, count in Counter(names).items() if count > 1], kind
        longest = {"grant": 255, "check": 255, "zone": 255}.get(kind, LONGEST)
        assert all(len(each) <= longest for each in names)
    of_tenants = (each for tenant in region.tenants.values() for each in texts(tenant))
    assert all(text.isascii() for _, attribute, text in of_tenants if attribute not in {"name_vi", "name_en", "description"})
    assert all(len(h.hostname) <= 63 for h in (region.access.bastion, *region.probes.instances))


@cache
def longest() -> RegionPlan:
    """A region in which every code has twelve characters and every text two hundred."""
    text, words = "x" * 200, {"north": "n" * 12, "south": "s" * 12, "prod": "p" * 12, "trial": "t" * 12, "managers": "m" * 12}

    def stretched(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: stretched(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [stretched(inner, key) for inner in value]
        return text if key in {"reason", "purpose", "description"} else words.get(value, value)

    def stretch(data: dict[str, Any]) -> None:
        data |= stretched(data) | {"code": "e" * 12, "domain": f"{'d' * 63}.{'d' * 56}"}
        for index, tenant in enumerate(data["tenants"]):
            tenant |= {"code": "abc"[index] * 12, "name": dict.fromkeys(("vi", "en"), f"{text[1:]}{index}")}

    return plan(build(support.changed(support.REST, stretch))).regions["n" * 12]


LONGEST_DESCRIPTIONS = {"DnsZoneSpec": 160}  # characters that Designate takes; Neutron takes 255, and the others more


def test_the_longest_codes_and_texts_stay_within_every_service() -> None:
    region = longest()
    named_within_limits(region)
    for kind, description in descriptions(region):
        assert len(description) <= LONGEST_DESCRIPTIONS.get(kind, 255), kind
    assert max(len(description) for _, description in descriptions(region)) > 200
    zones = [zone.name for layer in layers(region) for zone in layer.dns_zones]
    assert len(max(zones, key=len)) > 140
    assert all(len(label) <= 63 for zone in zones for label in zone.split("."))


def test_names_are_unique_ascii_and_short_enough() -> None:
    for _, region in regions():
        named_within_limits(region)


def test_every_reference_leads_somewhere() -> None:
    for environment, region in regions():
        domains = {d.name for i in identities(region) for d in i.domains}
        projects = {p.name for i in identities(region) for p in i.projects}
        known_groups = {g.name for i in identities(region) for g in i.groups}
        networks = {n.name: n for layer in layers(region) for n in layer.networks}
        subnets = {s.name for n in networks.values() for s in n.subnets}
        security_groups = {g.name for layer in layers(region) for g in layer.security_groups}
        pools = {p.name for p in region.network.subnet_pools}
        scopes = {s.name for s in region.network.address_scopes}
        for identity in identities(region):
            assert {p.domain for p in identity.projects} | {g.domain for g in identity.groups} <= domains
            assert {g.group for g in identity.grants} <= known_groups
            assert all(g.target in (projects if g.scope == "project" else domains) for g in identity.grants)
            assert all(set(u.groups) <= known_groups and u.project in projects and u.domain in domains for u in identity.machine_users)
            assert all(set(person.groups) <= known_groups for person in identity.people)
        for layer in layers(region):
            owned: list[Any] = [
                *layer.networks,
                *layer.routers,
                *layer.security_groups,
                *layer.subnet_pools,
                *layer.dns_zones,
                *layer.address_scopes,
            ]
            assert {item.project for item in owned} <= projects
            assert {project for item in _shared(layer) for project in item.shared_with} <= projects
            assert all(leg.network in networks and {s for s, _ in leg.addresses} <= subnets for r in layer.routers for leg in r.legs)
            assert {s.subnet_pool for n in layer.networks for s in n.subnets} <= pools
            assert {p.address_scope for p in layer.subnet_pools} <= scopes
        servers = {server.name: server for server in (region.access.bastion, *region.probes.instances)}
        for server in servers.values():
            assert server.project in networks[server.network].shared_with
            assert set(server.security_groups) <= security_groups
        for check in region.probes.checks:
            assert {check.source, check.target} <= set(servers)
            assert check.positive_source in {"", *servers}
            assert check.address in dict(servers[check.target].addresses).values()
        assert environment


def test_roles_go_to_groups_never_admin_and_a_manager_stays_in_its_domain() -> None:
    for _, region in regions():
        for tenant in region.tenants.values():
            domain = tenant.identity.domains[0].name
            own = {p.name for p in tenant.identity.projects if p.domain == domain}
            for grant in tenant.identity.grants:
                assert grant.role in {"manager", "member", "reader"}
                assert grant.target in {domain, *own}
                if grant.role == "manager":
                    assert (grant.scope, grant.inherited) == ("domain", False)
            networks_owner = next(p for p in tenant.identity.projects if p.purpose == "network")
            assert networks_owner.domain == region.identity.domains[0].name
            assert not [g for g in tenant.identity.grants if g.target == networks_owner.name]


def test_the_platforms_people_have_the_roles_that_their_groups_are_for() -> None:
    """Operators and monitors in the platform's projects alone, auditors everywhere to look, nobody anything else of a tenant."""
    for environment, region in regions():
        code = support.environment(environment).code
        ours = {project.name for project in region.identity.projects}
        granted: dict[str, set[tuple[str, str, str, bool]]] = {}
        for grant in (grant for identity in identities(region) for grant in identity.grants):
            granted.setdefault(grant.group, set()).add((grant.role, grant.scope, grant.target, grant.inherited))
        assert granted[f"{code}-platform-operators"] == {("manager", "project", project, False) for project in ours}
        assert granted[f"{code}-platform-monitors"] == {("reader", "project", project, False) for project in ours}
        networks = f"{code}-platform-network"
        assert granted[f"{code}-platform-automation"] == {("member", "project", project, False) for project in ours - {networks}}
        domains = {domain.name for identity in identities(region) for domain in identity.domains}
        assert granted[f"{code}-platform-auditors"] == {
            ("reader", "domain", domain, inherited) for domain in domains for inherited in (False, True)
        }
        for tenant in region.tenants.values():
            outside = {grant.group for grant in tenant.identity.grants} - {group.name for group in tenant.identity.groups}
            assert outside == {f"{code}-platform-auditors"}


def test_a_tenants_people_machines_and_programs_have_what_its_file_gives_them_and_no_more() -> None:
    agency = {
        "level": 2,
        "projects": [{"code": "web", "purpose": "Web", "quota": "small"}, {"code": "data", "purpose": "Data", "quota": "large"}],
        "groups": [
            {"name": "chiefs", "role": "manager", "projects": ["data"]},
            {"name": "staff", "role": "member"},
            {"name": "guests", "role": "reader", "projects": ["web"]},
        ],
        "people": [{"federated_id": "lan", "groups": ["staff", "guests"]}],
    }
    lab = with_tenants("lab", {"edu": agency})
    large = lab.quota_profiles[0].model_copy(update={"name": "large", "cores": 16})
    spec = plan(lab.model_copy(update={"quota_profiles": (*lab.quota_profiles, large)})).regions["north"].tenants["edu"].identity
    granted = {(grant.group, grant.role, grant.target) for grant in spec.grants if grant.group != "lab-platform-auditors"}
    assert granted == {
        ("lab-edu-chiefs", "manager", "lab-edu"),
        ("lab-edu-chiefs", "reader", "lab-edu-data"),
        ("lab-edu-staff", "member", "lab-edu-web"),
        ("lab-edu-staff", "member", "lab-edu-data"),
        ("lab-edu-guests", "reader", "lab-edu-web"),
        ("lab-edu-automation", "member", "lab-edu-web"),
        ("lab-edu-automation", "member", "lab-edu-data"),
    }
    assert [(person.federated_id, person.groups) for person in spec.people] == [("lan", ("lab-edu-staff", "lab-edu-guests"))]
    assert {(one.name, one.user, one.project, one.role) for one in spec.credentials} == {
        (f"{project}-{role}", "lab-edu-automation", project, role)
        for project in ("lab-edu-web", "lab-edu-data")
        for role in ("member", "reader")
    }
    assert {project.name: project.quota.cores for project in spec.projects if project.purpose == "workload"} == {
        "lab-edu-web": 8,
        "lab-edu-data": 16,
    }
    assert {project.tags for project in spec.projects} == {("lz-environment=lab", "lz-level=2", "lz-owner=edu")}


def test_machine_accounts_are_members_of_the_project_that_they_are_at_home_in() -> None:
    for _, region in regions():
        for identity in identities(region):
            assert {(user.project, user) for user in identity.machine_users} <= set(machine_accounts(identity))


def _shared(layer: NetworkLayer) -> list[Any]:
    return [*layer.networks, *layer.security_groups]


def test_tenants_share_no_router_and_no_network() -> None:
    for _, region in regions():
        for tenant in region.tenants.values():
            allowed = {network.name for network in tenant.network.networks} | {
                network.name for network in region.network.networks if network.zone == "transit"
            }
            assert {leg.network for router in tenant.network.routers for leg in router.legs} <= allowed
            own = {p.name for p in tenant.identity.projects}
            shared = {project for item in _shared(tenant.network) for project in item.shared_with}
            assert shared <= own
        transit = next(network for network in region.network.networks if network.zone == "transit")
        assert not transit.shared_with


def test_only_tenants_with_an_edge_have_a_way_out() -> None:
    region = planned("lab").regions["north"]
    ways = {code: tenant.network.routers[0].external_network for code, tenant in region.tenants.items()}
    assert ways == {"edu": None, "health": None, "portal": "public"}


def test_devices_stand_behind_a_router_without_a_way_out() -> None:
    region = planned("national-cgc").regions["north"]
    routers = {router.name: router for router in region.network.routers}
    inner, hub = routers["cgc-platform-inner"], routers["cgc-platform-hub"]
    assert inner.external_network is None
    assert "cgc-platform-devices" in {leg.network for leg in inner.legs}
    assert "cgc-platform-devices" not in {leg.network for leg in hub.legs}
    devices = {s.cidr for n in region.network.networks if n.zone == "devices" for s in n.subnets}
    assert devices <= {route.destination for route in hub.routes}
    for tenant in region.tenants.values():
        assert not devices & {route.destination for route in tenant.network.routers[0].routes}


def test_devices_and_what_flows_and_services_join_with_them_know_the_way_to_each_other() -> None:
    environment = support.environment("national-cgc")
    (service,) = [each for each in environment.shared_services if each.zone == "logging"]
    assert "devices" in service.clients
    region = planned("national-cgc").regions["north"]
    inner = next(router for router in region.network.routers if router.name == "cgc-platform-inner")
    ways = {route.destination for route in inner.routes}
    cidrs = {network.zone: {subnet.cidr for subnet in network.subnets} for network in region.network.networks}
    assert ways == cidrs["management"] | cidrs["logging"]


def test_the_hub_knows_the_way_to_every_tenant_and_back() -> None:
    for _, region in regions():
        hub = next(router for router in region.network.routers if router.name.endswith("-hub"))
        onward = {route.destination: route.next_hop for route in hub.routes}
        hub_addresses = {address for leg in hub.legs for _, address in leg.addresses}
        for tenant in region.tenants.values():
            router = tenant.network.routers[0]
            own = {address for leg in router.legs for _, address in leg.addresses}
            assert {hop for hop in onward.values() if hop in own}
            assert {route.next_hop for route in router.routes} <= hub_addresses
            ways = [ip_network(destination) for destination, hop in onward.items() if hop in own]
            for subnet in (ip_network(subnet.cidr) for network in tenant.network.networks for subnet in network.subnets):
                assert any(subnet.version == way.version and subnet.subnet_of(way) for way in ways)  # type: ignore[arg-type]


def test_devices_know_the_way_back_whichever_end_of_a_flow_or_a_service_they_are() -> None:
    national = support.environment("national-cgc")
    flow = national.flows[0].model_copy(update={"ports": (8443,)})
    service = national.shared_services[0].model_copy(update={"zone": "devices", "clients": ("exchange",)})
    apart = {"flows": (), "shared_services": ()}
    cases: tuple[tuple[dict[str, Any], set[str]], ...] = (
        ({}, {"management"}),
        ({"flows": (flow.model_copy(update={"source": "backup", "target": "devices"}),)}, {"management", "backup"}),
        ({"flows": (flow.model_copy(update={"source": "devices", "target": "logging"}),)}, {"management", "logging"}),
        ({"shared_services": (service,)}, {"management", "exchange"}),
    )
    for changes, met in cases:
        region = plan(national.model_copy(update={**apart, **changes})).regions["north"].network
        inner = next(router for router in region.routers if router.name == "cgc-platform-inner")
        cidrs = {subnet.cidr: network.zone for network in region.networks for subnet in network.subnets}
        assert {cidrs[route.destination] for route in inner.routes} == met
        assert len(inner.routes) == 2 * len(met)


def test_addresses_are_translated_where_there_is_a_way_out_and_nowhere_else() -> None:
    for _, region in regions():
        for layer in layers(region):
            for router in layer.routers:
                assert router.snat is (router.external_network is not None), router.name
        assert region.network.routers[0].external_network == region.external_network


def test_instances_get_addresses_that_nothing_else_has_and_routers_alone_are_in_the_transit_network() -> None:
    for _, region in regions():
        for layer in layers(region):
            first = FIRST_PLATFORM_PORT if layer is region.network else FIRST_TENANT_PORT
            for network in layer.networks:
                for subnet in network.subnets:
                    net = ip_network(subnet.cidr)
                    last = net.num_addresses - 2 if net.version == 4 else 2**16
                    lent = network.zone != "transit"
                    assert (subnet.dhcp, subnet.gateway) == ((True, str(net[1])) if lent else (False, None))
                    assert subnet.ipv6_mode == ("dhcpv6-stateful" if lent and net.version == 6 else None)
                    assert [(pool.first, pool.last) for pool in subnet.pools] == [(str(net[first if lent else last]), str(net[last]))]
                    assert {ip_address(server).version for server in subnet.dns_nameservers} <= ({net.version} if lent else set())
                    (home,) = (pool for pool in region.network.subnet_pools if pool.name == subnet.subnet_pool)
                    assert home.ip_version == net.version
                    assert home.min_prefix_length <= home.default_prefix_length <= home.max_prefix_length
                    assert home.min_prefix_length <= net.prefixlen <= home.max_prefix_length


def test_name_servers_are_those_of_the_region_before_those_of_the_platform() -> None:
    agc = support.environment("ministry-agc")
    own, *others = agc.regions
    named = own.model_copy(update={"resolvers": (ip_address("192.0.2.53"), ip_address("2001:db8::53"))})
    for environment, kept in ((agc, False), (agc.model_copy(update={"regions": (named, *others)}), True)):
        region = plan(environment).regions["north"]
        servers = {
            server for layer in layers(region) for each in layer.networks for subnet in each.subnets for server in subnet.dns_nameservers
        }
        homes = {ip_network(subnet.cidr) for each in region.network.networks if each.zone == "management" for subnet in each.subnets}
        hosts = {str(home[service.host]) for service in agc.shared_services if service.kind == "dns" for home in homes}
        assert servers == ({"192.0.2.53", "2001:db8::53"} if kept else hosts)


def test_checks_pass_what_flows_permit_and_stop_the_rest() -> None:
    region = planned("lab").regions["north"]
    checks = {check.key: check for check in region.probes.checks}
    permitted = checks["lab-edu-application-probe--lab-edu-data-probe--tcp-5432"]
    assert permitted.allowed
    for way in ("tcp-9999", "udp-9999", "icmp-0"):
        forbidden = checks[f"lab-edu-application-probe--lab-edu-data-probe--{way}"]
        assert (forbidden.allowed, forbidden.positive_source, forbidden.control) == (False, "", "NET-02")
    stranger = checks["lab-edu-application-probe--lab-health-application-probe--tcp-22"]
    assert (stranger.allowed, stranger.positive_source, stranger.control) == (False, "lab-platform-bastion", "NET-04")
    neighbour = {
        way: checks[f"lab-platform-management-probe--lab-edu-application-probe--{way}"].allowed for way in ("tcp-8080", "udp-161", "icmp-0")
    }
    assert all(neighbour.values())
    listening = {
        spec.name: {(one.protocol, one.port) for one in spec.listens} | {("tcp", 22), ("icmp", 0)} for spec in region.probes.instances
    }
    assert all((check.protocol, check.port) in listening[check.target] for check in region.probes.checks)
    for one in ("edu", "health", "portal"):
        for other in {"edu", "health", "portal"} - {one}:
            assert any(f"-{one}-" in c.source and f"-{other}-" in c.target and not c.allowed for c in region.probes.checks)


def test_everything_is_tried_over_both_families() -> None:
    for _, region in regions():
        addresses = {spec.name: [address for _, address in spec.addresses] for spec in region.probes.instances}
        checks = {check.key: check for check in region.probes.checks}
        second = {key: check for key, check in checks.items() if key.endswith("-v6")}
        assert len(checks) == 2 * len(second)
        for key, check in second.items():
            first = checks[key.removesuffix("-v6")]
            assert check == replace(first, key=key, address=check.address)
            assert [first.address, check.address] == addresses[check.target]


def test_a_range_is_tried_at_both_its_ends() -> None:
    base = support.environment("lab")
    wide = tuple(flow.model_copy(update={"ports": ("5000-5100",)} if flow.target == "data" else {}) for flow in base.flows)
    region = plan(base.model_copy(update={"flows": wide})).regions["north"]
    [probe] = [spec for spec in region.probes.instances if spec.name == "lab-edu-data-probe"]
    forbidden = base.verification.forbidden_port
    assert probe.listens == (Way("tcp", 5000), Way("tcp", 5100), Way("tcp", forbidden), Way("udp", forbidden))
    between = [check for check in region.probes.checks if (check.source, check.target) == ("lab-edu-application-probe", probe.name)]
    assert {check.port for check in between if check.protocol == "tcp"} == {22, 5000, 5100, forbidden}


def test_a_flow_of_one_tenant_is_tried_at_that_tenant_alone() -> None:
    cache = Flow.model_validate({"from": "edu/application", "to": "edu/data", "protocol": "tcp", "ports": [6379], "reason": "A cache"})
    region = plan(LAB.model_copy(update={"flows": (*LAB.flows, cache)})).regions["north"]
    tried = {(check.source, check.target) for check in region.probes.checks if check.port == 6379 and check.allowed}
    assert tried == {("lab-edu-application-probe", "lab-edu-data-probe")}
    assert {probe.name for probe in region.probes.instances if Way("tcp", 6379) in probe.listens} == {"lab-edu-data-probe"}


def test_every_pair_of_zones_and_every_pair_of_probed_tenants_is_tried_both_ways() -> None:
    for _, region in regions():
        spots = {spec.name: (spec.tenant, spec.zone) for spec in region.probes.instances}
        assert {zone for tenant, zone in spots.values() if tenant is None} == {n.zone for n in region.network.networks} - {"transit"}
        stopped = {(spots.get(check.source), spots[check.target]) for check in region.probes.checks if not check.allowed}
        passing = {spots[check.target] for check in region.probes.checks if check.allowed}
        assert passing == set(spots.values())
        for here, there in permutations(spots.values(), 2):
            assert (here, there) in stopped, (region.name, here, there)


def test_what_somebody_may_come_by_is_tried_by_everybody_who_may_not_and_he_is_the_control() -> None:
    for _, region in regions():
        checks = region.probes.checks
        names = {spec.name for spec in (region.access.bastion, *region.probes.instances)}
        for target in names - {region.access.bastion.name}:
            to_target = [check for check in checks if check.target == target]
            may = {(way, check.source) for check in to_target if check.allowed for way in [(check.protocol, check.port)]}
            tried = {((check.protocol, check.port), check.source): check.positive_source for check in to_target if not check.allowed}
            for way in {way for way, _ in may}:
                for source in names - {target}:
                    assert ((way, source) in may) != ((way, source) in tried), (target, way, source)
            assert all((way, positive) in may for (way, _), positive in tried.items() if positive)
            assert {way for (way, _), positive in tried.items() if not positive} <= {("tcp", 9999), ("udp", 9999), ("icmp", 0)}


def test_a_sample_of_probes_is_two_tenants() -> None:
    region = planned("national-cgc").regions["north"]
    assert {probe.tenant for probe in region.probes.instances} == {None, "angiang", "vinhlong"}
    assert region.order[-1] == ("probes",)
    none = with_tenants("lab", {"a": {}})
    assert plan(none).regions["north"].order[-1] == ("access", "tenant-a")


def test_demand_is_the_sum_of_all_projects() -> None:
    for environment, region in regions():
        each = [project.quota for identity in identities(region) for project in identity.projects]
        assert region.demand.quota == quotas.total((quota, 1) for quota in each)
        assert region.demand.projects == len(each)
        assert region.demand.routes >= 2 * len(region.tenants)
        assert region.demand.created.ports >= region.demand.created.instances + region.demand.created.routers
        assert region.demand.created.networks == sum(len(layer.networks) for layer in layers(region))
        capacity = next(r.capacity for r in support.environment(environment).regions if r.name == region.name)
        assert region.demand.quota.cores <= capacity.cores
        assert region.demand.quota.ram_mib <= capacity.ram_gib * 1024
        assert region.demand.quota.volume_gib <= capacity.volume_gib


def test_the_quick_capacity_plan_says_what_the_whole_plan_says() -> None:
    for environment in support.SHIPPED:
        quick, ledger = plan_capacity(support.environment(environment))
        assert ledger == planned(environment).ledger
        for region in planned(environment).regions.values():
            assert quick[region.name].quota == region.demand.quota
            assert quick[region.name].projects == region.demand.projects


def test_the_quick_capacity_plan_knows_tenants_of_different_shapes_apart() -> None:
    own = {"code": "main", "purpose": "Applications", "quota": "large"}
    mixed = with_tenants("lab", {"one": {}, "two": {}, "big": {"projects": [own]}, "far": {"regions": ["south"]}, "flow": {}})
    large = mixed.quota_profiles[0].model_copy(update={"name": "large", "cores": 16})
    flow = Flow.model_validate({"from": "flow/application", "to": "flow/data", "protocol": "tcp", "ports": [6379], "reason": "A cache"})
    environment = mixed.model_copy(update={"quota_profiles": (*mixed.quota_profiles, large), "flows": (*mixed.flows, flow)})
    quick, _ = plan_capacity(environment)
    for region in plan(environment).regions.values():
        assert (quick[region.name].quota, quick[region.name].projects) == (region.demand.quota, region.demand.projects)


def test_every_limit_of_a_profile_counts() -> None:
    named = [key for key in QuotaProfile.model_fields if key != "name"]
    nothing = QuotaProfile.model_validate({"name": "none", **dict.fromkeys(named, 0)})
    assert quotas.workload(nothing) == QuotaSpec()
    for key in named:
        limited = quotas.workload(nothing.model_copy(update={key: 3}))
        assert getattr(limited, "ram_mib" if key == "ram_gib" else key) == (3072 if key == "ram_gib" else 3), key


def test_limits_that_hang_on_another_are_as_high_as_that_asks() -> None:
    each = {key: number for number, key in enumerate((key for key in QuotaProfile.model_fields if key != "name"), start=3)}
    given = asdict(quotas.workload(QuotaProfile.model_validate({**each, "name": "each"})))
    alike = {
        "server_group_members": "instances",
        "per_volume_gib": "volume_gib",
        "volume_groups": "volumes",
        "secret_containers": "secrets",
    }
    balancers, zones = each["load_balancers"], each["dns_zones"]
    hanging = {
        **{key: each[other] for key, other in alike.items()},
        "ram_mib": each.pop("ram_gib") * 1024,
        "members": balancers * 50,
        **dict.fromkeys(("listeners", "pools", "health_monitors"), balancers * 10),
        "dns_recordsets": zones * 100,
        "dns_records": zones * 2000,
    }
    none = dict.fromkeys(("networks", "subnets", "subnet_pools", "routers", "rbac_policies"), 0)
    assert given == {**each, **hanging, **none}


def test_no_limit_is_higher_than_services_count() -> None:
    most = {key: next((each.le for each in field.metadata if hasattr(each, "le")), 0) for key, field in QuotaProfile.model_fields.items()}
    given = quotas.workload(QuotaProfile.model_validate({**most, "name": "most"}))
    assert {key: value for key, value in asdict(given).items() if value >= 2**31} == {}


def test_a_network_project_may_make_what_is_planned_although_neutron_counts_it_twice_while_it_is_made() -> None:
    for _, region in regions():
        for layer, identity in zip(layers(region), identities(region), strict=True):
            limits = next(project for project in identity.projects if project.purpose == "network").quota
            made = quotas.created(layer, ())
            with_neutrons = replace(made, ports=made.ports + made.networks)
            assert [key for key, count in asdict(with_neutrons).items() if getattr(limits, key) < 2 * count] == []
            assert made.dns_zones
            assert min(limits.dns_recordsets, limits.dns_records) >= 100
    tenant = planned("lab").regions["north"].tenants["edu"]
    owner = next(project for project in tenant.identity.projects if project.purpose == "network").quota
    assert (owner.routers, owner.instances, owner.volumes) == (2, 0, 0)
    workload = next(project for project in tenant.identity.projects if project.purpose == "workload").quota
    assert (workload.networks, workload.routers, workload.instances, workload.ram_mib) == (0, 0, 4, 8192)
    assert min(getattr(workload, field.name) for field in fields(QuotaSpec)) == 0


def parts(layer: NetworkLayer) -> dict[str, set[str]]:
    """What a layer makes, as the engine knows it: by limit."""
    return {
        "networks": {network.name for network in layer.networks},
        "subnets": {subnet.name for network in layer.networks for subnet in network.subnets},
        "ports": {leg.port for router in layer.routers for leg in router.legs},
        "security_groups": {group.name for group in layer.security_groups},
        "security_group_rules": {f"{group.name}.{rule.key}" for group in layer.security_groups for rule in group.rules},
        "dns_zones": {zone.name for zone in layer.dns_zones},
    }


def zones_changed(environment: Environment) -> Environment:
    """Each tenant has one zone, most of them another than before."""
    return environment.model_copy(
        update={"tenants": tuple(tenant.model_copy(update={"zones": ("edge",)}) for tenant in environment.tenants)}
    )


def prefixes_joined(environment: Environment, networks: Iterable[IPv4Network]) -> Environment:
    """Applications reach a mirror that has these prefixes."""
    named = {"name": "mirrors", "kind": "service", "networks": list(map(str, networks)), "description": "Mirrors"}
    mirror = Destination.model_validate(named)
    flow = Flow.model_validate({"from": "application", "to": "mirrors", "protocol": "tcp", "ports": [443], "reason": "Updates"})
    return environment.model_copy(update={"destinations": (mirror,), "flows": (*environment.flows, flow)})


LAB = support.environment("lab")
LONG = IPv4Network("192.0.2.0/25")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LAB, LAB.model_copy(update={"domain": "other.gclz.internal"})),
        (LAB, zones_changed(LAB)),
        (prefixes_joined(LAB, LONG.subnets(new_prefix=31)), prefixes_joined(LAB, [LONG])),
    ],
    ids=["domain", "zones", "prefixes"],
)
def test_what_is_new_fits_under_the_new_limits_beside_what_it_follows(before: Environment, after: Environment) -> None:
    """The engine lowers limits first, makes what is new, and removes what nobody asks for at the end."""
    stands, comes = plan(before).regions["north"], plan(after).regions["north"]
    changed = False
    for old, new, identity in zip(layers(stands), layers(comes), identities(comes), strict=True):
        limits = next(project for project in identity.projects if project.purpose == "network").quota
        for limit, names in parts(new).items():
            had = parts(old)[limit]
            more = names - had
            changed = changed or bool(more)
            times = 1 if limit == "dns_zones" else 2  # Neutron counts what is just being made as reserved and as used
            assert not more or len(had) + times * len(more) <= getattr(limits, limit), limit
    assert changed


def test_tenants_of_an_enclave_are_planned_hosts_and_storage_of_their_own() -> None:
    tenants = planned("national-cgc").regions["north"].tenants
    assert (tenants["mps"].availability_zones, tenants["mps"].volume_type) == (("ndb",), "ndb-encrypted")
    assert (tenants["moh"].availability_zones, tenants["moh"].volume_type) == (("az1", "az2"), None)
    assert tenants["mps"].figures["dr_min_distance_km"] == 30
    assert tenants["hanoi"].figures["dr_min_distance_km"] is None


def test_instances_of_the_landing_zone_run_where_those_of_their_owners_may() -> None:
    """A probe elsewhere would prove nothing of an enclave's hosts, and could not be made where the enclave's zone is closed to others."""
    national = support.environment("national-cgc")
    tried = national.verification.model_copy(update={"probes": "each-zone"})
    few = tuple(tenant for tenant in national.tenants if tenant.code in {"mps", "moh"})
    region = plan(national.model_copy(update={"tenants": few, "verification": tried})).regions["north"]
    places = {(spec.tenant, spec.availability_zone) for spec in (region.access.bastion, *region.probes.instances)}
    assert places == {(None, "az1"), ("mps", "ndb"), ("moh", "az1")}


def test_figures_are_the_levels_or_stricter_ones_of_the_environment() -> None:
    national, regional = planned("national-cgc"), planned("regional-dc")
    assert national.figures["rpo_minutes"] == 30
    assert regional.figures["log_retention_days"] == 400
    assert regional.figures["rpo_minutes"] == 1440
    assert national.regions["north"].tenants["mps"].figures["rpo_minutes"] == 15


@pytest.mark.parametrize("name", support.SHIPPED)
def test_the_same_every_time_and_plain_data(name: str) -> None:
    again = plan(support.environment(name))
    assert again == planned(name)
    assert plan(support.environment(name), again.ledger) == again
    assert pickle.loads(pickle.dumps(again)) == again


@pytest.mark.parametrize("name", support.SHIPPED)
def test_every_environment_can_be_rehearsed_on_the_lab(name: str) -> None:
    written = support.environment(name)
    regions = tuple(region.model_copy(update={"cloud_region": "RegionOne"}) for region in written.regions)
    rehearsed = plan(on_lab(written.model_copy(update={"regions": regions})))
    assert [region.cloud for region in rehearsed.regions.values()] == ["lab-north", "lab-south"]
    assert list(rehearsed.regions) == [region.cloud_region for region in rehearsed.regions.values()] == ["north", "south"]
    for region, original in zip(rehearsed.regions.values(), planned(name).regions.values(), strict=True):
        assert (region.demand.flavors, region.demand.images) == (("SCS-1L-1-5",), ("debian-13",))
        assert region.external_network == "public"
        assert all(tenant.availability_zones == ("nova",) for tenant in region.tenants.values())
        assert len(region.probes.instances) <= 15
        assert region.network.networks == original.network.networks
        assert {code: tenant.network.networks for code, tenant in region.tenants.items()} == {
            code: tenant.network.networks for code, tenant in original.tenants.items()
        }


def test_a_region_is_asked_for_by_what_its_cloud_calls_it() -> None:
    north, south = LAB.regions
    named = LAB.model_copy(update={"regions": (north.model_copy(update={"cloud": "c", "cloud_region": "RegionOne"}), south)})
    assert [(region.name, region.counterpart, region.cloud, region.cloud_region) for region in plan(named).regions.values()] == [
        ("north", "south", "c", "RegionOne"),
        ("south", "north", "lab-south", "south"),
    ]


def test_the_state_is_kept_where_the_file_says() -> None:
    table = State.model_validate({"backend": "postgres", "url": "postgres://lz@db.example/lz?sslmode=verify-full"})
    assert plan(LAB).state == StateSpec()
    assert plan(LAB.model_copy(update={"state": table})).state == StateSpec("postgres", str(table.url))


def test_a_tenant_of_one_region_is_nowhere_else() -> None:
    made = plan(with_tenants("lab", {"a": {"regions": ["south"]}, "b": {}}))
    assert set(made.regions["north"].tenants) == {"b"}
    assert set(made.regions["south"].tenants) == {"a", "b"}
    count = {name: len(region.network.routers[0].routes) for name, region in made.regions.items()}
    assert count == {"north": 2, "south": 4}
