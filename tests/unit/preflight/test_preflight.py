"""Each thing that preflight looks for: found with a cure when it is wrong, silent when it is right, found when short by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import SDKException

from foundation.errors import Problem
from landing_zone import preflight
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.opening import load_plan
from landing_zone.engine.runs import Run, Selection
from landing_zone.planners.plan import RegionPlan
from landing_zone.preflight import checks
from landing_zone.preflight.demand import NETWORK_LIMITS, TYPES, Need, State, Wanted, need
from landing_zone.preflight.facts import (
    Content,
    DnsZone,
    Flavor,
    Handshake,
    Host,
    Image,
    Limit,
    Outer,
    Quotas,
    Rooms,
    Taken,
    Version,
    Worker,
)
from landing_zone.proof.results import Verdict

SIZE = Flavor("SCS-1L-1-5", 1, 1024, 5)
BIG = {"VCPU": 100, "MEMORY_MB": 100_000, "DISK_GB": 1000}


@cache
def region() -> RegionPlan:
    return load_plan("lab").regions["north"]


@cache
def fresh() -> Need:
    """Nothing stands."""
    return need(region(), {})


def said(problems: Iterable[Problem]) -> list[str]:
    found = list(problems)
    assert all(problem.cure for problem in found)
    return [problem.what for problem in found]


# ---------------------------------------------------------------------------------------------------------------- demand
def resource(kind: str, name: str, **inputs: Any) -> dict[str, Any]:
    return {
        "type": f"openstack:{kind}",
        "urn": f"urn:pulumi:lab::landing-zone::openstack:{kind}::{name}",
        "id": f"id-of-{name}",
        "inputs": {"name": name, **inputs},
    }


def edu() -> State:
    """The state of a tenant's stack that was ended after its projects, their quotas and one of its networks."""
    tenant = region().tenants["edu"]
    network = next(project for project in tenant.identity.projects if project.purpose == "network")
    quota = {key: getattr(network.quota, name) for name, key in NETWORK_LIMITS.items()}
    return [
        *(resource("identity/project:Project", each.name, isDomain=True) for each in tenant.identity.domains),
        *(resource("identity/project:Project", each.name) for each in tenant.identity.projects),
        resource("networking/quotaV2:QuotaV2", f"{network.name}.network", **quota),
        *(resource(TYPES["networks"], each.name) for each in tenant.network.networks[:1]),
    ]


def account(found: Need, name: str) -> Any:
    return next(each for each in found.accounts if each.name == name)


def test_a_fresh_region_needs_everything() -> None:
    found = fresh()
    assert {spec.name for spec in found.instances} == {region().access.bastion.name, *(each.name for each in region().probes.instances)}
    assert (found.floating, found.gateways) == (1, 2)
    assert found.sharing == region().demand.created.rbac_policies
    assert set(found.domains.values()) == set(found.zones.values()) == set(found.networks.values()) == {None}
    assert len(found.accounts) == region().demand.projects
    assert sum(each.making.networks for each in found.accounts) == region().demand.created.networks


def test_what_stands_is_needed_no_more() -> None:
    found = need(region(), {"tenant-edu": edu()})
    network = account(found, "lab-edu-network")
    planned = account(fresh(), "lab-edu-network")
    assert network.id == "id-of-lab-edu-network"
    assert network.making.networks == planned.making.networks - 1
    assert network.making.subnets == planned.making.subnets
    assert network.kept == set(NETWORK_LIMITS)
    assert found.domains["lab-edu"] == "id-of-lab-edu"
    assert sum(1 for identity in found.networks.values() if identity) == 1


def test_what_is_shared_already_is_shared_no_more_and_what_has_no_id_does_not_stand() -> None:
    policy = resource(TYPES["rbac_policies"], "lab-edu-application--lab-edu-main")
    router = resource(TYPES["routers"], "lab-platform-hub")
    for identity, less in (("id", 1), ("", 0)):
        found = need(region(), {"tenant-edu": [{**policy, "id": identity}], "network": [{**router, "id": identity}]})
        assert (found.sharing, found.gateways) == (fresh().sharing - less, fresh().gateways - less)


