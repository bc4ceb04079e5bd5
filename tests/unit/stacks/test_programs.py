"""Every layer of the lab's environment composes, under mocks, from the real plan."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any

import pytest
import yaml
from pulumi.runtime.mocks import MockMonitor

from foundation.errors import InputError, LzError
from landing_zone.engine.opening import load_plan
from landing_zone.engine.runs import rank
from landing_zone.planners.plan import IdentitySpec, NetworkLayer, QuotaSpec, RegionPlan
from landing_zone.planners.quotas import created
from landing_zone.planners.shares import Kind, owners, share
from landing_zone.preflight.demand import TYPES
from policy.rules import check
from stacks.identity import quota_args
from stacks.inputs import PROJECT, Endpoint, Inputs, stack_name
from stacks.names import Names
from stacks.programs import facts, program
from tests.support.pulumi_recorder import Recorder, run
from tests.unit.engine.support import plan


def region() -> RegionPlan:
    return plan().regions["north"]


LAYERS = [layer for step in plan().regions["north"].order for layer in step]


def everything_known() -> dict[str, dict[str, Any]]:
    """Outputs of every stack as if each had been applied: the id of a thing is id-of-NAME."""
    ids: dict[str, dict[str, dict[str, str]]] = {}
    for (kind, name), layer in owners(region()).items():
        ids.setdefault(layer, {}).setdefault(kind, {})[name] = f"id-of-{name}"
    return {f"organization/{PROJECT}/{stack_name('lab', 'north', layer)}": {"ids": found} for layer, found in ids.items()}


@cache
def composed(layer: str, *, standing: frozenset[str] | None = None, preview: bool = False, known: bool = True) -> Recorder:
    inputs = Inputs(Endpoint("https://cloud.example", "CA"), lambda name: f"secret {name}", "ssh-ed25519 AAAA", standing)
    recorder = Recorder(references=everything_known() if known else {})
    return run(program(share(plan(), "north", layer), inputs), preview=preview, recorder=recorder)


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_composes_and_reads_only_earlier_layers(layer: str) -> None:
    made = composed(layer)
    assert [one for one in made.made if one.type.startswith("openstack:")]
    for reference in made.of("StackReference"):
        earlier = reference.name.rsplit(".", 1)[1]
        assert rank(earlier) < rank(layer), f"{layer} reads {earlier}"


@pytest.mark.parametrize("layer", LAYERS)
def test_every_network_thing_has_its_explicit_name(layer: str) -> None:
    named = (
        "networking/network:",
        "networking/subnet:",
        "networking/port:",
        "networking/router:",
        "networking/secGroup:",
        "compute/instance:",
    )
    for one in composed(layer).made:
        if one.type.startswith("openstack:") and any(part in one.type for part in named):
            assert one.inputs["name"] == one.name


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_made_is_exported_under_the_names_of_the_plan(layer: str) -> None:
    exported = composed(layer).outputs["ids"]
    expected = {(kind, name) for (kind, name), owner in owners(region()).items() if owner == layer}
    assert {(kind, name) for kind, names in exported.items() for name in names} == expected


@pytest.mark.parametrize("layer", LAYERS)
def test_first_preview_works_although_nothing_stands(layer: str) -> None:
    made = composed(layer, standing=frozenset(), preview=True, known=False)
    assert made.of("StackReference") == []


def test_apply_stops_when_an_earlier_layer_has_not_made_what_is_needed() -> None:
    with pytest.raises(LzError, match="planned but not there yet"):
        composed("network", known=False)


def test_preview_takes_what_an_earlier_layer_will_make_as_known_later() -> None:
    assert composed("network", known=False, preview=True).of("networking/router:")


def test_passwords_come_from_the_secret_store_and_go_nowhere_in_clear() -> None:
    for layer in LAYERS:
        for one in composed(layer).made:
            for key, value in one.inputs.items():
                assert "secret " not in str(value) or "4dabf18193072939515e22adb298388d" in str(value), f"{one.name}: {key}"


def test_hosts_take_certificates_of_the_authority_for_themselves_and_for_their_region() -> None:
    (bastion,) = composed("access").of("compute/instance:")
    assert "keyPair" not in bastion.inputs
    files = {file["path"]: file["content"] for file in yaml.safe_load(bastion.inputs["userData"])["write_files"]}
    assert files["/etc/ssh/user_ca.pub"] == "ssh-ed25519 AAAA\n"
    assert files["/etc/ssh/principals/debian"].split() == ["lab-platform-bastion-north", "lab.north"]


def test_probes_of_platform_zones_are_made_by_the_platforms_machine_account() -> None:
    inputs = Inputs(Endpoint("https://cloud.example", "CA"), lambda name: name, "ssh-ed25519 AAAA", frozenset())
    made = run(program(share(load_plan("ministry-agc"), "north", "probes"), inputs), preview=True)
    owner = made.one("pulumi:providers:openstack", "owner-agc-platform-exchange").inputs
    account = ("userName", "userDomainName", "tenantName", "projectDomainName", "authUrl", "cacertFile")
    assert [owner[key] for key in account] == [
        "agc-platform-automation", "agc-platform", "agc-platform-exchange", "agc-platform", "https://cloud.example", "CA"
    ]  # fmt: skip
    assert "north.agc-platform-automation" in str(owner["password"])
    assert made.one("pulumi:providers:openstack", "admin-north").inputs["cloud"] == load_plan("ministry-agc").regions["north"].cloud


@pytest.mark.parametrize("layer", ["access", "tenant-edu"])
def test_providers_ask_for_the_region_by_the_name_that_its_cloud_has_for_it(layer: str) -> None:
    named = replace(plan(), regions={**plan().regions, "north": replace(region(), cloud_region="RegionOne")})
    part = share(named, "north", layer)
    inputs = Inputs(Endpoint("https://cloud.example", "CA"), lambda name: name, "ssh-ed25519 AAAA", frozenset())
    made = run(program(part, inputs), preview=True)
    assert {one.inputs["region"] for one in made.of("providers:openstack")} == {"RegionOne"}
    assert all(check(one.type, one.name, one.inputs, facts(part)) == [] for one in made.made)


def test_quotas_are_there_before_anything_is_made_in_a_project() -> None:
    made = composed("tenant-edu").made
    quotas = [place for place, one in enumerate(made) if one.name.startswith("lab-edu-network.") and "uot" in one.type]
    networks = [place for place, one in enumerate(made) if "networking/network:" in one.type]
    assert len(quotas) == 5
    assert max(quotas) < min(networks)


def layer_of(name: str) -> tuple[NetworkLayer, IdentitySpec | None]:
    if name == "network":
        return region().network, None
    tenant = region().tenants[name.removeprefix("tenant-")]
    return tenant.network, tenant.identity


@pytest.mark.parametrize("layer", ["network", "tenant-edu", "tenant-portal"])
def test_networks_routers_and_rules_are_made_as_they_are_planned(layer: str) -> None:
    made, (spec, _) = composed(layer), layer_of(layer)
    rules = {
        one.name: tuple(
            one.inputs.get(key) for key in ("direction", "ethertype", "protocol", "portRangeMin", "portRangeMax", "remoteIpPrefix")
        )
        for one in made.of("networking/secGroupRule:")
    }
    assert rules == {
        f"{group.name}.{rule.key}": (rule.direction, rule.ethertype, rule.protocol, rule.port_min, rule.port_max, rule.remote_prefix)
        for group in spec.security_groups
        for rule in group.rules
    }
    shared = {(one.inputs["objectType"], one.inputs["objectId"], one.inputs["targetTenant"]) for one in made.of("networking/rbacPolicyV2:")}
    of_groups = {
        ("security_group", f"id-of-{each.name}", f"id-of-{project}") for each in spec.security_groups for project in each.shared_with
    }
    assert shared == of_groups | {
        ("network", f"id-of-{each.name}", f"id-of-{project}") for each in spec.networks for project in each.shared_with
    }
    for router in spec.routers:
        inputs = made.one("networking/router:", router.name).inputs
        assert (inputs.get("externalNetworkId"), inputs.get("enableSnat")) == (
            (f"id-of-{router.external_network}", router.snat) if router.external_network else (None, None)
        )
        routes = [(one["destinationCidr"], one["nextHop"]) for one in made.one("networking/routerRoutesV2:", router.name).inputs["routes"]]
        assert routes == [(route.destination, route.next_hop) for route in router.routes]
    for subnet in (subnet for network in spec.networks for subnet in network.subnets):
        inputs = made.one("networking/subnet:", subnet.name).inputs
        assert (inputs["cidr"], inputs["enableDhcp"], inputs["subnetpoolId"]) == (subnet.cidr, subnet.dhcp, f"id-of-{subnet.subnet_pool}")
        assert (inputs.get("gatewayIp"), bool(inputs.get("noGateway"))) == (subnet.gateway, subnet.gateway is None)
        assert (inputs.get("ipv6AddressMode"), inputs.get("ipv6RaMode")) == (subnet.ipv6_mode, subnet.ipv6_mode)
        assert tuple(inputs["dnsNameservers"]) == subnet.dns_nameservers
        assert [(one["start"], one["end"]) for one in inputs["allocationPools"]] == [(pool.first, pool.last) for pool in subnet.pools]


@pytest.mark.parametrize("layer", ["network", "tenant-edu", "tenant-portal"])
def test_what_a_layer_makes_is_what_is_counted_of_it(layer: str) -> None:
    made, (spec, _) = composed(layer), layer_of(layer)
    assert created(spec, ()) == QuotaSpec(**{limit: len(made.of(kind)) for limit, kind in TYPES.items()})


@pytest.mark.parametrize("layer", ["network", "tenant-edu", "tenant-portal"])
def test_what_a_layer_makes_lies_in_its_network_project(layer: str) -> None:
    """What names no project the administrator's own would get, which no limit of the plan is for."""
    made, (spec, _) = composed(layer), layer_of(layer)
    kinds = {*TYPES.values(), "networking/addressScope:"} - {TYPES["rbac_policies"]}
    for one in made.made:
        if any(kind in one.type for kind in kinds):
            assert (one.inputs.get("tenantId") or one.inputs.get("projectId")) == f"id-of-{spec.routers[0].project}", one