def test_instances_and_addresses_that_stand_are_needed_no_more() -> None:
    name = region().access.bastion.name
    state = [resource("compute/instance:Instance", name), resource("networking/floatingIp:FloatingIp", name)]
    found = need(region(), {"access": state, "network": [resource(TYPES["routers"], each.name) for each in region().network.routers]})
    assert name not in {spec.name for spec in found.instances}
    assert (found.floating, found.gateways) == (0, 1)  # that of a tenant with an edge of its own


def test_a_port_counts_against_the_project_of_its_instance_until_it_stands() -> None:
    bastion = region().access.bastion
    count = sum(1 for spec in fresh().instances if spec.project == bastion.project)
    assert account(fresh(), bastion.project).making.ports == count
    assert account(need(region(), {"access": [resource(TYPES["ports"], bastion.name)]}), bastion.project).making.ports == count - 1
    assert sum(each.making.ports for each in fresh().accounts) == region().demand.created.ports
    workload = account(fresh(), "lab-edu-main")
    assert workload.making.ports == len(workload.instances) == 2


def test_addresses_that_were_given_out_do_not_move() -> None:
    subnets = [subnet for network in region().tenants["edu"].network.networks for subnet in network.subnets]
    right = [resource(TYPES["subnets"], each.name, cidr=each.cidr) for each in subnets]
    assert said(checks.addresses(need(region(), {"tenant-edu": right}), None)) == []
    assert said(checks.addresses(fresh(), None)) == []
    other = [{**right[0], "inputs": {**right[0]["inputs"], "cidr": "10.64.96.0/25"}}, *right[1:]]
    (problem,) = checks.addresses(need(region(), {"tenant-edu": other}), None)
    assert problem.what == "region north: 1 subnets that stand would move to other addresses"
    assert problem.why == f"{subnets[0].name} from 10.64.96.0/25 to {subnets[0].cidr}"
    assert "ledger" in problem.cure
    only_access = partial(Selection(layers=frozenset({"access"})).has, "north")
    assert said(checks.addresses(need(region(), {"tenant-edu": other}, only_access), None)) == []


def test_what_is_not_asked_for_is_not_needed() -> None:
    found = need(region(), {}, partial(Selection(tenants=frozenset({"edu"})).has, "north"))
    own = region().tenants["edu"]
    assert (found.instances, found.floating, found.gateways) == ((), 0, 0)
    assert set(found.domains) == {each.name for each in own.identity.domains}
    assert set(found.networks) == {each.name for each in own.network.networks}
    assert {each.name for each in found.accounts if each.making.networks} == {"lab-edu-network"}
    only_access = need(region(), {}, partial(Selection(layers=frozenset({"access"})).has, "north"))
    assert [spec.name for spec in only_access.instances] == [region().access.bastion.name]
    assert (only_access.floating, only_access.networks, only_access.sharing) == (1, {}, 0)


# ---------------------------------------------------------------------------------------------------------------- checks
def test_services() -> None:
    offered = {{"block-storage": "volumev3"}.get(name, name) for name in (*region().demand.services, "placement")}
    assert said(checks.services(fresh(), frozenset(offered))) == []
    assert said(checks.services(fresh(), frozenset(offered - {"dns", "volumev3"}))) == [
        "region north has no block-storage service",
        "region north has no dns service",
    ]
    assert said(checks.services(fresh(), frozenset(offered - {"placement"}))) == ["region north has no placement service"]


def test_microversions() -> None:
    good = {"compute": Version(2, 10), "placement": Version(1, 22)}
    assert said(checks.microversions(fresh(), good)) == []
    assert said(checks.microversions(fresh(), {**good, "compute": Version(2, 9)})) == [
        "region north: compute does not speak microversion 2.10"
    ]
    assert said(checks.microversions(fresh(), {"compute": Version(3, 0)})) == ["region north: placement does not speak microversion 1.22"]


def test_workers() -> None:
    good = tuple(Worker(name, "host", True, True) for name in ("nova-compute", "cinder-volume", "cinder-backup"))
    assert said(checks.workers(fresh(), good)) == []
    assert said(checks.workers(fresh(), good[1:])) == ["region north: no nova-compute is at work"]
    disabled, down = replace(good[1], enabled=False), replace(good[2], alive=False)
    assert said(checks.workers(fresh(), (good[0], disabled, down))) == [
        "region north: no cinder-volume is at work",
        "region north: no cinder-backup is at work",
    ]
    assert said(checks.workers(fresh(), (*good, down))) == []


def test_availability_zones() -> None:
    named = region().availability_zones
    assert named
    assert said(checks.zones(fresh(), dict.fromkeys(named, True))) == []
    assert said(checks.zones(fresh(), {**dict.fromkeys(named, True), named[0]: False})) == [
        f"region north: availability zone {named[0]!r} is not available"
    ]
    more = replace(fresh(), region=replace(region(), availability_zones=(*named, "spare")))
    assert said(checks.zones(more, dict.fromkeys(named, True))) == ["region north: availability zone 'spare' does not exist"]
    assert said(checks.zones(fresh(), {"other": True})) == [f"region north: availability zone {name!r} does not exist" for name in named]


def test_external_network_and_its_addresses() -> None:
    assert said(checks.outer_network(fresh(), (Outer("public", 3), Outer("other", 0)))) == []
    assert said(checks.outer_network(fresh(), (Outer("public", None),))) == []
    assert said(checks.outer_network(fresh(), (Outer("public", 2),))) == [
        "region north: external network 'public' has 2 free IPv4 addresses, 3 are needed"
    ]
    assert said(checks.outer_network(fresh(), (Outer("outside", 9),))) == ["region north has no external network 'public'"]


def test_a_router_that_a_floating_address_of_ours_holds_is_not_moved_to_another_external_network() -> None:
    hub = {**resource(TYPES["routers"], "lab-platform-hub"), "outputs": {"externalNetworkId": "n1"}}
    address = resource("networking/floatingIp:FloatingIp", region().access.bastion.name)
    states = {"network": [resource(TYPES["routers"], "lab-platform-inner"), hub], "access": [address]}
    held = need(region(), states, lambda layer: layer == "network")
    assert said(checks.outer_network(held, (Outer("public", 9, "n1"),))) == []
    (problem,) = checks.outer_network(held, (Outer("public", 9, "n2"), Outer("former", None, "n1")))
    assert "keeps the hub router in another external network than 'public'" in problem.what
    assert "lz down --region north --layer access" in problem.cure
    loose = need(region(), {"network": states["network"]})
    assert said(checks.outer_network(loose, (Outer("public", 9, "n2"),))) == [], "without the bastion it may be moved"


def flavors() -> tuple[Flavor, ...]:
    return tuple(replace(SIZE, name=name) for name in region().demand.flavors)


def image(**changes: Any) -> Image:
    return replace(Image("debian-13", "i1", "active", SIZE.ram, SIZE.disk, "public", "p1"), **changes)


def test_flavors_and_images() -> None:
    assert said(checks.content(fresh(), Content(flavors(), (image(),)))) == []
    assert said(checks.content(fresh(), Content(flavors()[1:], (image(),)))) == [f"region north has no flavor {flavors()[0].name!r}"]


@pytest.mark.parametrize("images", [(), (image(status="queued"),), (image(), image(id="i2"))])
def test_there_must_be_exactly_one_usable_image(images: tuple[Image, ...]) -> None:
    assert said(checks.content(fresh(), Content(flavors(), images))) == ["region north does not have exactly one usable image 'debian-13'"]


@cache
def founded() -> Need:
    """The projects of all instances stand."""
    found = fresh()
    return replace(found, accounts=tuple(replace(each, id=f"id-of-{each.name}") for each in found.accounts))


@pytest.mark.parametrize("visibility", ["private", "shared", "community"])
def test_an_image_that_only_others_see_is_none_of_ours(visibility: str) -> None:
    foreign = image(id="i2", visibility=visibility, owner="tenant", members=frozenset({"another"}))
    for found in (fresh(), founded()):
        assert said(checks.content(found, Content(flavors(), (image(), foreign)))) == []
        (problem,) = checks.content(found, Content(flavors(), (foreign,)))
        assert problem.what == "region north does not have exactly one usable image 'debian-13'"
        assert problem.why.startswith("i2 is ")
        assert problem.why.endswith(" project tenant")


def test_an_image_that_is_private_to_a_project_is_named_as_such() -> None:
    (problem,) = checks.content(founded(), Content(flavors(), (image(visibility="private"),)))
    assert problem.why == "i1 is private to project p1"
    assert "--public" in problem.cure