@pytest.mark.parametrize("layer", ["network", "access", "tenant-edu", "probes"])
def test_switches_are_written_so_that_a_stack_puts_them_back(layer: str) -> None:
    """`lz drift --fix` leaves them to the stack, which leaves alone what no program gives."""
    switches = {"networking/network:": "adminStateUp", "networking/router:": "adminStateUp", "networking/port:": "adminStateUp"}
    for kind, switch in {**switches, "networking/secGroup:": "stateful"}.items():
        assert all(one.inputs.get(switch) is True for one in composed(layer).of(kind)), kind


def test_what_the_bastion_and_probes_are_is_counted_beside() -> None:
    servers = (region().access.bastion, *region().probes.instances)
    made = [one for layer in ("access", "probes") for one in composed(layer).made]
    counted = {"instances": "compute/instance:", "ports": "networking/port:", "floating_ips": "networking/floatingIp:"}
    figures = {limit: sum(kind in one.type for one in made) for limit, kind in counted.items()}
    assert created(NetworkLayer((), (), ()), servers) == QuotaSpec(**figures)


def test_grants_are_made_as_they_are_planned() -> None:
    made, (_, spec) = composed("tenant-edu"), layer_of("tenant-edu")
    assert spec
    granted = {
        (one.name, "inherit" in one.type, "domain" if "domainId" in one.inputs else "project", one.inputs["groupId"], one.inputs["roleId"])
        for one in made.of("oleAssignment:")
    }
    assert granted == {(grant.key, grant.inherited, grant.scope, f"id-of-{grant.group}", f"id-of-{grant.role}") for grant in spec.grants}