HOME = f"id-of-{region().access.bastion.project}"


@pytest.mark.parametrize("seen", [{"visibility": "private", "owner": HOME}, {"visibility": "shared", "members": frozenset({HOME})}])
def test_an_image_that_the_project_of_an_instance_sees_counts_for_it(seen: dict[str, Any]) -> None:
    """A second one of that name, which the bastion's project has, or has accepted: nobody could say which is meant."""
    project = region().access.bastion.project
    second = image(id="i2", **seen)
    (problem,) = checks.content(founded(), Content(flavors(), (image(), second)))
    assert (problem.where, problem.why) == (f"instances of project {project}", "i1 is active, i2 is active")
    assert len(said(checks.content(founded(), Content(flavors(), (second,))))) == 1, "the probes of other projects do not see it"
    only = replace(founded(), instances=(region().access.bastion,))
    assert said(checks.content(only, Content(flavors(), (second,)))) == []


def test_an_image_is_asked_for_where_an_instance_is_to_be_made() -> None:
    """It may be shared with projects, which the layer before makes."""
    shared = image(visibility="shared", members=frozenset({"another"}))
    assert said(checks.content(replace(fresh(), instances=()), Content(flavors(), (shared,)))) == []


@pytest.mark.parametrize(("stands", "problems"), [("debian-12", 1), ("debian-13", 0)])
def test_the_image_of_an_instance_that_is_made_anew_is_looked_for_before_the_old_one_is_removed(stands: str, problems: int) -> None:
    bastion = region().access.bastion
    state = [resource("compute/instance:Instance", bastion.name, imageName=stands)]
    found = need(region(), {"access": state}, lambda layer: layer == "access")
    assert found.instances == (), "it takes no more room"
    assert len(said(checks.content(found, Content(flavors(), ())))) == problems


@pytest.mark.parametrize("changes", [{"min_ram": SIZE.ram + 1}, {"min_disk": SIZE.disk + 1}])
def test_a_flavor_must_hold_its_image(changes: dict[str, int]) -> None:
    found = said(checks.content(fresh(), Content(flavors(), (image(**changes),))))
    assert found == [f"region north: flavor {name!r} is too small for image 'debian-13'" for name in region().demand.flavors]


def test_a_flavor_without_a_disk_of_its_own_takes_any_image() -> None:
    sizes = tuple(replace(size, disk=0) for size in flavors())
    assert said(checks.content(fresh(), Content(sizes, (image(min_disk=100),)))) == []


def test_roles() -> None:
    assert said(checks.roles(fresh(), frozenset({"admin", "manager", "member", "reader"}))) == []
    assert "region north has no role 'manager'" in said(checks.roles(fresh(), frozenset({"admin"})))


def test_limits_that_this_account_may_not_set() -> None:
    assert said(checks.limits(fresh(), {})) == []
    refused = {"object-store": "403", "key-manager": "403"}
    assert said(checks.limits(fresh(), refused)) == [f"region north: this account may not set limits of {name}" for name in refused]


def test_clocks() -> None:
    assert said(checks.clock(fresh(), 5.0)) == []
    assert said(checks.clock(fresh(), None)) == []
    assert said(checks.clock(fresh(), 5.1)) == ["the clocks of this machine and of region north are 5 s apart"]


def test_certificates() -> None:
    assert said(checks.certificates(fresh(), (Handshake("a:1", 14.0, "TLSv1.2"),))) == []
    assert said(checks.certificates(fresh(), (Handshake("a:1", 13.9, "TLSv1.2"), Handshake("b:2", error="unsupported protocol")))) == [
        "region north: the certificate of a:1 ends in 14 days",
        "region north: no safe connection to b:2",
    ]


@pytest.mark.parametrize(
    ("kind", "name"), [("domains", "lab-edu"), ("zones", next(iter(fresh().zones))), ("networks", "lab-edu-application")]
)
def test_names_that_something_else_has(kind: str, name: str) -> None:
    found: dict[str, Any] = {kind: {name: ("x1",)}}
    known: dict[str, Any] = {kind: {**getattr(fresh(), kind), name: "x1"}}
    taken = replace(Taken({}, {}, {}), **found)
    assert len(said(checks.collisions(fresh(), taken))) == 1
    assert said(checks.collisions(replace(fresh(), **known), taken)) == []


EDU = "edu.north.lab.gclz.internal."


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["north.lab.gclz.internal."], "cannot be made below 'north.lab.gclz.internal.'"),
        (["internal."], "cannot be made below 'internal.'"),
        (["www.edu.north.lab.gclz.internal."], "cannot be made above 'www.edu.north.lab.gclz.internal.'"),
        (["lab.gclz.internal.", "b.a.edu.north.lab.gclz.internal."], "cannot be made above 'b.a.edu"),
    ],
)
def test_dns_zones_of_others_below_and_above(names: list[str], words: str) -> None:
    """Designate refuses a zone in one of another project, and around one."""
    need_edu = need(region(), {"tenant-edu": edu()}, partial(Selection(tenants=frozenset({"edu"})).has, "north"))
    foreign = tuple(DnsZone(name, f"z{index}", "other") for index, name in enumerate(names))
    for found in (need_edu, replace(need_edu, accounts=())):
        problems = said(checks.collisions(found, Taken({}, {}, {}, around=foreign)))
        assert len(problems) == len(names)
        assert any(problem.startswith(f"region north: DNS zone {EDU!r} {words}") for problem in problems)
    ours = tuple(replace(zone, project="id-of-lab-edu-network") for zone in foreign)
    assert said(checks.collisions(need_edu, Taken({}, {}, {}, around=ours))) == []
    assert said(checks.collisions(replace(need_edu, zones={EDU: "z9"}), Taken({}, {}, {}, around=foreign))) == [], "it stands"


def test_only_the_nearest_dns_zone_above_decides() -> None:
    need_edu = need(region(), {"tenant-edu": edu()}, partial(Selection(tenants=frozenset({"edu"})).has, "north"))
    above = (DnsZone("internal.", "z1", "other"), DnsZone("north.lab.gclz.internal.", "z2", "id-of-lab-edu-network"))
    assert said(checks.collisions(need_edu, Taken({}, {}, {}, around=above))) == []


def test_identities_that_are_yet_to_be_made_in_domains_that_stand() -> None:
    assert fresh().identities == ()
    found = need(region(), {"tenant-edu": edu()})
    names = {(each.kind, each.name) for each in found.identities}
    own = region().tenants["edu"].identity
    assert names == {*(("group", each.name) for each in own.groups), *(("user", each.name) for each in own.machine_users)}
    assert {each.domain for each in found.identities} == {"id-of-lab-edu"}
    made = [*edu(), resource("identity/groupV3:GroupV3", "lab-edu-readers"), resource("identity/user:User", "lab-edu-automation")]
    fewer = {(each.kind, each.name) for each in need(region(), {"tenant-edu": made}).identities}
    assert names - fewer == {("group", "lab-edu-readers"), ("user", "lab-edu-automation")}
    platform = [resource("identity/project:Project", "lab-platform", isDomain=True)]
    added = need(region(), {"identity": platform}, partial(Selection(tenants=frozenset({"edu"})).has, "north"))
    assert [(each.kind, each.name) for each in added.identities] == [("project", "lab-edu-network")], (
        "what is made in the platform's domain"
    )


@pytest.mark.parametrize("kind", ["project", "group", "user"])
def test_an_identity_that_somebody_made_in_a_domain_of_ours(kind: Any) -> None:
    wanted = Wanted(kind, "lab-edu-more", "id-of-lab-edu")
    found = replace(fresh(), identities=(wanted,))
    assert said(checks.collisions(found, Taken({}, {}, {}))) == []
    (problem,) = checks.collisions(found, Taken({}, {}, {}, {wanted: ("x1",)}))
    assert problem.what == f"region north has a {kind} 'lab-edu-more' that is not ours"
    assert problem.where == f"{kind} x1 in domain id-of-lab-edu"
    assert problem.cure


def administrator(limit: int, used: int = 1, reserved: int = 0) -> Quotas:
    return Quotas({}, {"rbac_policies": Limit(limit, used, reserved)}, "p1", flavors())