LIMITS = {
    "compute": "instances cores ram=ram_mib key_pairs server_groups server_group_members",
    "network": "network=networks subnet=subnets subnetpool=subnet_pools router=routers port=ports floatingip=floating_ips "
    "security_group=security_groups security_group_rule=security_group_rules rbac_policy=rbac_policies",
    "volume": "volumes gigabytes=volume_gib per_volume_gigabytes=per_volume_gib snapshots backups backup_gigabytes=backup_gib "
    "groups=volume_groups",
    "load_balancer": "loadbalancer=load_balancers listener=listeners pool=pools member=members health_monitor=health_monitors",
    "dns": "zones=dns_zones zone_recordsets=dns_recordsets zone_records=dns_records",
}
"""By service its own names of limits, with those of the plan where they differ."""


def test_each_limit_of_the_plan_is_that_limit_of_its_service() -> None:
    planned = {field.name: number for number, field in enumerate(fields(QuotaSpec), start=1)}
    given = asdict(quota_args(QuotaSpec(**planned), region().demand.services))
    pairs = {service: [word.partition("=") for word in words.split()] for service, words in LIMITS.items()}
    assert given == {service: {key: planned[ours or key] for key, _, ours in names} for service, names in pairs.items()}


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_keeps_every_guard_rail_and_is_watched(layer: str) -> None:
    made = composed(layer)
    assert len(made.transforms) == 1
    for one in made.made:
        assert check(one.type, one.name, one.inputs, facts(share(plan(), "north", layer))) == []