def test_the_administrators_quota_that_is_too_small_by_one() -> None:
    needed = 1 + 2 * region().demand.created.rbac_policies
    assert said(checks.quotas(fresh(), administrator(needed))) == []
    assert said(checks.quotas(fresh(), administrator(-1))) == []
    short = said(checks.quotas(fresh(), administrator(needed - 1)))
    assert short == [f"region north: the administrator's project may have {needed - 1} sharing policies, {needed} are needed"]
    assert len(said(checks.quotas(fresh(), administrator(needed, reserved=1)))) == 1
    assert said(checks.quotas(replace(fresh(), sharing=0), administrator(0))) == []


def limits(found: Need, name: str, short: str = "") -> Quotas:
    """Just enough of everything for a project, but for one thing that is one too few."""
    making = account(found, name).making
    live = {each: Limit(3 + 2 * getattr(making, each) - (each == short), 2, 1) for each in NETWORK_LIMITS}
    return Quotas({name: live}, {}, "p1", flavors())


@pytest.mark.parametrize("short", ["networks", "subnets", "routers", "ports", "security_groups", "security_group_rules"])
def test_a_projects_quota_that_somebody_made_too_small_by_one(short: str) -> None:
    found = need(region(), {"tenant-edu": edu()})
    assert said(checks.quotas(found, limits(found, "lab-edu-network"))) == []
    problems = list(checks.quotas(found, limits(found, "lab-edu-network", short)))
    assert [problem.what.split(" may have ")[0] for problem in problems] == ["region north: project lab-edu-network"]
    assert short.replace("_", " ") in problems[0].what
    assert problems[0].why.startswith("the cloud has ")


def test_a_limit_of_nova_that_would_be_lowered_below_what_is_in_use() -> None:
    planned = account(fresh(), "lab-edu-main").planned
    stands = {"instances": planned.instances + 2, "cores": planned.cores, "ram": planned.ram_mib}
    state = [*edu(), resource("compute/quotaSetV2:QuotaSetV2", "lab-edu-main.compute", **stands)]
    found = need(region(), {"tenant-edu": state}, lambda layer: layer == "tenant-edu")
    assert account(found, "lab-edu-main").lowered == {"instances"}
    for used, problems in ((planned.instances - 1, 0), (planned.instances, 1)):
        live = {"instances": Limit(planned.instances + 2, used, 1), "cores": Limit(planned.cores, planned.cores + 9)}
        assert len(said(checks.quotas(found, Quotas({"lab-edu-main": live}, {}, "p1", flavors())))) == problems
    assert account(need(region(), {"tenant-edu": state}, lambda layer: layer == "network"), "lab-edu-main").lowered == frozenset()


def test_a_limit_that_up_sets_anew_counts_as_planned_and_none_in_the_cloud_is_enough() -> None:
    """The state has another limit than the plan, so that what the cloud has now is replaced."""
    found = need(region(), {"tenant-edu": edu()})
    short = limits(found, "lab-edu-network", "ports")
    changed = replace(account(found, "lab-edu-network"), kept=frozenset(NETWORK_LIMITS) - {"ports"})
    assert said(checks.quotas(replace(found, accounts=(changed,)), short)) == []
    live = {**short.projects["lab-edu-network"], "ports": Limit(-1, 2, 1)}
    assert said(checks.quotas(found, replace(short, projects={"lab-edu-network": live}))) == []


def test_a_dns_quota_that_somebody_made_too_small_by_one() -> None:
    planned = account(fresh(), "lab-edu-network").planned
    state = [*edu(), resource("dns/quotaV2:QuotaV2", "lab-edu-network.dns", zones=planned.dns_zones)]
    found = need(region(), {"tenant-edu": state})
    for limit, problems in ((1, 0), (0, 1)):
        live = {**limits(found, "lab-edu-network").projects["lab-edu-network"], "dns_zones": Limit(limit)}
        assert len(said(checks.quotas(found, Quotas({"lab-edu-network": live}, {}, "p1", flavors())))) == problems


@pytest.mark.parametrize("less", [0, 1])
def test_a_quota_of_floating_addresses_that_is_too_small_by_one(less: int) -> None:
    bastion = account(fresh(), region().access.bastion.project)
    planned = replace(bastion, planned=replace(bastion.planned, floating_ips=2 - less))
    assert len(said(checks.quotas(replace(fresh(), accounts=(planned,)), administrator(-1)))) == less


@pytest.mark.parametrize("short", ["instances", "cores", "ram_mib", "ports"])
def test_a_planned_quota_that_is_too_small_by_one_for_its_instances(short: str) -> None:
    bastion = account(fresh(), region().access.bastion.project)
    count = len(bastion.instances)
    exact = {"instances": count, "cores": count * SIZE.cpus, "ram_mib": count * SIZE.ram, "ports": checks.NEUTRON_TWICE * count}
    for less, problems in ((0, 0), (1, 1)):
        planned = replace(bastion, planned=replace(bastion.planned, **{**exact, short: exact[short] - less}))
        assert len(said(checks.quotas(replace(fresh(), accounts=(planned,)), administrator(-1)))) == problems


def test_the_plan_of_a_shipped_environment_has_room_for_itself() -> None:
    assert said(checks.quotas(fresh(), administrator(-1))) == []


def rooms(hosts: tuple[Host, ...]) -> Rooms:
    return Rooms(flavors(), {flavor.name: hosts for flavor in flavors()})


def small(count: int, name: str = "h1", zone: str = "nova") -> Host:
    """Room for so many."""
    return Host(name, zone, {"VCPU": count * SIZE.cpus, "MEMORY_MB": count * SIZE.ram, "DISK_GB": count * SIZE.disk})


def test_capacity_that_is_too_small_by_one() -> None:
    count = len(fresh().instances)
    zone = fresh().instances[0].availability_zone or "nova"
    assert said(checks.capacity(fresh(), rooms((small(count, zone=zone),)))) == []
    assert said(checks.capacity(fresh(), rooms((small(count - 1, "h1", zone), small(1, "h2", zone))))) == []
    for kind in ("VCPU", "MEMORY_MB", "DISK_GB"):
        host = small(count, zone=zone)
        short = replace(host, free={**host.free, kind: host.free[kind] - 1})
        found = said(checks.capacity(fresh(), rooms((short,))))
        assert len(found) == 1, kind
        assert "there is room for" in found[0]
    assert "there is room for 0 of" in said(checks.capacity(fresh(), rooms(())))[0]


def test_room_in_pieces_is_no_room() -> None:
    """Two hosts that have together what one instance needs."""
    one = replace(fresh(), instances=fresh().instances[:1])
    zone = one.instances[0].availability_zone or "nova"
    half = {"VCPU": 1, "MEMORY_MB": SIZE.ram // 2, "DISK_GB": SIZE.disk}
    assert len(said(checks.capacity(one, rooms((Host("h1", zone, half), Host("h2", zone, half)))))) == 1


def test_room_in_another_zone_is_no_room() -> None:
    one = replace(fresh(), instances=(replace(fresh().instances[0], availability_zone="az2"),))
    assert said(checks.capacity(one, rooms((Host("h1", "az2", BIG),)))) == []
    assert said(checks.capacity(one, rooms((Host("h1", None, BIG),)))) == []
    assert said(checks.capacity(one, rooms((Host("h1", "az1", BIG),)))) == [
        f"region north: there is room for 0 of 1 instances of flavor {one.instances[0].flavor!r} in zone 'az2'"
    ]


# --------------------------------------------------------------------------------------------------------------- examine
@pytest.fixture
def run() -> Run:
    stacks = MagicMock()
    stacks.standing.return_value = frozenset()
    return Run(load_plan("lab"), stacks, {"lab-north": Cloud("lab-north", "https://x.example", None)}, {"north": MagicMock()}, print)


def check(title: str, read: Any, judge: Any = lambda need, facts: facts) -> preflight.Check:
    return preflight.Check(title, read, judge)


def test_every_check_ends_as_one_of_three(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise SDKException("500")

    bad = Problem("bad", cure="mend it")
    found = (check("good", lambda _: []), check("bad", lambda _: [bad]), check("ill", broken))
    monkeypatch.setattr(preflight, "CHECKS", found)
    findings = preflight.examine(run, Selection())
    assert [(each.check, each.verdict) for each in findings] == [("good", Verdict.PASS), ("bad", Verdict.FAIL), ("ill", Verdict.UNKNOWN)]
    assert said(preflight.problems(findings)) == ["bad", "region north: ill could not be checked"]


def test_a_fault_of_our_own_is_no_problem_of_the_cloud(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "CHECKS", (check("x", lambda _: None, lambda need, facts: iter(facts)),))
    with pytest.raises(TypeError):
        preflight.examine(run, Selection())