def test_nothing_is_open_to_the_world_but_the_edge_and_nothing_outside_but_the_bastion() -> None:
    known = {layer: facts(share(plan(), "north", layer)) for layer in LAYERS}
    assert {layer: each.open_groups for layer, each in known.items() if each.open_groups and layer != "probes"} == {
        "tenant-portal": {"lab-portal-edge"}
    }
    assert {name for each in known.values() for name in each.floating} == {"lab-platform-bastion"}


def test_what_hangs_on_another_comes_after_it_and_what_is_replaced_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and addresses are final; limits stand before what they limit, routes after the legs that they lead through, and of a rule
    that only says otherwise what it is for nothing is made anew."""
    asked: list[Any] = []
    original: Any = MockMonitor.RegisterResource

    def register(monitor: MockMonitor, request: Any) -> Any:
        asked.append(request)
        return original(monitor, request)

    monkeypatch.setattr(MockMonitor, "RegisterResource", register)
    composed.__wrapped__("tenant-edu")
    ours = {(one.type.partition("/")[2].partition(":")[0], one.name): one for one in asked if one.type.startswith("openstack:")}
    assert all(one.deleteBeforeReplace for one in ours.values() if "oleAssignment" not in one.type and "dns/zone" not in one.type)
    (routes,) = (one for (kind, _), one in ours.items() if kind == "routerRoutesV2")
    legs = {name for kind, name in ours if kind == "routerInterface"}
    assert legs <= {urn.rpartition("::")[2] for urn in routes.dependencies}
    limits = {name for kind, name in ours if name.startswith("lab-edu-network.") and "uot" in kind}
    for (kind, name), one in ours.items():
        before = {urn.rpartition("::")[2] for urn in one.dependencies}
        assert kind != "network" or limits <= before, name
        assert kind != "secGroupRule" or list(one.ignoreChanges) == ["description"], name


@pytest.mark.parametrize(
    ("layer", "kind", "name"),
    [
        ("identity", "network", "lab-platform-transit"),
        ("network", "network", "lab-edu-application"),
        ("tenant-edu", "network", "lab-health-application"),
        ("network", "router", "nobody-has-this-name"),
    ],
)
def test_nothing_is_read_but_from_earlier_layers(layer: str, kind: Kind, name: str) -> None:
    def program() -> None:
        Names(share(plan(), "north", layer), None).get(kind, name)

    with pytest.raises(LzError, match="is not made before it is needed"):
        run(program)


def test_volumes_are_encrypted_where_the_level_of_the_environment_or_of_the_tenant_asks_for_it() -> None:
    assert not share(plan(), "north", "tenant-edu").encrypted_volumes
    higher = replace(region().tenants["edu"], figures={**region().tenants["edu"].figures, "encrypted_volumes": 1})
    there = replace(region(), tenants={**region().tenants, "edu": higher})
    spoiled = replace(plan(), regions={**plan().regions, "north": there})
    assert facts(share(spoiled, "north", "tenant-edu")).encrypted
    assert not share(spoiled, "north", "tenant-health").encrypted_volumes
    everywhere = replace(plan(), figures={**plan().figures, "encrypted_volumes": 1})
    assert all(share(everywhere, "north", layer).encrypted_volumes for layer in LAYERS)


def test_unknown_region_and_layer_are_named_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no region 'west'") as caught:
        share(plan(), "west", "network")
    assert "north, south" in caught.value.problems[0].cure
    with pytest.raises(InputError, match="no layer 'tenant-nobody'") as caught:
        share(plan(), "north", "tenant-nobody")
    assert "tenant-edu" in caught.value.problems[0].cure


@pytest.mark.parametrize("layer", LAYERS)
def test_no_provider_repeats_a_call_whose_answer_was_lost(layer: str) -> None:
    """A creation would be sent twice."""
    providers = composed(layer).of("providers:openstack")
    assert providers
    assert not any("maxRetries" in one.inputs for one in providers)
